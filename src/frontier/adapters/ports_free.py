"""TCP ports: free ones, and who holds the taken ones."""

import contextlib
import errno
import socket
from collections.abc import Collection
from typing import TYPE_CHECKING

from frontier.domain.errors import ConfigError, PortTakenError, RuntimeFailedError

if TYPE_CHECKING:
    import psutil

_LOOKAHEAD = 100


def free_port() -> int:
    """Return a loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ensure_port_free(
    host: str, port: int, *, variable: str = "API_PORT", ours: Collection[int] = ()
) -> None:
    """Check that a service can listen on *host*:*port*.

    Args:
        host: Address or name to listen on.
        port: TCP port; 0 is always free.
        variable: The setting to change, named in the hint.
        ours: Process ids that may hold the port: they will be restarted.

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
        pid, name = _holder(port)
        if pid not in ours:
            raise PortTakenError(
                f"port {port} is taken by {name}",
                hint=f"frontier config set {variable} {_next_free(host, port)}",
            ) from error


def _listen(host: str, port: int) -> None:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as listener:
        # what asyncio's servers do: a port in TIME_WAIT is free, a listening one is not
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1)


def _next_free(host: str, port: int) -> int:
    for candidate in range(port + 1, min(port + _LOOKAHEAD, 65536)):
        with contextlib.suppress(OSError):
            _listen(host, candidate)
            return candidate
    return free_port()


def _holder(port: int) -> tuple[int | None, str]:
    """Return process id and name of who listens on *port*, as far as the system tells."""
    import psutil

    with contextlib.suppress(psutil.Error):  # macOS tells only root about other processes
        for connection in psutil.net_connections("tcp"):
            is_it = (connection.laddr or ("", 0))[1] == port
            if is_it and connection.status == psutil.CONN_LISTEN and connection.pid is not None:
                return connection.pid, _describe(psutil.Process(connection.pid))
    return None, "another process"


def _describe(process: "psutil.Process") -> str:
    return f"{process.name()} (process {process.pid})"
