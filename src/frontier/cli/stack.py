"""`frontier stack`: the stacks there are, what they mean, and what a change would do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from frontier.cli import select
from frontier.cli.build import build
from frontier.cli.output import table, text
from frontier.cli.session import DryRun, Json, Quiet, Session
from frontier.usecases import stacks as usecase
from frontier.usecases.monitoring import Monitoring

app = typer.Typer(help="Stacks: list, explain, render, compare, pin.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class StackList:
    """What `stack list` prints."""

    stacks: tuple[usecase.StackLine, ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What `stack render` prints without --output."""

    stack: str
    compose: str


def _names(ctx: typer.Context, incomplete: str) -> list[str]:
    session: Session = ctx.obj or Session()
    return [name for name in session.services.stacks.names() if name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(help="A stack.", autocompletion=_names)]
MaybeName = Annotated[
    str, typer.Argument(help="A stack; the current one if left out.", autocompletion=_names)
]
Accelerator = Annotated[
    Literal["auto", "cpu", "cuda", "rocm"],
    typer.Option("--accelerator", help="What the engine computes on; `auto` looks at the machine."),
]


@app.command("list")
def list_(ctx: typer.Context, _json: Json = False) -> None:
    """List the stacks: those that Frontier ships and those in the workspace's stacks/.

    Example: frontier stack list
    """
    session: Session = ctx.obj
    services = session.services
    current = services.settings.current_stack
    found = usecase.listed(services.stacks, services.stacks.is_own, current)
    session.show(StackList(tuple(found)))


@app.command()
def show(ctx: typer.Context, name: Name, _json: Json = False) -> None:
    """Explain a stack: what it offers and needs, its images and variables.

    Example: frontier stack show vllm
    """
    session: Session = ctx.obj
    services = session.services
    stack = services.stacks.load(name)
    session.show(
        usecase.describe(
            stack,
            services.stacks.fragments(),
            is_own=services.stacks.is_own(name),
            is_current=name == services.settings.current_stack,
        )
    )


@app.command()
def render(
    ctx: typer.Context,
    name: MaybeName = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write a folder that plain `docker compose` can run."),
    ] = None,
    accelerator: Accelerator = "auto",
    *,
    project_name: Annotated[
        str, typer.Option("--name", help="Its Compose project; the folder's name if left out.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that is not empty.")
    ] = False,
    _json: Json = False,
) -> None:
    """Print a stack's compose.yaml, or write all of it to a folder that needs no Frontier.

    The folder is a Compose project of its own, so that it takes nothing over that runs here.

    Examples:
        frontier stack render vllm --accelerator cuda
        frontier stack render --output ~/my-stack
    """
    session: Session = ctx.obj
    services = session.services
    stack = services.stacks.load(name or services.settings.current_stack)
    if output is None:
        project = services.previewing().containers.preview(stack, accelerator)
        session.show(Rendered(stack.name, usecase.compose_text(project)))
        return
    target, reporter = output.expanduser().absolute(), session.reporter
    taken = services.settings.project_name
    named = project_name or usecase.project_name(target.name, stack.name, taken=taken)
    containers = services.asking({"project_name": named}).containers
    session.show(containers.eject(stack, accelerator, target, force=force, reporter=reporter))


@app.command()
def diff(
    ctx: typer.Context, name: MaybeName = "", accelerator: Accelerator = "auto", _json: Json = False
) -> None:
    """Print what `frontier up` would change in the project that was brought up last, and why.

    With --accelerator it is about containers, also those of another machine.

    Example: frontier config set CACHE_SIZE 1024 && frontier stack diff
    """
    session: Session = ctx.obj
    services = session.services
    stack = services.stacks.load(name or services.settings.current_stack)
    preview = services.previewing()
    if accelerator == "auto":
        project = preview.foreseen(stack)
    else:
        project = preview.containers.preview(stack, accelerator)
    session.show(usecase.diff(services.project.load(), project))


@app.command()
def lock(
    ctx: typer.Context,
    name: MaybeName = "",
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Pin the images of a stack that are on this machine to their digests.

    They are written to config/images.lock.yaml; from then on exactly these run. Images of other
    stacks that are locked already stay so.

    Example: frontier stack lock vllm
    """
    session: Session = ctx.obj
    services = session.services
    stack = services.stacks.load(name or services.settings.current_stack)
    project = services.previewing().containers.preview(stack)
    digests, missing, local = usecase.digests(project, services.images.digests)
    if digests and not dry_run:
        with services.changing("stack lock"):
            services.snapshots.take("stack lock")
            services.images.lock.save({**services.images.lock.load(), **digests})
    session.show(
        usecase.Locked(
            path=str(services.images.lock.path),
            digests=digests,
            missing=missing,
            local=local,
            applied=bool(digests) and not dry_run,
        )
    )


@app.command()
def monitoring(
    ctx: typer.Context, dry_run: DryRun = False, _json: Json = False, _quiet: Quiet = False
) -> None:
    """Write the configuration of a Prometheus of your own, for what runs without Docker.

    It has the same targets, rules and alerts as the one in Docker. Write it again after a change
    of the settings; engines that start or stop are found without.

    Example: frontier stack monitoring
    """
    session: Session = ctx.obj
    services = session.services
    if dry_run:
        session.show(services.previewing().monitoring.write(dry_run=True))
        return
    with services.changing("stack monitoring"):
        session.show(services.monitoring.write(dry_run=False))


app.command()(build)
select.register(app)


@text.register
def _(result: StackList) -> str:
    rows = [
        (
            f"{'*' if line.is_current else ' '} {line.name}",
            ", ".join(line.runtimes),
            ", ".join(line.accelerators),
            "stacks/" if line.is_own else "Frontier",
            f"broken: {line.problem}" if line.problem else line.summary or line.title,
        )
        for line in result.stacks
    ]
    return table(("  STACK", "RUNTIMES", "IMAGES FOR", "FROM", ""), rows)


@text.register
def _(result: usecase.StackDescription) -> str:
    stack = result.stack
    facts = [
        ("stack", f"{stack.name}: {stack.title}"),
        ("", stack.summary),
        ("from", result.origin),
        ("runs", ", ".join(stack.runtimes)),
        ("offers", ", ".join(result.provides)),
        ("needs", ", ".join(result.needs)),
        ("engine", f"{stack.engine}, port {result.port} inside"),
        ("model", _MODELS[result.model_format]),
        ("", f"{result.model_setting} names another one" if result.model_setting else ""),
    ]
    parts = [table(("", ""), [fact for fact in facts if fact[1]]).strip("\n ")]
    rows = [
        (service, kind if len(images) > 1 else "any", image, result.settings.get(service, ""))
        for service, images in {**result.images, **result.shared}.items()
        for kind, image in images.items()
    ]
    parts.append(table(("SERVICE", "COMPUTES ON", "IMAGE", "REPLACED BY"), rows))
    if result.variables:
        rows = [(v.name, str(v.default), v.help, "") for v in result.variables]
        parts.append(table(("VARIABLE", "DEFAULT", "", ""), rows))
    return "\n\n".join(parts)


_MODELS = {
    "gguf": "a GGUF file of the store (frontier models)",
    "hub": "a repository of the Hugging Face hub, which the engine fetches",
    "ollama": "whatever is asked for, which the engine fetches (ollama's library)",
    "none": "none",
}


@text.register
def _(result: Rendered) -> str:
    return result.compose


@text.register
def _(result: usecase.Ejected) -> str:
    lines = [f"{result.folder}: {len(result.files)} files, project {result.project}", "start it:"]
    lines += [f"  {command}" for command in result.commands]
    if result.taken:
        ports = ", ".join(map(str, result.taken))
        lines.append(f"what runs here listens on {ports}: before, frontier stop; or change `ports`")
    return "\n".join(lines)


@text.register
def _(result: Monitoring) -> str:
    verb = "wrote" if result.applied else "would write"
    lines = [f"{verb} {result.folder}/{file}" for file in result.files]
    return "\n".join([*lines, "start it:", *(f"  {command}" for command in result.commands)])


@text.register
def _(result: usecase.StackDiff) -> str:
    if not result.changes and not result.texts:
        return f"{result.stack}: nothing would change"
    steps = [f"{c.action} {c.service}: {', '.join(c.reasons)}" for c in result.changes]
    if not steps:
        steps = ["no service would be restarted"]
    return "\n\n".join(["\n".join(steps), *result.texts.values()])


@text.register
def _(result: usecase.Locked) -> str:
    lines = [f"{image} {digest}" for image, digest in result.digests.items()]
    lines += [f"{image} was built here: nothing to pin" for image in result.local]
    lines += [f"{image} is not on this machine: docker pull {image}" for image in result.missing]
    verb = "wrote" if result.applied else "would write" if result.digests else "nothing to write to"
    return "\n".join([*lines, f"{verb} {result.path}"])
