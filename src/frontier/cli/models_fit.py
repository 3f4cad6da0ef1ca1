"""`frontier models fit`: whether a model fits this machine, before it is downloaded."""

from typing import Annotated, Literal

import typer

from frontier.cli.output import size, table, text
from frontier.cli.session import Json, Session
from frontier.domain.errors import DoesNotFitError
from frontier.usecases.fit import Fit

_STATUS = {"fits": "yes", "no": "no"}


def register(app: typer.Typer) -> None:
    """Add the command to the group `models`."""
    app.command("fit")(fit)


def fit(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="A model of the catalog or the store, a source, hf:OWNER/REPO, or a GGUF file."
        ),
    ],
    *,
    context: Annotated[
        int,
        typer.Option("--context", min=0, help="Tokens of one request slot; 0 is what is set."),
    ] = 0,
    parallel: Annotated[
        int, typer.Option("--parallel", min=0, help="Request slots; 0 is what is set.")
    ] = 0,
    kv_type: Annotated[
        Literal["f16", "q8_0", "q4_0"] | None,
        typer.Option("--kv-type", help="Numbers of the KV cache; KV_CACHE_TYPE if left out."),
    ] = None,
    stack: Annotated[str, typer.Option("--stack", help="Look at this stack only.")] = "",
    _json: Json = False,
) -> None:
    """Tell what a model needs and what is free, before any download; exit code 5 if nothing fits.

    Reads the head of the file or the configuration where they lie. The columns are what llama.cpp,
    Ollama, mistral.rs and vLLM take for a context; MOST is the longest that would fit. --json
    gives every context, part and device.

    Examples:
        frontier models fit qwen3.5:9b
        frontier models fit hf:unsloth/Qwen3.5-27B-GGUF --context 32768 --parallel 2
        frontier models fit ./model.gguf --kv-type q8_0 --stack llamacpp
    """
    session: Session = ctx.obj
    with session.reporter.task(f"looking at {model}"):
        found = session.services.fit(
            model, context=context, parallel=parallel, kv_type=kv_type, stack=stack
        )
    session.show(found)
    if found.chosen is None:
        raise typer.Exit(DoesNotFitError.exit_code)


@text.register
def _(found: Fit) -> str:
    rows = [
        (
            row.quantisation or row.name,
            row.stack,
            row.device,
            size(row.weights_bytes),
            size(row.kv_bytes),
            size(row.compute_bytes + row.engine_bytes),
            size(row.needed_bytes),
            size(row.free_bytes),
            _STATUS.get(row.status, f"{row.gpu_layers}/{row.layers} layers"),
            f"{row.most_context:,}" if row.most_context else "-",
        )
        for row in found.rows
        if row.context == found.context
    ]
    header = ("FILE", "STACK", "DEVICE", "WEIGHTS", "KV CACHE", "ENGINE", "NEEDS", "FREE", "FITS")
    slots = f", {found.parallel} slots" if found.parallel > 1 else ""
    parts = [
        f"{found.model}: {found.context:,} tokens of context{slots}, KV cache {found.kv_type}; "
        f"from {found.basis}",
        table((*header, "MOST"), rows) if rows else "",
        f"take: {found.reason}" if found.chosen else found.reason,
    ]
    if found.instead:
        parts.append("what would fit:\n" + "\n".join(f"  {line}" for line in found.instead))
    return "\n\n".join(filter(None, parts))
