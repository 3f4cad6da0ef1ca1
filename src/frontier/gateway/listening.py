"""The sockets that the gateway listens on, for one process or several."""

import contextlib
import errno
import resource
import socket
from collections.abc import Sequence
from typing import Final

from frontier.domain.errors import PortTakenError, RuntimeFailedError

_BACKLOG: Final = 2048
_LOOPBACK: Final = ("localhost", "::1")

Sockets = Sequence[socket.socket]


def open_sockets(places: Sequence[tuple[str, int]], workers: int) -> list[Sockets]:
    """Return for each worker the sockets that it accepts from, one per host and port.

    Linux shares connections out among sockets of one port. Elsewhere all workers accept from the
    same sockets.

    Raises:
        PortTakenError: another process listens there.
        RuntimeFailedError: the address is not ours.
    """
    if workers == 1 or not _shares_ports():
        sockets = [_listen(host, port) for host, port in places]
        return [sockets] * workers
    ports = [_free(host, port) for host, port in places]
    return [
        [_listen(host, port, is_shared=True) for (host, _), port in zip(places, ports, strict=True)]
        for _ in range(workers)
    ]


def is_loopback(places: Sequence[tuple[str, int]]) -> bool:
    """Tell whether only this machine reaches all of *places*."""
    return all(host in _LOOPBACK or host.startswith("127.") for host, _ in places)


def url(listener: socket.socket) -> str:
    """Return where *listener* is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def allow_many_connections() -> None:
    """Raise the limit of open files as far as allowed; a stream needs two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS refuses an infinite limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _shares_ports() -> bool:
    """Tell whether the system balances connections between sockets; macOS has only the name."""
    import sys

    return sys.platform == "linux"


def _free(host: str, port: int) -> int:
    """Return *port*, a free one for 0, once no other program listens there.

    A port that is shared could be shared with another gateway of the same user, unnoticed.
    """
    with _listen(host, port) as probe:
        found: int = probe.getsockname()[1]
    return found


def _listen(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    where = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise RuntimeFailedError(f"cannot listen on {where}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if address[0] == "::":  # everywhere means IPv4 as well, whatever the system's default
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            hint = "Stop the other program, or choose another port."
            raise PortTakenError(f"another program listens on {where}", hint=hint) from error
        raise RuntimeFailedError(f"cannot listen on {where}: {error.strerror}") from error
    return listener
