"""`frontier bench run`: measure."""

import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import typer

from frontier.cli.bench_live import Lines, Live, Silent
from frontier.cli.bench_shown import InTurns, Measured, Plans
from frontier.cli.session import DryRun, Json, Quiet, Session
from frontier.domain.bench import Result
from frontier.domain.bench_load import PRESETS, Load, cases
from frontier.domain.bench_summary import summarize
from frontier.domain.errors import RuntimeFailedError, UnlikeError, UsageError
from frontier.usecases.bench import CrashedError, failure, first_failure, run_in_turns
from frontier.usecases.bench_compare import Comparison, compare

if TYPE_CHECKING:
    from frontier.ports.benching import Watcher
    from frontier.usecases.bench import Bench

Number = TypeVar("Number", int, float)
_INTERRUPTED: Final = 130
_PAIR: Final = 2
_SHORTEST_S: Final = 0.1
_DIFFERS: Final = ("model", "engine")
"""What two models may: each has an engine of its own."""


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(run)


def _presets(incomplete: str) -> list[tuple[str, str]]:
    return [(n, p.title) for n, p in PRESETS.items() if n.startswith(incomplete)]


def run(
    ctx: typer.Context,
    *,
    url: Annotated[
        str, typer.Option("--url", help="Any server with OpenAI's or Ollama's API; else our stack.")
    ] = "",
    api: Annotated[
        Literal["auto", "openai", "ollama"], typer.Option("--api", help="Which API to speak.")
    ] = "auto",
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="A model of the server; its first if left out. Two: in turns, and compared.",
        ),
    ] = None,
    key: Annotated[
        str,
        typer.Option("--key", envvar="FRONTIER_BENCH_KEY", help="Sent as Bearer to --url."),
    ] = "",
    preset: Annotated[
        str,
        typer.Option(
            "--preset", help=f"Lengths and users: {', '.join(PRESETS)}.", autocompletion=_presets
        ),
    ] = "quick",
    operation: Annotated[
        Literal["chat", "completion", "embedding"] | None,
        typer.Option("--operation", help="What to ask for; as the preset has it if left out."),
    ] = None,
    concurrency: Annotated[
        str, typer.Option("--concurrency", "-c", help="Users who ask again when answered: 1,4,16.")
    ] = "",
    rate: Annotated[
        str, typer.Option("--rate", help="Requests per second, whatever became of others: 0.5,2.")
    ] = "",
    arrivals: Annotated[
        Literal["constant", "poisson"],
        typer.Option("--arrivals", help="At a rate: evenly, or at random as people come."),
    ] = "constant",
    prompt_tokens: Annotated[
        str, typer.Option("--prompt-tokens", help="Lengths of prompts: 128,1024.")
    ] = "",
    output_tokens: Annotated[
        str, typer.Option("--output-tokens", help="Lengths of answers: 32,256.")
    ] = "",
    shared_prefix: Annotated[
        int | None,
        typer.Option("--shared-prefix", min=0, help="Tokens that all prompts begin with."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, help="Texts of one embedding request.")
    ] = None,
    requests: Annotated[
        int, typer.Option("--requests", "-n", min=0, help="Per case and round; 0 suits the case.")
    ] = 0,
    duration: Annotated[
        float, typer.Option("--duration", min=0, help="Seconds per case and round instead.")
    ] = 0.0,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="How often each case is measured.")
    ] = 3,
    warmup: Annotated[
        int, typer.Option("--warmup", min=0, help="Requests of each user that do not count.")
    ] = 1,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.01, help="Longest time of a request, seconds.")
    ] = 300.0,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Repeats the prompts and times of another run.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File or folder; data/bench/ of the workspace."),
    ] = None,
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Measure how fast a server answers: latency, time to first token, tokens per second.

    Without --url it asks the stack that runs. Everything that was measured is written as JSON and
    CSV; Ctrl-C ends it and keeps what it has.

    Examples:
        frontier bench run
        frontier bench run --preset chat --concurrency 1,8 --rounds 5
        frontier bench run --rate 0.5,1,2 --arrivals poisson --duration 60
        frontier bench run --url http://127.0.0.1:8000 --api openai --model NAME
        frontier bench run --model smollm2:135m --model qwen3:0.6b
    """
    session: Session = ctx.obj
    session.only_reads = True
    models = _models(model)
    _require_finite("--duration", duration, least=_SHORTEST_S)
    _require_finite("--timeout", timeout)
    if preset not in PRESETS:
        raise UsageError(f"there is no preset {preset!r}", hint=f"Known: {', '.join(PRESETS)}.")
    chosen = PRESETS[preset]
    if concurrency and rate:
        raise UsageError(
            "--concurrency and --rate are two kinds of load", hint="Measure one after the other."
        )
    asked = operation or chosen.operation
    outputs = _numbers("--output-tokens", output_tokens, int) or chosen.output_tokens
    load = Load(
        cases=cases(
            concurrency=_numbers("--concurrency", concurrency, int) or chosen.concurrency,
            rates_per_s=_numbers("--rate", rate, float),
            prompt_tokens=_numbers("--prompt-tokens", prompt_tokens, int) or chosen.prompt_tokens,
            output_tokens=(0,) if asked == "embedding" else outputs,
        ),
        operation=asked,
        rounds=rounds,
        requests=requests,
        duration_s=duration,
        warmup=warmup,
        timeout_s=timeout,
        seed=secrets.randbelow(1 << 31) if seed is None else seed,
        arrivals=arrivals,
        shared_prefix_tokens=(
            chosen.shared_prefix_tokens if shared_prefix is None else shared_prefix
        ),
        batch=(batch or chosen.batch) if asked == "embedding" else 1,
    )
    if not rate:
        _require_users_asked(load)
    from frontier.adapters.bench_loop import Loop
    from frontier.cli.bench_places import places

    benchmarks, loop = session.services.benchmarks, Loop()
    benches = benchmarks.benches(
        load,
        url=url,
        api=None if api == "auto" else api,
        watched={m: _watcher(session, f"{m}: " if len(models) > 1 else "") for m in models},
        key=key,
        preset=preset,
        command=sys.argv[1:],
        carry_out=loop.carry_out,
    )
    _require_two([bench.about.target for bench in benches])
    defaults = (benchmarks.default_path(b.about.created, b.about.target["model"]) for b in benches)
    with loop:
        if dry_run:
            plans = [bench.plan() for bench in benches]
            session.show(Plans(plans=tuple(plans)) if len(plans) > 1 else plans[0])
            return
        results, kept = _run(session, benches, places(output, list(defaults)))
        _show(session, kept)
    if loop.is_told:
        raise typer.Exit(_INTERRUPTED)
    if not all(result and result.is_complete for result in results):
        raise typer.Exit(RuntimeFailedError.exit_code)


def _run(
    session: Session, benches: Sequence["Bench"], paths: Sequence[Path]
) -> tuple[Sequence[Result | None], list[tuple[Path, Result]]]:
    """Return what was measured, and what of it lies where."""
    from frontier.cli.bench_places import keep

    try:
        results = run_in_turns(benches)
    except CrashedError as crashed:
        for written, _ in keep(crashed.results, paths):
            session.reporter.say(f"wrote {written}")
        raise
    return results, keep(results, paths)


def _models(given: list[str] | None) -> list[str]:
    """Return the models to measure, "" for the server's first.

    Raises:
        UsageError: they are not one or two.
    """
    models = [""] if given is None else given
    if len(models) > _PAIR or len(set(models)) < len(models) or (given and "" in given):
        raise UsageError(
            "--model takes one model, or two different ones to compare",
            hint="More: one run each, then `frontier bench report` with all results.",
        )
    return models


def _require_two(targets: Sequence[Mapping[str, str]]) -> None:
    """Refuse to compare a model with itself, be it by another name.

    Raises:
        UsageError: both are the same.
    """
    is_named = len({target["model"] for target in targets}) == len(targets)
    files = [(t["model_digest"], t["engine"], t["engine_version"]) for t in targets]
    if not is_named or (files[0][0] and len(set(files)) < len(files)):
        raise UsageError(
            f"{targets[0]['model']} and {targets[-1]['model']} are the same model",
            hint="Two runs of one model are compared by `frontier bench compare`.",
        )


def _require_finite(option: str, seconds: float, *, least: float = 0.0) -> None:
    """Refuse a time that never ends, or is over before anything began; 0 means none.

    Raises:
        UsageError: it is one.
    """
    if not isfinite(seconds) or 0 < seconds < least:
        raise UsageError(f"{option} {seconds:g}: no time to measure", hint=f"{option} 60")


def _show(session: Session, kept: Sequence[tuple[Path, Result]]) -> None:
    """Show the results that were *kept*; one failed where every request did."""
    for _, result in kept:
        if failed := first_failure(result.samples):
            for written, _ in kept:
                session.reporter.say(f"wrote {written}")
            raise failure(result.target["url"], failed.error, failed.detail)
    runs = [_measured(*each) for each in kept]
    if len(runs) == _PAIR:
        session.show(InTurns(runs=(runs[0], runs[1]), comparison=_comparison(session, kept)))
    elif runs:
        session.show(runs[0])


def _comparison(session: Session, kept: Sequence[tuple[Path, Result]]) -> Comparison | None:
    """Return how both differ; None, and say why, where they cannot be compared."""
    base, new = ((str(path), result) for path, result in kept)
    try:
        return compare(base, new, allowed=_DIFFERS)
    except UnlikeError as error:
        session.reporter.say(f"not compared: {error.message}")
        return None


def _measured(path: Path, result: Result) -> Measured:
    return Measured(
        path=path,
        table=path.with_suffix(".csv"),
        target=result.target,
        client=result.client,
        rounds=result.rounds,
        is_complete=result.is_complete,
        notes=result.notes,
        cases=summarize(result),
    )


def _watcher(session: Session, whose: str) -> "Watcher":
    if session.as_json or session.quiet:
        return Silent()
    return Live(whose) if sys.stderr.isatty() else Lines(whose)


def _require_users_asked(load: Load) -> None:
    """Refuse users who would have nothing to ask.

    Raises:
        UsageError: there are more users than requests.
    """
    users = max(case.concurrency for case in load.cases if case.mode == "closed")
    if 0 < load.requests < users:
        raise UsageError(
            f"{users} users cannot share {load.requests} requests",
            hint=f"--requests {users}; or fewer users: --concurrency {load.requests}",
        )


def _numbers(option: str, given: str, kind: Callable[[str], Number]) -> tuple[Number, ...]:
    """Return the numbers of a list with commas, () for an empty one.

    Raises:
        UsageError: one is none, or not above 0.
    """
    try:
        found = tuple(kind(part) for part in given.split(",") if part.strip())
    except ValueError as error:
        raise _wrong(option, given) from error
    if (given and not found) or not all(0 < number < float("inf") for number in found):
        raise _wrong(option, given)
    return found


def _wrong(option: str, given: str) -> UsageError:
    return UsageError(
        f"{option} {given}: numbers above 0, with commas between them", hint=f"{option} 1,4,16"
    )
