"""`frontier bench compare`: what became better or worse, and how sure that is."""

import re
from pathlib import Path
from typing import Annotated

import typer

from frontier.cli.output import coloured, table, text
from frontier.cli.session import Json, Session
from frontier.domain.bench_change import CaseChange, Change
from frontier.domain.bench_summary import METRICS, title_of, unit_of
from frontier.domain.bench_unlike import KINDS
from frontier.domain.errors import UsageError
from frontier.domain.statistics import Estimate
from frontier.domain.units import quantity
from frontier.usecases.bench_compare import Comparison, Side, compare

_COLOURS = {"better": "32", "worse": "31"}


def register(app: typer.Typer) -> None:
    """Add the command to the group `bench`."""
    app.command("compare")(command)


def command(
    ctx: typer.Context,
    base: Annotated[Path, typer.Argument(help="The result to compare with.")],
    new: Annotated[Path, typer.Argument(help="The result that is judged.")],
    *,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow", metavar="KIND", help=f"May differ: {', '.join(KINDS)}. Again for more."
        ),
    ] = None,
    fail_if_worse: Annotated[
        str,
        typer.Option(
            "--fail-if-worse",
            metavar="PERCENT",
            help="Exit code 1 if a metric is worse beyond doubt and by more than this.",
        ),
    ] = "",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="What --fail-if-worse looks at; medians, rates and errors if left out.",
        ),
    ] = None,
    _json: Json = False,
) -> None:
    """Compare two results of `frontier bench run`, each difference with its confidence interval.

    Refuses what is unlike (another machine, engine, model, load), and says what to allow. Only
    where the interval leaves no doubt is something called better or worse.

    Examples:
        frontier bench compare before.json after.json
        frontier bench compare small.json large.json --allow model
        frontier bench compare main.json branch.json --fail-if-worse 5%
    """
    from frontier.adapters.bench_files import read

    session: Session = ctx.obj
    found = compare(
        (str(base), read(base)),
        (str(new), read(new)),
        allowed=_known(allow, KINDS, "--allow"),
        limit=_part(fail_if_worse) if fail_if_worse else None,
        metrics=_known(metric, METRICS, "--metric"),
    )
    session.show(found)
    if found.worse:
        raise typer.Exit(1)


def _known(given: list[str] | None, known: tuple[str, ...], option: str) -> list[str]:
    for name in given or []:
        if name not in known:
            raise UsageError(f"{option} {name}: unknown", hint=f"Known: {', '.join(known)}.")
    return given or []


def _part(words: str) -> float:
    """Return 0.05 for ``5%`` and for ``5``."""
    if not re.fullmatch(r"\d+(\.\d+)?\s*%?", words.strip()):
        raise UsageError(f"--fail-if-worse {words}: no percentage", hint="For instance 5%.")
    return float(words.strip().rstrip("%")) / 100


@text.register
def _(found: Comparison) -> str:
    parts = [f"base  {_side(found.base)}\nnew   {_side(found.new)}"]
    if found.allowed:
        parts.append("differs, as allowed:\n" + "\n".join(f"  {one}" for one in found.allowed))
    parts += [_case(case) for case in found.cases]
    parts += [f"note: {caveat}" for caveat in found.caveats]
    if found.worse:
        parts.append("worse:\n" + "\n".join(f"  {one}" for one in found.worse))
    return "\n\n".join(parts)


def _side(side: Side) -> str:
    target = side.target
    engine = f"{target.get('engine', '')} {target.get('engine_version', '')}".strip()
    rounds = f"{side.rounds} round{'s' * (side.rounds != 1)}"
    facts = (side.path, target.get("model", ""), engine, side.created, rounds)
    return ", ".join(filter(None, facts))


def _case(case: CaseChange) -> str:
    rows = [
        (
            title_of(one.metric),
            _value(one.base, one.metric),
            _value(one.new, one.metric),
            _change(one),
            _verdict(one),
        )
        for one in case.changes
    ]
    return f"{case.case.id}\n" + table(("METRIC", "BASE", "NEW", "CHANGE (95 %)", "VERDICT"), rows)


def _value(value: Estimate | None, metric: str) -> str:
    return quantity(value.value, unit_of(metric)) if value else "-"


def _change(one: Change) -> str:
    if one.change is None:
        return "-"
    unit = "points" if one.metric == "error_ratio" else "%"
    if one.low is None or one.high is None:
        return f"{100 * one.change:+.1f} {unit}"
    return f"{100 * one.change:+.1f} {unit} ({100 * one.low:+.1f} to {100 * one.high:+.1f})"


def _verdict(one: Change) -> str:
    colour = _COLOURS.get(one.verdict)
    return coloured(one.verdict, colour) if colour else one.verdict
