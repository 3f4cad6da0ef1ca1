"""Pictures as PNG files, drawn by resvg."""

import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Final

from frontier.adapters.files import write_atomic
from frontier.domain.errors import NoFontError

SOFTWARE: Final = b"tEXtSoftware\0frontier"
"""Near the beginning of every picture of ours."""

_AFTER_HEADER: Final = 33  # the signature and IHDR, which is always first and 25 bytes long
_ZOOM: Final = 2
"""Pixels of the picture per pixel of the SVG: sharp on dense screens and in print."""


def write_png(svg: str, path: Path) -> None:
    """Write *svg* to *path* as PNG, twice as large.

    Raises:
        NoFontError: its words would be missing.
        StorageError: it cannot be written.
    """
    import resvg_py

    if not _writes(_family(svg)):
        raise NoFontError(
            "a picture would have no words: this machine has no font that can be used",
            hint="Install one (Debian, Ubuntu: apt install fonts-dejavu-core; Fedora: dnf install"
            " dejavu-sans-fonts), or leave --png out: the page needs no font file.",
        )
    write_atomic(path, _signed(resvg_py.svg_to_bytes(svg_string=svg, zoom=_ZOOM)))


def _signed(png: bytes) -> bytes:
    """Return *png* with who made it, as the PNG specification has it (11.3.3.3)."""
    length = struct.pack(">I", len(SOFTWARE) - 4)
    chunk = length + SOFTWARE + struct.pack(">I", zlib.crc32(SOFTWARE))
    return png[:_AFTER_HEADER] + chunk + png[_AFTER_HEADER:]


@cache
def _writes(family: str) -> bool:
    import resvg_py

    frame = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">'
    letter = f'<text y="16" font-family="{family}">M</text>'
    drawn, empty = (
        resvg_py.svg_to_bytes(svg_string=f"{frame}{inside}</svg>") for inside in (letter, "")
    )
    return drawn != empty


def _family(svg: str) -> str:
    return svg.partition('font-family="')[2].partition('"')[0]
