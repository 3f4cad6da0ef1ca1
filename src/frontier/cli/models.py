"""`frontier models`: pull, list, show, check and remove models."""

import re
from functools import partial
from typing import Annotated, Final, Literal

import typer

from frontier.cli import models_catalog, models_disk, models_engines, models_fit
from frontier.cli.output import size, table, text
from frontier.cli.session import DryRun, Json, Quiet, Session
from frontier.domain.catalog import variant_name
from frontier.domain.errors import ModelNotFoundError
from frontier.usecases import catalog, models, stored_models

app = typer.Typer(help="Models: get, list, inspect, verify and remove them.", no_args_is_help=True)
models_catalog.register(app)
models_disk.register(app)
models_fit.register(app)

_COMMIT: Final = re.compile(r"(@[0-9a-f]{12})[0-9a-f]{28}")
_STORE_ENGINES: Final = "llamacpp, mistral"


def _stored(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the stored names for shell completion."""
    session: Session = ctx.obj or Session()
    return [m.name for m in session.services.models.store.all() if m.name.startswith(incomplete)]


def _known(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the catalog's names for shell completion, quantisations once a name stands there."""
    session: Session = ctx.obj or Session()
    entries = session.services.models.catalog.entries
    names = [name for name in entries if name.startswith(incomplete)]
    if not names or incomplete in entries:
        files = ((entry, file) for entry in entries.values() for file in entry.quantisations)
        names += [variant_name(*one) for one in files]
    return [name for name in names if name.startswith(incomplete)]


def _stored_or_known(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return stored names and the catalog's for shell completion."""
    return list(dict.fromkeys([*_stored(ctx, incomplete), *_known(ctx, incomplete)]))


def _listed(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of all that `rm` can remove, for shell completion."""
    session: Session = ctx.obj or Session()
    kept = [model.name for one in session.services.models.engines for model in one.models()]
    return [*_stored(ctx, incomplete), *(name for name in kept if name.startswith(incomplete))]


Name = Annotated[
    str, typer.Argument(help="A stored model; its tag may be left out.", autocompletion=_stored)
]
Names = Annotated[
    list[str] | None,
    typer.Argument(help="Models that `list` shows; all if left out.", autocompletion=_listed),
]


@app.command()
def pull(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A catalog name, or a source: hf:, ollama:, pypi:, https:, file:.",
            autocompletion=_known,
        ),
    ],
    stored_as: Annotated[
        str, typer.Option("--name", help="Name it gets here; its own or its file's if left out.")
    ] = "",
    to: Annotated[
        Literal["auto", "store", "ollama", "hub"],
        typer.Option(help="Where it goes: our store, Ollama's, the hub's cache for vLLM."),
    ] = "auto",
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Download a model, verify it and store it where the selected stack needs it.

    An interrupted download goes on where it stopped. With the stack ollama its server pulls, with
    vllm the repository with safetensors comes into the hub's cache of the workspace.

    Examples:
        frontier models pull smollm2:135m
        frontier models pull hf:Qwen/Qwen3-Embedding-0.6B-GGUF:Q8_0 --name embed
        frontier models pull https://example.org/model.gguf#sha256=<64 digits>
        frontier models pull ollama:qwen3.5:9b
        frontier models pull file:./model.gguf
        frontier models pull Qwen/Qwen3.5-4B --to hub
    """
    session: Session = ctx.obj
    services = session.services
    goal = services.models.destination(name, None if to == "auto" else to)
    if goal.place != "store":
        session.show(models_engines.pull(session, goal, stored_as=stored_as, dry_run=dry_run))
        return
    if dry_run:
        session.show(services.models.plan(name, stored_as=stored_as))
        return
    session.show(services.models.pull(name, session.reporter, stored_as=stored_as))


@app.command("list")
def list_(ctx: typer.Context, _json: Json = False) -> None:
    """List the stored models, those that engines keep, and interrupted downloads.

    Example: frontier models list --json
    """
    session: Session = ctx.obj
    models = session.services.models
    session.show(stored_models.everything(store=models.store, engines=models.engines))


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A stored model, or one of the catalog.", autocompletion=_stored_or_known
        ),
    ],
    _json: Json = False,
) -> None:
    """Show what a stored model says about itself, or what the catalog tells of one.

    Examples:
        frontier models show smollm2
        frontier models show qwen3.5:9b
    """
    from frontier.adapters.gguf import read_header

    session: Session = ctx.obj
    store, known = session.services.models.store, session.services.models.catalog
    try:
        session.show(stored_models.show(name, store=store, catalog=known, read_header=read_header))
    except ModelNotFoundError:
        if (told := catalog.known(name, catalog=known)) is None:
            raise
        session.show(told)


@app.command()
def check(
    ctx: typer.Context,
    names: Names = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Fetch again what is damaged, and nothing else.")
    ] = False,
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Read models again and compare them with their digests; exit code 1 if one is bad.

    Those that Ollama and the hub's cache of this workspace keep are read, too, but not repaired.

    Examples:
        frontier models check smollm2:135m
        frontier models check --repair --dry-run
    """
    session: Session = ctx.obj
    services = session.services
    report = stored_models.check(
        names or [],
        store=services.models.store,
        catalog=services.models.catalog,
        reporter=session.reporter,
        engines=services.models.engines,
        repair=partial(services.models.pull, reporter=session.reporter) if repair else None,
        dry_run=dry_run,
    )
    session.show(report)
    if report.bad:
        raise typer.Exit(1)


@app.command()
def rm(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(help="A model that `frontier models list` shows.", autocompletion=_listed),
    ],
    dry_run: DryRun = False,
    _json: Json = False,
) -> None:
    """Remove a model and what nothing else uses; print the bytes freed and those that stay.

    Also what an interrupted download left, and models that Ollama or the hub's cache of this
    workspace keep.

    Examples:
        frontier models rm smollm2:135m --dry-run
        frontier models rm Qwen/Qwen3.5-4B
    """
    session: Session = ctx.obj
    services = session.services
    result = stored_models.remove(
        name,
        store=services.models.store,
        engines=services.models.engines,
        running=services.running.model,
        dry_run=dry_run,
    )
    session.show(result)


@text.register
def _(result: models.Pulled) -> str:
    model = result.model
    verb = "pulled" if result.downloaded else "already here, verified:"
    if result.repaired_bytes:
        verb = f"repaired ({size(result.repaired_bytes)} fetched)"
    return f"{verb} {model.name}  {size(model.size_bytes)}  sha256 {model.digest}"


@text.register
def _(plan: models.PullPlan) -> str:
    if plan.is_present:
        return f"{plan.name} is here already, verified: nothing to download"
    rows = [
        ("model", plan.name),
        ("source", plan.source),
        ("download", _bytes(plan.download_bytes)),
        ("disk needed", _bytes(plan.disk_bytes)),
        ("disk free", _bytes(plan.free_bytes)),
    ]
    return table(rows[0], rows[1:])


@text.register
def _(result: stored_models.ModelList) -> str:
    if not result.models and not result.partial and not result.kept:
        return "no models yet: `frontier models pull smollm2:135m` gets a small one"
    rows = [
        (m.name, size(m.size_bytes), m.digest[:12], m.source, _STORE_ENGINES, str(m.path.parent))
        for m in result.models
    ]
    rows += [
        (
            k.name,
            size(k.size_bytes),
            k.digest[:12],
            _COMMIT.sub(r"\1", k.source),
            ", ".join(k.engines),
            str(k.place),
        )
        for k in result.kept
    ]
    rows += [(p.name, size(p.size_bytes), "incomplete", "", "", "") for p in result.partial]
    return table(("NAME", "SIZE", "SHA-256", "SOURCE", "FOR", "WHERE"), rows)


@text.register
def _(details: stored_models.ModelDetails) -> str:
    model, header, entry = details.model, details.header, details.entry
    rows = [
        ("name", model.name),
        ("title", header.name),
        ("architecture", header.architecture),
        ("parameters", f"{header.parameters:,}"),
        ("quantisation", header.quantisation),
        ("context", _count(header.context_length)),
        ("layers", _count(header.block_count)),
        ("embedding length", _count(header.embedding_length)),
        ("attention heads", _heads(header.head_count, header.head_count_kv)),
        ("experts", _count(header.expert_count or None)),
        ("vocabulary", _count(header.vocab_size)),
        ("tensors", f"{header.tensor_count:,}"),
        ("chat template", "yes" if header.has_chat_template else "no"),
        ("KV cache", f"{_bytes(details.kv_bytes_per_token)} per token at 16 bits"),
        ("licence", entry.licence if entry else ""),
        ("size", _bytes(model.size_bytes)),
        ("sha256", model.digest),
        ("source", model.source),
        ("file", model.file_name),
        ("blob", str(model.path)),
        ("pulled", model.pulled_at),
    ]
    shown = [row for row in rows if row[1]]
    return table(shown[0], shown[1:])


@text.register
def _(report: stored_models.CheckReport) -> str:
    if not report.models:
        return "no models to check"
    rows = [(m.name, m.health, _found(m)) for m in report.models]
    hints = [f"hint: {_mending(m)}" for m in report.bad]
    return "\n".join([table(("NAME", "HEALTH", ""), rows), *hints])


def _mending(model: stored_models.CheckedModel) -> str:
    if model.keeper:  # their own clients take a file for whole that has the right length
        to = f"--to {model.keeper}"
        return f"frontier models rm {model.name} && frontier models pull {model.name} {to}"
    return f"frontier models check --repair {model.name}"


def _found(model: stored_models.CheckedModel) -> str:
    bad = ", ".join(f"{d.begin:,}-{d.end - 1:,}" for d in model.damage[:3])
    bad += f" and {len(model.damage) - 3} more" if len(model.damage) > 3 else ""  # noqa: PLR2004 shown above
    where = f"damaged bytes {bad}" if bad else ""
    if model.repaired_bytes is None:
        return where
    verb = "repaired" if model.is_repaired else "a repair would fetch"
    return f"{where}{'; ' if where else ''}{verb} {_bytes(model.repaired_bytes)}"


@text.register
def _(result: stored_models.Removed) -> str:
    verb = "removed" if result.applied else "would remove"
    stays = f"; {_bytes(result.kept_bytes)} stay, in use elsewhere" if result.kept_bytes else ""
    return f"{verb} {result.name}: {_bytes(result.freed_bytes)} freed{stays}"


def _bytes(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,} bytes ({size(count)})"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _heads(heads: int | None, kv: tuple[int, ...]) -> str:
    shared = f"{min(kv)} to {max(kv)}" if len(set(kv)) > 1 else f"{kv[0]}" if kv else "?"
    return f"{heads}, {shared} for keys and values" if heads else ""
