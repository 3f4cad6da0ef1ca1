"""The machine that wheels are for; apart from the code that fetches them, which loads slowly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from packaging.tags import Tag

MACHINES: Final[Mapping[str, str]] = {"amd64": "x86_64", "arm64": "aarch64"}
"""Docker's names of architectures to those of wheels."""

_OLDEST_GLIBC: Final = 5  # glibc 2.5 is manylinux1
_OLD_NAMES: Final = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What wheels must run on: CPython on a Linux with glibc.

    Attributes:
        architecture: ``amd64`` or ``arm64``.
        python: Version of CPython.
        glibc: Version of the C library.
    """

    architecture: str
    python: tuple[int, int]
    glibc: tuple[int, int]

    def __str__(self) -> str:
        return f"linux/{self.architecture} and CPython {self.python[0]}.{self.python[1]}"

    @property
    def tags(self) -> "list[Tag]":
        """The tags that fit, the best first."""
        from packaging.tags import compatible_tags, cpython_tags

        machine, (major, newest) = MACHINES[self.architecture], self.glibc
        platforms: list[str] = []
        for minor in range(newest, _OLDEST_GLIBC - 1, -1):
            platforms.append(f"manylinux_{major}_{minor}_{machine}")
            if minor in _OLD_NAMES:
                platforms.append(f"{_OLD_NAMES[minor]}_{machine}")
        native = cpython_tags(self.python, platforms=platforms)
        return [*native, *compatible_tags(self.python, platforms=platforms)]
