"""TCP ports: free ones, and who holds the taken ones."""

import contextlib
import errno
import socket
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from frontier.domain.errors import ConfigError, PortTakenError, RuntimeFailedError

if TYPE_CHECKING:
    from psutil._ntuples import pconn, sconn

_LOOKAHEAD = 100
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 compared, not bound


def free_port() -> int:
    """Return a loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _everyone() -> "Sequence[sconn]":
    import psutil

    return psutil.net_connections("tcp")


def ensure_port_free(
    host: str,
    port: int,
    *,
    variable: str = "API_PORT",
    ours: Collection[int] = (),
    everyone: "Callable[[], Sequence[sconn]]" = _everyone,
) -> None:
    """Check that a service can listen on *host*:*port*.

    Args:
        host: Address or name to listen on.
        port: TCP port; 0 is always free.
        variable: The setting to change, named in the hint.
        ours: Process ids that may hold the port: they will be restarted.
        everyone: Lists the TCP sockets of all processes; raises psutil.Error where it may not.

    Raises:
        PortTakenError: another process listens there; names it if the system tells us.
        ConfigError: *host* is not an address of this machine.
        RuntimeFailedError: this user may not listen on *port*.
    """
    try:
        _listen(host, port)
    except PermissionError as error:
        raise RuntimeFailedError(
            f"this user may not listen on port {port}",
            hint=f"frontier config set {variable} {port + 8000}",
        ) from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise ConfigError(
                f"cannot listen on {host}: {error.strerror}",
                hint="frontier config set BIND_ADDRESS 127.0.0.1",
            ) from error
        if stranger := _stranger(_numeric(host), port, ours, everyone):
            raise PortTakenError(
                f"port {port} is taken by {stranger}",
                hint=f"frontier config set {variable} {next_free(host, port)}",
            ) from error


def _listen(host: str, port: int) -> None:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as listener:
        # what asyncio's servers do: a port in TIME_WAIT is free, a listening one is not
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address[0] == "::":  # as the gateway does
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(1)


def _numeric(host: str) -> str:
    return str(socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][4][0])


def next_free(host: str, port: int) -> int:
    """Return the first free port of *host* after *port*, any free one where many are taken."""
    for candidate in range(port + 1, min(port + _LOOKAHEAD, 65536)):
        with contextlib.suppress(OSError):
            _listen(host, candidate)
            return candidate
    return free_port()


def _stranger(
    address: str, port: int, ours: Collection[int], everyone: "Callable[[], Sequence[sconn]]"
) -> str:
    """Return who listens on *address*:*port*, "" when only processes of *ours* do."""
    import psutil

    try:
        holders = [c.pid for c in everyone() if _is_in_the_way(c, address, port)]
    except psutil.Error:  # macOS tells only root about everyone, but each about its own
        holders = [pid for pid in ours if _holds(pid, address, port)]
    strangers = [pid for pid in holders if pid not in ours]
    if holders and not strangers:
        return ""
    return _described(next((pid for pid in strangers if pid is not None), None))


def _holds(pid: int, address: str, port: int) -> bool:
    import psutil

    with contextlib.suppress(psutil.Error):
        connections = psutil.Process(pid).net_connections("tcp")
        return any(_is_in_the_way(c, address, port) for c in connections)
    return False


def _is_in_the_way(connection: "pconn | sconn", address: str, port: int) -> bool:
    """Tell whether it keeps others from listening on *address*:*port*."""
    if connection.status != "LISTEN" or not connection.laddr or connection.laddr.port != port:
        return False
    theirs = connection.laddr.ip
    return theirs == address or not _EVERYWHERE.isdisjoint((theirs, address))


def _described(pid: int | None) -> str:
    import psutil

    with contextlib.suppress(psutil.Error):
        if pid is not None:
            return f"{psutil.Process(pid).name()} (process {pid})"
    return "another process"
