"""Asking an engine from the control plane: one connection, one request, the answer as it comes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, Self

import httptools

from frontier.gateway.routes import Address
from frontier.gateway.wire.resolver import Resolver

_CONNECT_S: Final = 5.0
_READ_BYTES: Final = 64 * 1024
_FIRST_FINAL_STATUS: Final = 200


class Streamed:
    """An engine's answer.

    Attributes:
        status: Of its head, which is here.
        content_type: "" if it has none.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.status = 0
        self.content_type = ""
        self._reader = reader
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._is_framed = False
        self._is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what matters."""
        lower = name.lower()
        if lower == b"content-type":
            self.content_type = value.decode("latin-1")
        self._is_framed = self._is_framed or lower in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        """Take the status."""
        if self._parser.get_status_code() >= _FIRST_FINAL_STATUS:
            self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Take a piece."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Notice the end."""
        self._is_complete = self.status > 0

    async def begun(self) -> Self:
        """Wait for the head.

        Raises:
            OSError: what came is no HTTP.
        """
        while not self.status:
            if not await self._read():
                raise OSError("it closed the connection before it answered")
        return self

    async def _read(self) -> bool:
        data = await self._reader.read(_READ_BYTES)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise OSError("it answered no HTTP") from error
        return bool(data)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes.

        Raises:
            OSError: it ends before it is complete.
        """
        while True:
            if self._parts:
                piece = b"".join(self._parts)
                self._parts.clear()
                yield piece
            if self._is_complete:
                return
            if not await self._read():
                if self._is_framed:
                    raise OSError("it died in the middle of its answer")
                return


@contextlib.asynccontextmanager
async def streamed(
    address: Address, method: str, path: str, body: bytes, resolver: Resolver
) -> AsyncGenerator[Streamed]:
    """Send a request and provide the answer; leaving the block ends the connection.

    Raises:
        OSError: the engine cannot be reached, or answers no HTTP.
    """
    try:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await resolver.first(
                address.host, lambda ip: asyncio.open_connection(ip, address.port)
            )
    except TimeoutError as error:
        raise OSError(f"it could not be reached within {_CONNECT_S:g} s") from error
    try:
        head = (
            f"{method} {address.prefix}{path} HTTP/1.1\r\nhost: {address.authority}\r\n"
            "content-type: application/json\r\nconnection: close\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        yield await Streamed(reader).begun()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
