"""`frontier stack build`: an engine for this machine."""

from typing import Annotated, Literal

import typer

from frontier.adapters.silent import Silent
from frontier.cli.output import table, text
from frontier.cli.session import DryRun, Json, Quiet, Session
from frontier.domain.build import Wish
from frontier.usecases.build import StackBuilt


def _built_stacks(ctx: typer.Context, incomplete: str) -> list[str]:
    session: Session = ctx.obj or Session()
    return [name for name in session.services.stacks.names() if name.startswith(incomplete)]


def build(  # noqa: PLR0917 options, which Typer passes by name
    ctx: typer.Context,
    stack: Annotated[
        str, typer.Argument(help="A stack with an engine to build.", autocompletion=_built_stacks)
    ] = "mistral",
    accelerator: Annotated[
        Literal["auto", "metal", "cuda", "cpu"],
        typer.Option("--accelerator", help="What it computes on; `auto` decides by the hardware."),
    ] = "auto",
    features: Annotated[
        str, typer.Option("--features", help="Cargo features instead of those decided.")
    ] = "",
    method: Annotated[
        Literal["cargo", "image", "prebuilt"],
        typer.Option(
            "--method", help="Compile it, put it into an image too, or find a ready-made one."
        ),
    ] = "cargo",
    base: Annotated[
        str, typer.Option("--base", help="Base image of --method image; else one that suits.")
    ] = "",
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Build a stack's engine for this machine: mistral.rs, from its sources.

    Features follow from chip, CUDA toolkit and GPU. Built again with the same inputs, it is
    there at once. Takes about 20 minutes on two processors.

    Examples:
        frontier stack build mistral --dry-run
        frontier stack build mistral
        frontier stack build mistral --method image
        frontier stack build mistral --accelerator cpu
    """
    session: Session = ctx.obj
    services = session.services
    settings = services.settings
    wish = Wish(
        accelerator=accelerator,
        features=features,
        metal=settings.enable_metal,
        cuda=settings.enable_cuda,
        setting=settings.accelerator,
    )
    use_case = services.mistral.build(Silent() if dry_run else session.reporter)
    loaded = services.stacks.load(stack)
    session.show(use_case.run(loaded, wish, method, base=base, dry_run=dry_run))


@text.register
def _(result: StackBuilt) -> str:
    lines = list(result.decisions) if not result.applied else []
    if result.checks and not result.applied:
        rows = [(c.name, c.seen, c.needed, c.mend or "ok") for c in result.checks]
        lines += ["", table(("needs", "seen", "needed", "next"), rows), ""]
    where = result.image or result.binary
    if result.is_cached:
        lines.append(f"{_what(result)} is here: {where}")
    elif result.applied:
        lines.append(f"built {_what(result)}: {where}")
    else:
        lines.append(f"would build {_what(result)}")
    if result.applied:
        lines += _next(result)
    return "\n".join(lines)


def _what(result: StackBuilt) -> str:
    features = f" ({', '.join(result.features)})" if result.features else ""
    return f"mistral.rs {result.version} for {result.accelerator}{features}"


def _next(result: StackBuilt) -> list[str]:
    """Return what to type next."""
    if result.image and result.method == "image":
        return [
            f"use it: frontier config set MISTRAL_IMAGE {result.image}",
            f"then:   frontier up {result.stack} --runtime docker",
        ]
    runtime = "docker" if result.image else "native"
    return [f"use it: frontier up {result.stack} --runtime {runtime}"]
