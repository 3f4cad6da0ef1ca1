"""`frontier doctor`: the machine and its Docker, and what of both could not be read."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Self

import typer

from frontier.cli.machine_rows import machine_rows
from frontier.cli.output import size, table, text
from frontier.cli.session import Json, Session
from frontier.domain.docker import DockerFacts
from frontier.domain.errors import FrontierError
from frontier.domain.machine import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis(Machine):
    """The machine with its Docker.

    Attributes:
        docker: None where it cannot be used.
        docker_problem: Why not, "" where it can.
        docker_hint: What to do about it.
    """

    docker: DockerFacts | None = None
    docker_problem: str = ""
    docker_hint: str = ""

    @classmethod
    def of(cls, machine: Machine, docker: Callable[[], DockerFacts]) -> Self:
        """Return *machine* with what *docker* returns, or why it raises."""
        found = {field.name: getattr(machine, field.name) for field in fields(Machine)}
        try:
            return cls(**found, docker=docker())
        except FrontierError as error:
            return cls(**found, docker_problem=error.message, docker_hint=error.hint)


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(doctor)


def doctor(ctx: typer.Context, _json: Json = False) -> None:
    """Show the machine: processor, memory, disk, GPUs and Docker.

    Every probe that failed is named. Starts nothing and changes nothing.

    Example: frontier doctor --json
    """
    session: Session = ctx.obj
    services = session.services
    session.show(Diagnosis.of(services.machine(), lambda: services.docker_facts))


@text.register
def _(machine: Machine) -> str:
    rows = machine_rows(machine)
    return table(rows[0], rows[1:])


@text.register
def _(found: Diagnosis) -> str:
    rows = [*machine_rows(found), ("docker", _docker(found.docker) or found.docker_problem)]
    if found.docker_hint:
        rows.append(("", found.docker_hint))
    return table(rows[0], rows[1:])


def _docker(facts: DockerFacts | None) -> str:
    if facts is None:
        return ""
    traits = {
        "Docker Desktop or the like": facts.is_desktop,
        "rootless": facts.is_rootless,
        "gives containers NVIDIA GPUs": facts.has_nvidia,
        f"context {facts.context}": facts.context not in ("", "default"),
    }
    known = [
        f"engine {facts.engine}, Compose {facts.compose}, the daemon answers",
        f"{facts.cpus} CPUs and {size(facts.memory_bytes)} for containers",
        *(trait for trait, has in traits.items() if has),
    ]
    return ", ".join(known)
