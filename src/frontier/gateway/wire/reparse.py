"""Requests that offer an upgrade: the offer is ignored, the request answered."""

from typing import TYPE_CHECKING

import httptools

if TYPE_CHECKING:
    from frontier.gateway.wire.arrival import RequestReader


class _BehindHead:
    """Callbacks of a parser whose first head is known already.

    llhttp takes a head that offers an upgrade for the end of HTTP on the connection. Java's
    HTTP client sends ``Upgrade: h2c`` with every request on plain TCP, and expects HTTP/1.1 if
    nobody takes it up.
    """

    def __init__(self, reader: "RequestReader") -> None:
        self._reader = reader
        self._is_next = False

    def on_message_begin(self) -> None:
        if self._is_next:
            self._reader.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._is_next:
            self._reader.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_next:
            self._reader.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_next:
            self._reader.on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._reader.on_body(body)

    def on_message_complete(self) -> None:
        self._is_next = True
        self._reader.on_message_complete()


def without_upgrade(
    reader: "RequestReader", headers: dict[bytes, bytes]
) -> httptools.HttpRequestParser:
    """Return a parser that has read a head with the framing of *headers* and no upgrade."""
    framing = b"".join(
        b"%b: %b\r\n" % (name, headers[name])
        for name in (b"content-length", b"transfer-encoding")
        if name in headers
    )
    parser = httptools.HttpRequestParser(_BehindHead(reader))
    parser.feed_data(b"POST / HTTP/1.1\r\n" + framing)
    return parser
