"""Request bodies that come compressed."""

import sys
import zlib
from collections.abc import Callable
from typing import Final

from frontier.gateway.errors import Problem, too_large

_GZIP: Final = zlib.MAX_WBITS | 16


def plain(body: bytes, encoding: bytes, limit_bytes: int) -> bytes | Problem:
    """Return *body* without its *encoding*, one of `KNOWN`, or why that cannot be.

    Never takes more memory than *limit_bytes* and the input, however small that is.
    """
    try:
        out = _DECODERS[encoding](body, limit_bytes + 1)
    except (ValueError, EOFError, zlib.error) as error:
        message = f"The request body is not valid {encoding.decode()}: {error}."
        return Problem(400, message)
    return too_large(limit_bytes) if len(out) > limit_bytes else out


def _gunzip(body: bytes, most: int) -> bytes:
    decoder = zlib.decompressobj(_GZIP)
    out = decoder.decompress(body, most)
    if len(out) < most and (not decoder.eof or decoder.unused_data):
        raise EOFError("it is cut short, or more follows")
    return out


def _unzstd(body: bytes, most: int) -> bytes:
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdDecompressor, ZstdError
    else:
        from backports.zstd import ZstdDecompressor, ZstdError
    decoder = ZstdDecompressor()
    try:
        out = decoder.decompress(body, most)
    except ZstdError as error:
        raise ValueError(str(error)) from error
    if len(out) < most and (not decoder.eof or decoder.unused_data):
        raise EOFError("it is cut short, or more follows")
    return out


_DECODERS: Final[dict[bytes, Callable[[bytes, int], bytes]]] = {
    b"identity": lambda body, _most: body,
    b"gzip": _gunzip,
    b"x-gzip": _gunzip,
    b"zstd": _unzstd,
}
KNOWN: Final = frozenset(_DECODERS)
