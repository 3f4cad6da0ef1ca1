"""A benchmark's result as files: JSON with all there is, CSV with a row per request."""

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from frontier.adapters.bench_dialects import printable
from frontier.adapters.files import storage_errors, write_atomic
from frontier.domain.bench import SCHEMA, Case, Result, Sample
from frontier.domain.bench_summary import TIMES
from frontier.domain.errors import BenchFileError, NotFoundError, RefusedError

COLUMNS: Final = (
    *("case", "mode", "concurrency", "rate_per_s", "prompt_tokens", "output_tokens", "round"),
    *("due_s", "sent_s", "first_s", "ended_s", "ttft_s", "tpot_s", "latency_s"),
    *("tokens_in", "tokens_out", "error", "detail"),
)
"""The header of the CSV file; times are seconds since the run began."""

_MOST: Final = 100_000  # far above what is measured, far below what fills memory
_HUGE: Final = 1e12  # seconds and tokens: no run has so many, and a float holds their squares
_SHORTEST_S: Final = 1e-9  # finer than any clock, and a float holds what is divided by it
_DIGITS: Final = 6  # microseconds: finer than any clock here tells


def write(result: Result, path: Path) -> tuple[Path, Path]:
    """Write *result* to *path* and its samples beside it as ``.csv``; return both paths.

    Where something came there meanwhile, the next free name is taken: see `free_place`.

    Raises:
        StorageError: they cannot be written.
    """
    place = _reserved(path)
    table = place.with_suffix(".csv")
    try:
        # words of a server or a shell may hold half a character, which no file can
        write_atomic(place, to_json(result).encode(errors="replace"))
        write_atomic(table, to_csv(result).encode(errors="replace"))
    except BaseException:
        _remove_empty(place)
        raise
    return place, table


def _reserved(path: Path) -> Path:
    """Make an empty file at *path*, or at the next free name, that no other run takes."""
    while True:
        place = free_place(path)
        with storage_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                place.open("xb").close()
                return place


def _remove_empty(place: Path) -> None:
    with contextlib.suppress(OSError):
        if place.stat().st_size == 0:
            place.unlink()


def require_place(path: Path) -> None:
    """See that a result can be written to *path*, before hours are spent on it.

    Raises:
        RefusedError: something is there already.
        StorageError: it cannot be written.
    """
    if there := _taken(path):
        other = free_place(path)
        raise RefusedError(f"{there} is there already", hint=f"Another name: --output {other}")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def free_place(path: Path) -> Path:
    """Return *path*, or the next one with a number behind its name where nothing is."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain((path,), numbered) if not _taken(each))


def _taken(path: Path) -> Path | None:
    return next((each for each in (path, path.with_suffix(".csv")) if each.exists()), None)


def to_json(result: Result) -> str:
    """Return *result* as JSON, a line per sample."""
    fields = {"schema": SCHEMA, **dataclasses.asdict(dataclasses.replace(result, samples=()))}
    del fields["samples"]
    head = _dumps(fields, indent=2).removesuffix("\n}")
    samples = (_rounded(dataclasses.asdict(sample)) for sample in result.samples)
    rows = ",\n".join("    " + _dumps(sample) for sample in samples)
    return f'{head},\n  "samples": [\n{rows}\n  ]\n}}\n'


def _dumps(value: object, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)


def to_csv(result: Result) -> str:
    """Return a header and a row per sample, as RFC 4180 has it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    cases = {case.id: case for case in result.cases}
    writer.writerows(_rounded(_row(cases[sample.case], sample)) for sample in result.samples)
    return text.getvalue()


def _row(case: Case, sample: Sample) -> dict[str, Any]:
    whole = {
        **dataclasses.asdict(case),
        **dataclasses.asdict(sample),
        **{f"{name}_s": next(iter(times(sample)), None) for name, times in TIMES.items()},
    }
    return {name: whole[name] for name in COLUMNS}


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    times = {name: round(v, _DIGITS) for name, v in row.items() if isinstance(v, float)}
    tokens = {k: [round(t, _DIGITS) for t in v] for k, v in row.items() if k == "tokens_s"}
    return {**row, **times, **tokens}


def read(path: Path) -> Result:
    """Return the result in *path*, checked.

    Raises:
        NotFoundError: there is no such file.
        BenchFileError: it cannot be read, is no result, of another version, or contradicts itself.
    """
    raw = _document(path)
    version = raw.pop("schema", None)
    if version != SCHEMA:
        raise _wrong_version(path, version)
    result = _checked(path, raw)
    if complaint := next(_contradictions(result), ""):
        raise _damaged(path, complaint)
    return result


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a result file, which docs/reference publishes."""
    whole = _file().model_json_schema()["$defs"]
    schema = {**whole.pop("Result"), "$defs": whole}
    schema["properties"] = {"schema": {"const": SCHEMA}, **schema["properties"]}
    schema["required"] = ["schema", *schema["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _document(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_bytes(), parse_constant=_no_number, object_hook=_printable)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"there is no file {path}", hint="Make one: frontier bench run"
        ) from error
    except OSError as error:
        raise BenchFileError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise _damaged(path, f"not JSON: {error}") from error
    except RecursionError as error:
        raise _damaged(path, "nested too deep") from error
    if not isinstance(raw, dict):
        raise _damaged(path, "not a JSON object")
    return cast("dict[str, Any]", raw)


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _printable(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an object of the document without what would act on a terminal."""
    return {printable(key): _words(value) for key, value in fields.items()}


def _words(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):  # of times, nearly always
        return [one if type(one) is float else _words(one) for one in value]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType] - JSON
    return value


def _wrong_version(path: Path, version: object) -> BenchFileError:
    if version is None:
        return _damaged(path, "it names no schema, so no `frontier bench` wrote it")
    return BenchFileError(
        f"{path} has schema {version!r}; this Frontier knows {SCHEMA}",
        hint="Read it with the Frontier that wrote it, or measure again: frontier bench run",
    )


def _checked(path: Path, raw: dict[str, Any]) -> Result:
    from pydantic import ValidationError

    try:
        result: Result = _file().model_validate({"result": raw}).result
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        raise _damaged(path, f"{place}: {first['msg']}") from error
    return result


def _file() -> Any:
    from pydantic import ConfigDict, create_model

    # a dataclass takes the configuration of the model that it stands in
    strict = ConfigDict(extra="forbid", allow_inf_nan=False)
    return create_model("File", __config__=strict, result=(Result, ...))


def _contradictions(result: Result) -> Iterator[str]:
    """Yield what each value alone does not show."""
    ids = [case.id for case in result.cases]
    yield from _out_of_bounds(result)
    if len(set(ids)) != len(ids):
        yield "two cases have the same id"
    for number, sample in enumerate(result.samples):
        if complaint := _contradiction(sample, ids, result.rounds):
            yield f"samples.{number}: {complaint}"


def _out_of_bounds(result: Result) -> Iterator[str]:
    """Yield numbers that no run has, and that nobody can draw or hold in memory."""
    if not 1 <= result.rounds <= _MOST:
        yield f"rounds {result.rounds}"
    for case in result.cases:
        if not 1 <= case.concurrency <= _MOST:
            yield f"{case.id}: concurrency {case.concurrency}"
        if case.mode == "rate" and not 1 / _MOST <= case.rate_per_s <= _MOST:
            yield f"{case.id}: rate_per_s {case.rate_per_s}"
        if not all(0 <= tokens < _HUGE for tokens in (case.prompt_tokens, case.output_tokens)):
            yield f"{case.id}: its tokens are not within 0 and {_HUGE:g}"
    for part in (result.machine, result.settings, result.client, result.load):
        for name, value in part.items():
            if isinstance(value, int | float) and abs(value) > sys.float_info.max:
                yield f"{name} is too large"


def _contradiction(sample: Sample, ids: list[str], rounds: int) -> str:
    if sample.case not in ids:
        return f"there is no case {sample.case!r}"
    if not 0 <= sample.round < rounds:
        return f"round {sample.round} of {rounds}"
    if not all(0 <= tokens < _HUGE for tokens in (sample.tokens_in, sample.tokens_out)):
        return f"its tokens are not within 0 and {_HUGE:g}"
    return _untimely(sample)


def _untimely(sample: Sample) -> str:
    times = (sample.due_s, sample.sent_s, *sample.tokens_s, sample.ended_s)
    if list(times) != sorted(times):
        return "its times do not follow each other"
    if sample.first_s != (sample.tokens_s[0] if sample.tokens_s else None):
        return "first_s is not the first of tokens_s"
    if times[0] < 0 or times[-1] >= _HUGE:
        return f"its times are not within 0 and {_HUGE:g} s"
    if next(filter(None, times), _HUGE) < _SHORTEST_S:
        return f"a time is less than {_SHORTEST_S:g} s and not 0"
    return ""


def _damaged(path: Path, complaint: str) -> BenchFileError:
    return BenchFileError(
        f"{path} is no benchmark result: {complaint}", hint="Measure again: frontier bench run"
    )
