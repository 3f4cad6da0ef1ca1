"""What is known of a model beside its name."""

from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from frontier.gateway.routes import Target

Capability = Literal[
    "completion", "tools", "insert", "vision", "embedding", "thinking", "image", "audio"
]


class Details(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As a route file has it; everything may be unknown, which is "" or 0.

    Attributes:
        family: The architecture, ``llama``.
        parameters: How many weights.
        quantisation: ``Q4_K_M``.
        context: Tokens that prompt and answer may have together.
        embedding_length: Numbers of one vector.
        size_bytes: Of the model's files.
        digest: SHA-256, 64 hex digits.
        modified_at: RFC 3339.
        licence: SPDX identifier, or the licence's own name.
        capabilities: None if unknown: then nothing is refused.
    """

    format: str = "gguf"
    family: str = ""
    parameters: int = 0
    quantisation: str = ""
    context: int = 0
    embedding_length: int = 0
    size_bytes: int = 0
    digest: str = ""
    modified_at: str = ""
    licence: str = ""
    capabilities: tuple[Capability, ...] | None = None


UNKNOWN: Final = Details()


def lacks(target: "Target", capability: Capability) -> bool:
    """Tell whether *target* is known to be without *capability*."""
    known = target.details.capabilities
    return known is not None and capability not in known
