"""Host names of engines: asked for every new connection, never remembered, never in the way."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

# One that hangs is not waited for by those who come later: the name may exist by now.
_SHARED_S: Final = 1.0


class Resolver:
    """Looks names up in a thread per name, which all who ask within a second share.

    Not in asyncio's executor: a name server that hangs would take all its threads, and keep the
    process from ending.
    """

    def __init__(self) -> None:
        self._latest: dict[str, tuple[float, asyncio.Future[tuple[str, ...]]]] = {}

    async def first(self, host: str, connect: Callable[[str], Awaitable[T]]) -> T:
        """Return what *connect* returns for the first IP address of *host* that takes it.

        Raises:
            OSError: no such host, or what the last address said.
        """
        if _is_ip(host):
            return await connect(host)
        failure = OSError(f"{host} has no address")
        for ip in await self._resolve(host):
            try:
                return await connect(ip)
            except OSError as error:
                failure = error
        raise failure

    async def _resolve(self, host: str) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        since, future = self._latest.get(host, (0.0, None))
        if future is None or future.done() or loop.time() - since > _SHARED_S:
            future = loop.create_future()
            thread = threading.Thread(target=_look_up, args=(host, loop, future), daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # a container's limit of processes counts threads
                raise OSError(f"no thread to look up {host}: {error}") from error
            self._latest[host] = loop.time(), future
        # one who stops waiting must not take the answer from the others
        return await asyncio.shield(future)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(
    host: str, loop: asyncio.AbstractEventLoop, future: "asyncio.Future[tuple[str, ...]]"
) -> None:
    def tell() -> None:
        if isinstance(found, OSError):
            future.set_exception(found)
            future.exception()  # nobody may be left to hear it
        else:
            future.set_result(found)

    found: tuple[str, ...] | OSError
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        found = tuple(dict.fromkeys(str(info[4][0]) for info in infos))
    except OSError as error:
        found = error
    except UnicodeError:  # a label longer than DNS allows
        found = OSError(f"{host} is not a valid host name")
    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:  # the gateway has ended meanwhile
        return
