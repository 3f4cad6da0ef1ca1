"""One process that serves: connections, ticks, signals, an orderly end."""

import asyncio
import gc
import signal
from collections.abc import Callable
from typing import Any, Final

from frontier.gateway.core import Core
from frontier.gateway.errors import STOPPING
from frontier.gateway.health import watch
from frontier.gateway.listening import Sockets
from frontier.gateway.wire.client import ClientConnection

LAST_WORDS_S: Final = 1.0
"""How long clients may take an error for an answer once the drain is over."""

_TICK_S: Final = 0.1
# Requests leave little garbage in cycles; the default of 700 scans for it far too often.
_GC_THRESHOLD: Final = 20_000


class Server:
    """One process that serves.

    Args:
        core: Shared by its connections.
        drain_s: How long requests may finish.
        sockets: To accept from.
        on_tick: Called ten times a second.
    """

    def __init__(
        self, core: Core, drain_s: float, sockets: Sockets, on_tick: Callable[[], None]
    ) -> None:
        self._core, self._drain_s = core, drain_s
        self._sockets, self._on_tick = sockets, on_tick
        self._stop = asyncio.Event()

    async def run(self, announce: Callable[[], None] | None = None) -> None:
        """Serve until a signal; a worker, which announces nothing, hears only its parent's."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_loop_error)
        if announce is None:
            handlers = {signal.SIGTERM: self._stop.set, signal.SIGQUIT: self._on_second}
        else:
            handlers = {signal.SIGTERM: self._on_signal, signal.SIGINT: self._on_signal}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        servers = [
            await loop.create_server(lambda: ClientConnection(self._core), sock=s)
            for s in self._sockets
        ]
        self._tick(loop)
        if announce is not None:
            announce()
        prober = loop.create_task(watch(self._core))
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD, 20, 20)
        await self._stop.wait()
        for server in servers:
            server.close()
        prober.cancel()
        await self._drain()
        for number in handlers:  # the loop closes its pipe before it stops listening to signals
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self) -> None:
        """Stop in order; a second signal stops at once."""
        if self._stop.is_set():
            self._on_second()
        self._stop.set()

    def _on_second(self) -> None:
        self._core.close()
        self._stop.set()

    def _on_loop_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error: BaseException | None = context.get("exception")
        if error is None:
            self._core.event("loop", level="error", message=context["message"])
        elif not isinstance(error, OSError):
            self._core.bug(error)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(_TICK_S, self._tick, loop)
        self._core.tick()
        self._on_tick()

    async def _drain(self) -> None:
        core = self._core
        core.stop()
        if not await self._is_empty_within(self._drain_s):
            for client in tuple(core.clients):
                client.stop(STOPPING)
            await self._is_empty_within(LAST_WORDS_S)
        core.event("stopped", tasks=len(asyncio.all_tasks()))
        core.close()

    async def _is_empty_within(self, wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                await self._core.is_empty.wait()
        except TimeoutError:
            return False
        return True
