"""Connections to one engine: idle ones are reused, the youngest first."""

import asyncio
from typing import Final

from frontier.gateway.routes import Address
from frontier.gateway.wire.upstream import UpstreamConnection

_MOST_IDLE: Final = 256
_IDLE_S: Final = 30.0


class Pool:
    """The connections to one address."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.open = 0
        self._idle: list[UpstreamConnection] = []

    def take(self) -> UpstreamConnection | None:
        """Return an idle connection, None if there is none."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    async def connect(self) -> UpstreamConnection:
        """Return a new connection.

        Raises:
            OSError: refused, unreachable, no such host.
        """
        loop = asyncio.get_running_loop()
        host, port = self.address.host, self.address.port
        _, connection = await loop.create_connection(lambda: UpstreamConnection(self), host, port)
        return connection

    def give_back(self, connection: UpstreamConnection, now: float) -> None:
        """Keep *connection* for the next request, or close it if there are many."""
        if len(self._idle) >= _MOST_IDLE:
            connection.transport.close()
            return
        connection.idle_since = now
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """Drop a connection that the engine closed."""
        if connection in self._idle:
            self._idle.remove(connection)

    def prune(self, now: float) -> None:
        """Close what has been idle for long."""
        stale = [c for c in self._idle if now - c.idle_since > _IDLE_S]
        for connection in stale:
            self._idle.remove(connection)
            connection.transport.close()

    def close(self) -> None:
        """Close every idle connection."""
        for connection in self._idle:
            connection.transport.close()
        self._idle.clear()
