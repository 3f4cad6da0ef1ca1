"""`frontier bench report`: results as one page for people, and its plots as pictures."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from frontier.cli.output import size, text
from frontier.cli.session import Json, Session
from frontier.domain.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from frontier.renderers.bench_plots import Run

_HEAD_BYTES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was written.

    Attributes:
        page: One file that needs no other.
        pictures: Of its plots, empty without ``--png``.
    """

    page: str
    size_bytes: int
    pictures: tuple[str, ...]


def register(app: typer.Typer) -> None:
    """Add the command to the group `bench`."""
    app.command("report")(report)


def report(
    ctx: typer.Context,
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT...", help="Files of `frontier bench run`.")
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The page; beside the first result if left out."),
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", help="A folder for each plot as a PNG file.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Show the page in a browser.")] = False,
    _json: Json = False,
) -> None:
    """Write results as one HTML page: tables, plots, what was run, how to read and repeat it.

    The page holds all it needs: no network, no script, light and dark, narrow, wide and on paper.
    Several results share the plots; only what is alike should be put side by side.

    Examples:
        frontier bench report result.json --open
        frontier bench report before.json after.json --output both.html --png plots
    """
    from frontier.adapters.files import write_atomic
    from frontier.adapters.folders import templates
    from frontier.adapters.pictures import write_png
    from frontier.renderers.bench_page import page
    from frontier.renderers.bench_plots import plots

    session: Session = ctx.obj
    runs = _runs(results)
    path = (output or results[0].with_suffix(".html")).absolute()
    _keep_results(path, results)
    drawn = {(png / f"{plot.name}.png").absolute(): plot for plot in plots(runs)} if png else {}
    for each in (path, *drawn):
        _keep_foreign(each, results)
    write_atomic(path, page(templates("report")["bench.html.j2"], runs))
    for picture, plot in drawn.items():
        write_png(plot.svg("light"), picture)
    session.show(
        Report(page=str(path), size_bytes=path.stat().st_size, pictures=tuple(map(str, drawn)))
    )
    if show:
        typer.launch(path.as_uri())


def _keep_results(path: Path, results: Sequence[Path]) -> None:
    kept = {file.resolve() for one in results for file in (one, one.with_suffix(".csv"))}
    if path.resolve() in kept or path.is_dir():
        raise UsageError(f"--output {path} is no place for a page", hint="For instance page.html.")


def _keep_foreign(path: Path, results: Sequence[Path]) -> None:
    if path.exists() and not (path.is_file() and _is_ours(path)):
        option = "--png another-folder" if path.suffix == ".png" else "--output another.html"
        raise RefusedError(
            f"{path} is none of ours: it would be lost",
            hint=f"frontier bench report {shlex.join(map(str, results))} {option}",
        )


def _is_ours(path: Path) -> bool:
    from frontier.adapters.pictures import SOFTWARE
    from frontier.renderers.bench_page import GENERATOR

    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return GENERATOR.encode() in head or SOFTWARE in head


def _runs(paths: Sequence[Path]) -> "list[Run]":
    from frontier.adapters.bench_files import read
    from frontier.domain.bench_summary import summarize
    from frontier.renderers.bench_plots import Run

    results = [read(path) for path in paths]
    names = _names(paths) if len(paths) > 1 else [""]
    return [
        Run(name=name, result=result, summaries=summarize(result))
        for name, result in zip(names, results, strict=True)
    ]


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the shortest names that differ: files, with their folders, or counted."""
    for names in ([path.stem for path in paths], [str(path) for path in paths]):
        if len(set(names)) == len(names):
            return names
    return [f"{path.stem} ({i})" for i, path in enumerate(paths, 1)]


@text.register
def _(found: Report) -> str:
    lines = [f"{found.page}  {size(found.size_bytes)}"]
    if found.pictures:
        lines += [f"{len(found.pictures)} plots in {Path(found.pictures[0]).parent}"]
    return "\n".join(lines)
