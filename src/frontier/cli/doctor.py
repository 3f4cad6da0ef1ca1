"""`frontier doctor`: the machine, its Docker, and everything that both must have."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Self

import typer

from frontier.cli.checks import Asked, Ci, Format, Junit, Only, Skip, conclude, look
from frontier.cli.machine_rows import machine_rows
from frontier.cli.output import size, table, text
from frontier.cli.session import Json, Session
from frontier.domain.check import Checked, Report
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
        checks: What the machine and the installation must have, and have or not.
    """

    docker: DockerFacts | None = None
    docker_problem: str = ""
    docker_hint: str = ""
    checks: tuple[Checked, ...] = ()

    @classmethod
    def of(
        cls,
        machine: Machine,
        docker: Callable[[], DockerFacts],
        checks: tuple[Checked, ...] = (),
    ) -> Self:
        """Return *machine* with what *docker* returns, or why it raises, and *checks*."""
        found = {field.name: getattr(machine, field.name) for field in fields(Machine)}
        try:
            return cls(**found, docker=docker(), checks=checks)
        except FrontierError as error:
            return cls(**found, docker_problem=error.message, docker_hint=error.hint, checks=checks)


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(doctor)


def doctor(
    ctx: typer.Context,
    *,
    output_format: Format = "text",
    ci: Ci = False,
    only: Only = None,
    skip: Skip = None,
    junit: Junit = None,
    _json: Json = False,
) -> None:
    """Show the machine, and check it and the installation.

    Looks at processor, memory, disk, GPUs, Docker, Git, ports, permissions, clock, proxies and
    the servers that models come from. What is wrong is shown with the command that mends it.
    Starts nothing and changes nothing. Ends with 1 where a check failed.

    Examples:
        frontier doctor
        frontier doctor --only docker --only port
        frontier doctor --json
    """
    from frontier.usecases.checking import Once

    session: Session = ctx.obj
    asked = Asked(
        format=output_format, ci=ci, only=only or (), skip=skip or (), junit=junit
    ).resolved(session)
    services = session.services
    machine, docker = Once(services.machine), Once(services.checks.docker_facts)
    checks = services.checks.doctor(machine=machine, docker=docker, may_ask=not asked.ci)
    report = look(session, "doctor", checks, asked)
    shown = None
    if not (only or skip) or asked.format == "json":
        shown = Diagnosis.of(machine(), docker, report.checks)
    conclude(session, report, asked, result=shown)


@text.register
def _(machine: Machine) -> str:
    rows = machine_rows(machine)
    return table(rows[0], rows[1:])


@text.register
def _(found: Diagnosis) -> str:
    rows = [*machine_rows(found), ("docker", _docker(found.docker) or found.docker_problem)]
    if found.docker_hint:
        rows.append(("", found.docker_hint))
    shown = table(rows[0], rows[1:])
    return f"{shown}\n\n{text(Report.of('doctor', found.checks))}" if found.checks else shown


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
