"""`frontier models available` and `search`: what can be had by name."""

from typing import Annotated

import typer

from frontier.cli.output import size, table, text
from frontier.cli.session import Json, Session
from frontier.domain.catalog import CatalogEntry, Quantisation, variant_name
from frontier.domain.catalog_search import ABILITIES, ENGINES, Wish
from frontier.domain.units import bytes_of
from frontier.usecases import catalog


def _abilities(incomplete: str) -> list[str]:
    return [ability for ability in ABILITIES if ability.startswith(incomplete)]


def _engines(incomplete: str) -> list[str]:
    return [engine for engine in ENGINES if engine.startswith(incomplete)]


Ability = Annotated[
    list[str] | None,
    typer.Option(
        "--ability",
        "-a",
        help=f"It can do that: {', '.join(ABILITIES)}; may be repeated.",
        autocompletion=_abilities,
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        help=f"It runs on that: {', '.join(ENGINES)}.",
        autocompletion=_engines,
    ),
]
Licence = Annotated[str, typer.Option(help="Stands in the licence's name, such as apache.")]
Context = Annotated[int, typer.Option(min=0, help="Tokens that it was trained for, at least.")]
MaxSize = Annotated[str, typer.Option(help="A file of it is no larger: 8G, 500MB.")]
Open = Annotated[bool, typer.Option("--open", help="Without those whose maker wants a token.")]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*: one, under the names that people look for."""
    app.command("available")(available)
    app.command("search")(available)


def available(  # noqa: PLR0917 - one parameter per option
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(help="All stand in its name, title, a source or a tag."),
    ] = None,
    ability: Ability = None,
    engine: Engine = "",
    licence: Licence = "",
    context: Context = 0,
    max_size: MaxSize = "",
    is_open: Open = False,
    _json: Json = False,
) -> None:
    """Search the catalog, what can be pulled by name; without words and filters all of it.

    Examples:
        frontier models available
        frontier models search qwen coder
        frontier models search --ability tools --engine vllm --max-size 20G
    """
    session: Session = ctx.obj
    wish = Wish(
        words=tuple(words or ()),
        abilities=tuple(ability or ()),
        engine=engine,
        licence=licence,
        context=context,
        most_bytes=bytes_of(max_size) if max_size else None,
        open_only=is_open,
    )
    models = session.services.models
    session.show(catalog.available(store=models.store, catalog=models.catalog, wish=wish))


@text.register
def _(result: catalog.AvailableModels) -> str:
    if not result.models:
        return f"none of the {result.known} models of the catalog is like that"
    rows = [_row(item) for item in result.models]
    head = ("NAME", "PARAMETERS", "SIZE", "CONTEXT", "LICENCE", "CAN", "ENGINES", "")
    return table(head, rows)


@text.register
def _(known: catalog.KnownModel) -> str:
    entry = known.entry
    rows = [
        ("name", entry.name),
        ("title", entry.title),
        ("parameters", _weights(entry)),
        ("context", f"{entry.context:,}" if entry.context else ""),
        ("licence", entry.licence + (" (the maker's repository is gated)" if entry.gated else "")),
        ("can", ", ".join(entry.abilities)),
        ("engines", ", ".join(known.engines)),
        ("KV cache", _kv(known.kv_bytes_per_token)),
        *((file.name, _file(entry, file)) for file in entry.quantisations),
        *((c.quantisation, f"hf:{c.repo}{_about(c.about_bytes)}") for c in entry.checkpoints),
        (
            "Ollama",
            f"{entry.ollama.name}{_about(entry.ollama.about_bytes)}" if entry.ollama else "",
        ),
        ("not checked", ", ".join(entry.unverified)),
        ("from", entry.origin),
    ]
    shown = [row for row in rows if row[1]]
    return "\n".join([table(shown[0], shown[1:]), "", f"not stored yet: {_next(known)}"])


def _next(known: catalog.KnownModel) -> str:
    entry = known.entry
    if "llamacpp" in known.engines:
        return f"frontier models pull {entry.name}"
    if entry.ollama:
        return f"frontier stack select ollama; frontier models pull {entry.name}"
    return f"frontier stack select vllm; frontier models pull {entry.name}"


def _weights(entry: CatalogEntry) -> str:
    active = entry.active_parameters
    some = f", {parameters(active)} compute a token" if active != entry.parameters else ""
    return f"{parameters(entry.parameters)}{some}"


def _kv(count: int | None) -> str:
    return f"{count:,} bytes ({size(count)}) per token at 16 bits" if count else ""


def _file(entry: CatalogEntry, file: Quantisation) -> str:
    name = entry.name if file is entry.quantisations[0] else variant_name(entry, file)
    exact = f", {size(file.size_bytes)}" if file.size_bytes else _about(file.about_bytes)
    split = ", in several files" if file.is_split else ""
    return f"{name}{exact}{split}  {file.sources[0]}"


def _about(count: int | None) -> str:
    return f", about {size(count)}" if count else ""


def _row(item: catalog.AvailableModel) -> tuple[str, ...]:
    entry = item.entry
    return (
        entry.name,
        parameters(entry.parameters),
        about(entry),
        f"{entry.context:,}" if entry.context else "?",
        (entry.licence or "?") + (" (gated)" if entry.gated else ""),
        ", ".join(entry.abilities) or "text",
        ", ".join(item.engines),
        "here" if item.is_present else "",
    )


def about(entry: CatalogEntry) -> str:
    """Return the size of what the name alone means."""
    sizes = [file.weights_bytes for file in entry.quantisations]
    sizes += [checkpoint.about_bytes for checkpoint in entry.checkpoints]
    return next((size(known) for known in sizes if known), "?")


def parameters(count: int) -> str:
    """Return a number of weights as models are named by it: ``8.96B``, ``270M``."""
    if not count:
        return "?"
    billions = f"{count / 1e9:.3g}"
    return f"{billions}B" if float(billions) >= 1 else f"{count / 1e6:.0f}M"
