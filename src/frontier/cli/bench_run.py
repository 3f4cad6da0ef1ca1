"""`frontier bench run`: measure."""

import secrets
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import typer

from frontier.cli.bench_live import Lines, Live, Silent
from frontier.cli.output import table, text
from frontier.cli.session import DryRun, Json, Quiet, Session
from frontier.domain.bench import Result
from frontier.domain.bench_load import PRESETS, Load, cases
from frontier.domain.bench_summary import Summary, summarize
from frontier.domain.errors import RuntimeFailedError, StorageError, UsageError
from frontier.domain.statistics import Estimate
from frontier.domain.units import quantity
from frontier.usecases.bench import CrashedError, Plan, failure, first_failure

if TYPE_CHECKING:
    from frontier.ports.benching import Watcher

Number = TypeVar("Number", int, float)
_INTERRUPTED: Final = 130
_MINUTES_S: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A run, without its samples: they lie in the file.

    Attributes:
        path: The result.
        table: The same as CSV.
        cases: What the samples say.
    """

    path: Path
    table: Path
    target: Any
    client: Any
    rounds: int
    is_complete: bool
    notes: tuple[str, ...]
    cases: tuple[Summary, ...]


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
        str, typer.Option("--model", "-m", help="A model of the server; its first if left out.")
    ] = "",
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
    """
    session: Session = ctx.obj
    session.only_reads = True
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
    benchmarks = session.services.benchmarks
    bench = benchmarks.bench(
        load,
        url=url,
        api=None if api == "auto" else api,
        model=model,
        key=key,
        preset=preset,
        command=sys.argv[1:],
        watcher=_watcher(session),
    )
    if dry_run:
        session.show(bench.plan())
        return
    path = _path(output, benchmarks.default_path(bench.about.created, bench.about.target["model"]))
    try:
        result = bench.run()
    except CrashedError as crashed:
        session.reporter.say(f"wrote {_write(crashed.result, path)[0]}")
        raise
    if result is None:
        raise typer.Exit(_INTERRUPTED)
    _keep(session, result, path)
    if not result.is_complete:
        raise typer.Exit(_INTERRUPTED if bench.is_interrupted else RuntimeFailedError.exit_code)


def _keep(session: Session, result: Result, path: Path) -> None:
    """Write and show *result*; it failed where every request did."""
    written, table_path = _write(result, path)
    if failed := first_failure(result.samples):
        session.reporter.say(f"wrote {written}")
        raise failure(result.target["url"], failed.error, failed.detail)
    session.show(
        Measured(
            path=written,
            table=table_path,
            target=result.target,
            client=result.client,
            rounds=result.rounds,
            is_complete=result.is_complete,
            notes=result.notes,
            cases=summarize(result),
        )
    )


def _write(result: Result, path: Path) -> tuple[Path, Path]:
    """Write *result* to *path*, elsewhere where that fails.

    Raises:
        StorageError: it lies elsewhere, where the hint says.
    """
    from frontier.adapters import bench_files

    try:
        return bench_files.write(result, path)
    except StorageError as error:
        kept, _ = bench_files.write(result, Path(tempfile.mkdtemp(prefix="frontier-")) / path.name)
        raise StorageError(error.message, hint=f"The result lies in {kept}") from error


def _watcher(session: Session) -> "Watcher":
    if session.as_json or session.quiet:
        return Silent()
    return Live() if sys.stderr.isatty() else Lines()


def _path(given: Path | None, default: Path) -> Path:
    """Return the file to write, seen to be possible: a folder gets the usual name."""
    from frontier.adapters import bench_files

    if given is not None and given.suffix != ".json" and given.exists() and not given.is_dir():
        raise UsageError(
            f"{given} is neither a folder nor a .json file", hint=f"--output {given}.json"
        )
    if given is not None and given.suffix == ".json" and not given.is_dir():
        path = given
    else:
        path = bench_files.free_place(given / default.name if given else default)
    bench_files.require_place(path)
    return path


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
    if not all(0 < number < float("inf") for number in found):
        raise _wrong(option, given)
    return found


def _wrong(option: str, given: str) -> UsageError:
    return UsageError(
        f"{option} {given}: numbers above 0, with commas between them", hint=f"{option} 1,4,16"
    )


@text.register
def _(result: Plan) -> str:
    rows = [
        (case.id, "as time allows" if count is None else f"{count}")
        for case, count in zip(result.cases, result.counts, strict=True)
    ]
    least, most = _about(result.least_s), _about(result.most_s)
    about = least if least == most else f"{least} to {most}"
    return "\n".join(
        [
            f"would ask {result.model} at {result.url}",
            table(("CASE", "REQUESTS PER ROUND"), rows),
            f"{result.rounds} rounds, about {about}; the same prompts again: --seed {result.seed}",
        ]
    )


def _about(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _MINUTES_S else f"{seconds / 60:.0f} min"


@text.register
def _(result: Measured) -> str:
    target = result.target
    engine = " ".join(filter(None, (target["engine"], target["engine_version"])))
    lines = [
        f"{target['model']} at {target['url']}" + (f", {engine}" if engine else ""),
        "",
        table(
            ("CASE", "REQUESTS/S", "TOKENS/S", "LATENCY p50/95/99", "FIRST TOKEN", "PER TOKEN", ""),
            [_row(summary) for summary in result.cases],
        ),
        "",
        *(f"note: {told}" for told in result.notes),
        f"wrote {result.path} and {result.table.name}",
    ]
    return "\n".join(lines)


def _row(summary: Summary) -> tuple[str, ...]:
    values = summary.values
    errors = ", ".join(f"{count} {code}" for code, count in summary.errors.items())
    return (
        summary.case.id,
        _rate(values.get("requests_per_s")),
        _rate(values.get("output_tokens_per_s") or values.get("input_tokens_per_s")),
        _quantiles(summary, "latency"),
        _quantiles(summary, "ttft"),
        _one(values.get("tpot_p50_s")),
        errors,
    )


def _rate(estimate: Estimate | None) -> str:
    """Return a rate with its interval."""
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3g}"
    return f"{estimate.value:.3g} ±{(estimate.high - estimate.low) / 2:.2g}"


def _quantiles(summary: Summary, name: str) -> str:
    found = [summary.values.get(f"{name}_{word}_s") for word in ("p50", "p95", "p99")]
    return "/".join(_one(each) for each in found) if any(found) else "-"


def _one(estimate: Estimate | None) -> str:
    return quantity(estimate.value, "s") if estimate else "-"
