"""A question of the gateway's own to an engine, and the whole answer."""

import asyncio
from typing import TYPE_CHECKING, Final

from frontier.gateway.wire.bodies import BodyReader

if TYPE_CHECKING:
    from frontier.gateway.wire.pool import Pool
    from frontier.gateway.wire.upstream import UpstreamConnection

_LONGEST: Final = 8 * 1024 * 1024


async def fetch(pool: "Pool", path: str, body: bytes = b"") -> bytes:
    """Return what the engine of *pool* answers to a GET, or with *body* to a POST.

    The connection is closed afterwards. Cancel it to give up.

    Raises:
        OSError: no connection, no whole answer, or none with status 200.
    """
    connection = await pool.connect()
    exchange = _Exchange(connection)
    address = pool.address
    method = "POST" if body else "GET"
    head = (
        f"{method} {address.prefix}{path} HTTP/1.1\r\nhost: {address.authority}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    )
    try:
        connection.send(exchange, head.encode(), body)
        return await exchange.answer
    finally:
        connection.abort()


class _Exchange:
    def __init__(self, connection: "UpstreamConnection") -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._connection = connection
        self._reader = BodyReader()
        self._body = b""

    def received(self, data: bytes) -> None:
        self._body += self._reader.feed(data)
        connection = self._connection
        if connection.is_broken or len(self._body) > _LONGEST:
            self._end(OSError("no valid answer"))
        elif connection.is_complete:
            is_good = connection.status == 200  # noqa: PLR2004 - the one that has a body to read
            self._end(None if is_good else OSError(f"status {connection.status}"))

    def lost(self, error: Exception | None) -> None:
        whole = error is None and self._connection.status and not self._connection.is_framed
        self._end(None if whole else OSError("no whole answer"))

    def _end(self, error: OSError | None) -> None:
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(self._body)
        else:
            self.answer.set_exception(error)
