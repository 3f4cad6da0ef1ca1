"""Ports of the host that containers listen on: who holds the one that is wanted."""

from collections.abc import Collection, Iterable, Mapping

from frontier.adapters.docker_containers import Listed
from frontier.adapters.ports_free import ensure_port_free
from frontier.domain.docker import Endpoint
from frontier.domain.errors import PortTakenError


def require_ports(
    wanted: Mapping[Endpoint, str],
    containers: Iterable[Listed],
    *,
    ours: str,
    variables: Mapping[int, str],
    giving_up: Collection[int] = (),
) -> None:
    """Check that Docker can listen on *wanted*.

    Args:
        wanted: Endpoint to the service that publishes it.
        containers: Every container of this Docker.
        ours: The workspace whose containers may hold them: they give them up.
        variables: Port to the setting that it comes from, named in the hint.
        giving_up: Process ids that may hold them, too.

    Raises:
        PortTakenError: another container or process listens there.
        ConfigError: an address is not one of this machine.
    """
    held = [(endpoint, c) for c in containers for endpoint in c.ports]
    for endpoint, service in wanted.items():
        holders = [container for theirs, container in held if theirs.collides(endpoint)]
        if stranger := next((c for c in holders if c.workspace != ours), None):
            raise _held_by_container(endpoint, stranger, variables.get(endpoint.port))
        if not holders:
            variable = variables.get(endpoint.port, f"the port of {service}")
            ensure_port_free(endpoint.address, endpoint.port, variable=variable, ours=giving_up)


def _held_by_container(endpoint: Endpoint, holder: Listed, variable: str | None) -> PortTakenError:
    whose = f" of the Compose project {holder.project}" if holder.project else ""
    where = f" ({holder.workspace or holder.folder})" if holder.workspace or holder.folder else ""
    other = f", or frontier config set {variable} {endpoint.port + 1}" if variable else ""
    return PortTakenError(
        f"port {endpoint.port} is taken by the container {holder.name}{whose}{where}",
        hint=f"docker stop {holder.name}{other}",
    )
