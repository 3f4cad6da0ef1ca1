"""Connections to engines: idle ones are reused, the youngest first."""

import asyncio
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from frontier.gateway.breaker import Breaker
from frontier.gateway.routes import Address
from frontier.gateway.wire.resolver import Resolver
from frontier.gateway.wire.upstream import UpstreamConnection

_MOST_IDLE: Final = 256
_IDLE_S: Final = 30.0


class Pool:
    """The connections to one address, and what is known of the engine there.

    Attributes:
        open: How many connections there are, idle or busy.
        busy: How many requests the engine works on.
        breaker: Whether it may be asked.
        is_up: It answered when it was last asked, by a probe or a request.
        contexts: Tokens of context by the engine's own name of the model, as far as it says.
        settles_until: Clock time; see `is_settling`.
        is_retired: No route leads to the address any more. It may come back as another engine's,
            with a pool of its own: none of these connections may serve that one.
    """

    def __init__(self, address: Address, resolver: Resolver) -> None:
        self.address = address
        self.open = 0
        self.busy = 0
        self.breaker = Breaker()
        self.is_up = False
        self.contexts: dict[str, int] = {}
        self.settles_until = 0.0
        self.is_retired = False
        self._resolver = resolver
        self._idle: list[UpstreamConnection] = []

    def is_settling(self, now: float) -> bool:
        """Tell whether an engine that refuses is taken for one that is not quite there."""
        return now < self.settles_until and not self.is_retired

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
        _, connection = await self._resolver.first(
            host, lambda ip: loop.create_connection(lambda: UpstreamConnection(self), ip, port)
        )
        return connection

    def give_back(self, connection: UpstreamConnection, now: float) -> None:
        """Keep *connection* for the next request, or close it if there are many."""
        if self.is_retired or len(self._idle) >= _MOST_IDLE:
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

    def retire(self) -> None:
        """Close every idle connection, and the others when their answers are complete."""
        self.is_retired = True
        self.close()


class Pools:
    """The pool of every address that routes lead to, and those that still have answers to end.

    Attributes:
        at: By address; none for None, the address of an engine that does not run.
    """

    def __init__(self) -> None:
        self.resolver = Resolver()
        self.at: dict[Address | None, Pool] = {}
        self._retired: list[Pool] = []

    def __iter__(self) -> Iterator[Pool]:
        """Go through the pools that routes lead to."""
        return iter(tuple(self.at.values()))

    def __getitem__(self, address: Address) -> Pool:
        """Return the pool of an address that was given to `use`."""
        return self.at[address]

    @property
    def open(self) -> int:
        """How many connections to engines are open."""
        return sum(pool.open for pool in (*self.at.values(), *self._retired))

    def use(self, addresses: AbstractSet[Address], *, settles_until: float) -> None:
        """Have pools for *addresses* and no others; new ones get *settles_until*."""
        for address in [a for a in self.at if a not in addresses]:
            pool = self.at.pop(address)
            pool.retire()
            self._retired.append(pool)
        for address in addresses - self.at.keys():
            pool = self.at[address] = Pool(address, self.resolver)
            pool.settles_until = settles_until

    def prune(self, now: float) -> None:
        """Close what has been idle for long; forget pools that have nothing left."""
        for pool in self.at.values():
            pool.prune(now)
        self._retired = [pool for pool in self._retired if pool.open]

    def close(self) -> None:
        """Close every idle connection."""
        for pool in self.at.values():
            pool.close()
