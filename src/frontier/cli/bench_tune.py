"""`frontier bench tune`: find faster settings for the engine, prove them, and write them."""

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from frontier.cli.bench_live import Silent
from frontier.cli.config import later
from frontier.cli.output import table, text
from frontier.cli.session import DryRun, Json, Quiet, Session
from frontier.domain.errors import UsageError
from frontier.domain.tuning import Goal, Knob, Proof, Trial, Tuned
from frontier.usecases.tuning import shown

if TYPE_CHECKING:
    from frontier.bootstrap.tuning import EngineTuning

_BUDGET: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}
_USERS: Final[Mapping[Goal, int]] = {"latency": 1, "throughput": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `--dry-run` prints; `start` has the present settings."""

    model: str
    goal: Goal
    concurrency: int
    start: Mapping[str, str]
    knobs: tuple[Knob, ...]
    budget_s: float
    rounds: int
    round_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What tuning came to.

    Attributes:
        changes: Settings that are faster by both looks at them, {} for none.
        before: The same settings as they were.
        applied: They stand in `.env`.
        evidence: The file with every trial, None where there is none.
        note: What brings them to what runs, "" where nothing does.
    """

    model: str
    goal: Goal
    concurrency: int
    changes: Mapping[str, str]
    before: Mapping[str, str]
    applied: bool
    trials: tuple[Trial, ...]
    proof: Proof | None
    skipped: tuple[str, ...]
    evidence: Path | None
    note: str = ""


def register(app: typer.Typer) -> None:
    """Add the command to the group `bench`."""
    app.command()(tune)


def tune(
    ctx: typer.Context,
    *,
    goal: Annotated[
        Goal, typer.Option("--for", help="Quick answers for one, or many tokens for all.")
    ] = "latency",
    budget: Annotated[
        str, typer.Option("--budget", metavar="TIME", help="About how long: 90s, 5m, 1h.")
    ] = "5m",
    concurrency: Annotated[
        int,
        typer.Option("--concurrency", "-c", min=0, help="Users at once; 1, or 4 for throughput."),
    ] = 0,
    prompt_tokens: Annotated[
        int, typer.Option("--prompt-tokens", min=1, help="Length of each prompt.")
    ] = 256,
    output_tokens: Annotated[
        int, typer.Option("--output-tokens", min=2, help="Length of each answer.")
    ] = 64,
    requests: Annotated[
        int, typer.Option("--requests", "-n", min=0, help="Per user and round; 0: as time allows.")
    ] = 0,
    allow_lossy: Annotated[
        bool, typer.Option("--allow-lossy", help="Also KV caches of fewer bits: answers change.")
    ] = False,
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Find engine settings that are faster on this machine, prove it, and write them to .env.

    Starts engines of its own, one after the other; what runs is not touched, and makes it slower.
    Only what is faster in two looks at it is written; `frontier rollback` takes it back.

    Examples:
        frontier bench tune
        frontier bench tune --for throughput --concurrency 8 --budget 10m
        frontier bench tune --dry-run
    """
    from frontier.bootstrap.tuning import Aim, EngineTuning

    session: Session = ctx.obj
    services = session.services
    services.seen = services.last_holder  # before anything is read
    users = concurrency or _USERS[goal]
    aim = Aim(
        goal=goal,
        concurrency=users,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        budget_s=_seconds(budget),
        requests=requests,
        lossy=allow_lossy,
    )
    engine = EngineTuning(services, aim, Silent())
    if dry_run:
        session.show(
            Plan(
                model=engine.model.name,
                goal=goal,
                concurrency=users,
                start=engine.start,
                knobs=engine.knobs,
                budget_s=aim.budget_s,
                rounds=engine.load.rounds,
                round_s=engine.round_s,
            )
        )
        return
    session.only_reads = True  # until it is done nothing is changed, and Ctrl-C need not say so
    found = engine.tuning(session.reporter.say).run()
    session.show(_kept(session, engine, found))


def _kept(session: Session, engine: "EngineTuning", found: Tuned) -> Outcome:
    """Write the evidence and the winner, and return what to show."""
    evidence = engine.keep(found, shlex.join(["frontier", *sys.argv[1:]]))
    if found.changes:
        engine.apply(found.changes)
    return Outcome(
        model=engine.model.name,
        goal=engine.aim.goal,
        concurrency=engine.aim.concurrency,
        changes=found.changes,
        before={name: found.start[name] for name in found.changes},
        applied=bool(found.changes),
        trials=found.trials,
        proof=found.proof,
        skipped=found.skipped,
        evidence=evidence,
        note=later(session) if found.changes else "",
    )


def _seconds(budget: str) -> float:
    found = _BUDGET.fullmatch(budget.strip().lower())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if seconds <= 0:
        raise UsageError(f"--budget {budget}: no time", hint="For instance --budget 5m.")
    return seconds


@text.register
def _(result: Plan) -> str:
    rows = [(k.name, result.start[k.name] or "unset", " ".join(k.values)) for k in result.knobs]
    return "\n".join(
        [
            f"would tune {_aim(result)} for about {result.budget_s:.0f} s",
            table(("SETTING", "NOW", "WOULD TRY"), rows),
            f"each with an engine of its own, {result.rounds} rounds{_each(result.round_s)}; "
            "what seems better is proved in turns with what is now",
        ]
    )


@text.register
def _(result: Outcome) -> str:
    rows = [(_changed(t, result), _value(result.goal, t)) for t in result.trials if not t.is_proof]
    lines = [f"tuned {_aim(result)}", table(("TRIED", result.goal.upper()), rows)]
    if result.skipped:
        lines.append(f"no time for: {', '.join(result.skipped)}")
    lines += ["", *_verdict(result), f"evidence: {result.evidence}"]
    if result.applied:
        lines.append("undo: frontier rollback")
    return "\n".join([*lines, f"note: {result.note}"] if result.note else lines)


def _each(round_s: float) -> str:
    return f" of {round_s:.1f} s" if round_s else ""


def _aim(result: Plan | Outcome) -> str:
    users = "1 user" if result.concurrency == 1 else f"{result.concurrency} users"
    return f"{result.model} for {result.goal}, {users}"


def _changed(trial: Trial, result: Outcome) -> str:
    """Return what *trial* tried beside the settings of the start."""
    start = result.trials[0].settings
    words = [f"{n}={v or 'unset'}" for n, v in trial.settings.items() if v != start[n]]
    return " ".join(words) or "as it was"


def _value(goal: Goal, trial: Trial) -> str:
    return shown(goal, trial.estimate) if trial.estimate else f"lost: {trial.lost}"


def _crashed(result: Outcome) -> bool:
    """Tell whether the winner was lost in its proof."""
    start = result.trials[0].settings
    return any(t.is_proof and t.lost and t.settings != start for t in result.trials)


def _verdict(result: Outcome) -> list[str]:
    proof = result.proof
    if _crashed(result):
        return ["what seemed better failed when it was tried again: nothing was changed"]
    if proof is None or proof.speedup is None:
        return ["nothing was better beyond doubt: nothing was changed"]
    ratio = proof.speedup
    interval = f"{ratio.low:.2f} to {ratio.high:.2f}" if ratio.low and ratio.high else "unknown"
    turns = len(proof.winner.rounds)
    told = f"{ratio.value:.2f} times as fast (95 % interval {interval}, {turns} turns)"
    if not result.applied:
        return [f"what seemed better was {told}: that proves nothing, and nothing was changed"]
    changes = [
        f"set {name}={value or 'unset'} (was {result.before[name] or 'unset'})"
        for name, value in result.changes.items()
    ]
    return [*changes, f"{result.goal}: {told}"]
