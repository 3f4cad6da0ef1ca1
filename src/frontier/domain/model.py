"""Models as the store knows them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One stored model: a name and the blob it points to.

    Attributes:
        name: What people and clients ask for, ``family:tag``.
        digest: SHA-256 of the blob, 64 hex digits.
        size_bytes: Length of the blob.
        source: Where it came from, with its prefix (``pypi:``, ``https:``, ``hf:``, ``file:``).
        file_name: The original file name, for people.
        path: The blob on disk; engines open it read-only.
    """

    name: str
    digest: str
    size_bytes: int
    source: str
    file_name: str
    path: Path
