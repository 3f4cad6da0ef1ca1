"""The files of a benchmark's result."""

import csv
import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from bench_results import measured
from frontier.adapters import bench_files
from frontier.adapters.folders import templates
from frontier.cli.bench_compare import text  # that knows a comparison
from frontier.cli.output import to_json
from frontier.domain.bench import SCHEMA, Case, Result, Sample
from frontier.domain.bench_summary import summarize
from frontier.domain.bench_unlike import KINDS
from frontier.domain.errors import (
    BenchFileError,
    NotFoundError,
    RefusedError,
    StorageError,
    UnlikeError,
)
from frontier.renderers.bench_page import page
from frontier.renderers.bench_plots import Run
from frontier.usecases.bench_compare import compare

CASE = Case(
    id="closed-c1-p16-o2",
    mode="closed",
    concurrency=1,
    rate_per_s=0.0,
    prompt_tokens=16,
    output_tokens=2,
)
GOOD = Sample(
    case=CASE.id,
    round=0,
    due_s=0.5,
    sent_s=0.501,
    first_s=0.75,
    ended_s=1.0,
    tokens_s=(0.75, 1.0),
    tokens_in=16,
    tokens_out=2,
    error="",
)
BAD = replace(
    GOOD,
    round=1,
    first_s=None,
    tokens_s=(),
    tokens_out=0,
    error="http_503",
    detail='it said "busy, très", and hung up',
)
RESULT = Result(
    created="2026-11-21T20:00:00Z",
    command="frontier bench run",
    frontier="0.1.0",
    commit="",
    preset="quick",
    target={"url": "http://127.0.0.1:1", "model": "m"},
    machine={"cores": 2, "gpus": []},
    settings={"num_parallel": 1},
    client={"cpu_s": 0.1, "wall_s": 1.0, "late_p99_s": 0.001},
    rounds=2,
    cases=(CASE,),
    samples=(GOOD, BAD),
    load={"seed": 7},
    is_complete=False,
    notes=("interrupted",),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    bench_files.write(RESULT, tmp_path / "made" / "result.json")
    return tmp_path / "made" / "result.json"


def test_what_is_written_is_read(path: Path) -> None:
    assert bench_files.read(path) == RESULT


def test_a_result_without_samples_is_a_result(tmp_path: Path) -> None:
    empty = replace(RESULT, samples=())
    bench_files.write(empty, tmp_path / "empty.json")

    assert bench_files.read(tmp_path / "empty.json") == empty


def test_times_are_kept_to_the_microsecond(tmp_path: Path) -> None:
    sample = replace(GOOD, due_s=0.123456789, ended_s=1.0000004)
    bench_files.write(replace(RESULT, samples=(sample,)), tmp_path / "fine.json")

    read = bench_files.read(tmp_path / "fine.json").samples[0]

    assert (read.due_s, read.ended_s) == (0.123457, 1.0)


def test_the_table_has_a_row_per_request_with_what_follows_from_it(path: Path) -> None:
    with path.with_suffix(".csv").open(newline="") as file:
        good, bad = csv.DictReader(file)

    assert tuple(good) == bench_files.COLUMNS
    assert (good["latency_s"], good["ttft_s"], good["tpot_s"]) == ("0.5", "0.25", "0.25")
    assert (bad["ttft_s"], bad["error"], bad["detail"]) == ("", "http_503", BAD.detail)


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no file"):
        bench_files.read(tmp_path / "none.json")


def test_a_folder_is_told_as_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BenchFileError, match="Is a directory"):
        bench_files.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"schema": 1, "samples": [{"ca', "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"a": 1}', "it names no schema"),
        (b'{"schema": 1}', "created: "),
        (b'{"schema": 2}', "has schema 2; this Frontier knows 1"),
        (b'{"schema": "1"}', "has schema '1'"),
        (b'{"schema": "\\u001b[2J"}', r"has schema '\[2J'"),
        (b'{"a": Infinity}', "not JSON: Infinity is no number"),
        (b'{"a": NaN}', "not JSON: NaN is no number"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)

    with pytest.raises(BenchFileError, match=complaint) as caught:
        bench_files.read(path)

    assert str(path) in caught.value.message
    assert "frontier bench run" in caught.value.hint


def _sample(**fields: object) -> Callable[[dict[str, Any]], object]:
    return lambda raw: raw["samples"][0].update(fields)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda raw: raw.update(colour="red"), "colour: "),
        (_sample(colour="red"), "samples.0.colour: "),
        (lambda raw: raw["cases"][0].update(mode="open"), "cases.0.mode: "),
        (lambda raw: raw.pop("machine"), "machine: "),
        (_sample(ended_s="late"), "samples.0.ended_s: "),
        (_sample(ended_s="inf"), "samples.0.ended_s: "),
        (_sample(ended_s=1e200), "samples.0: its times are not within 0 and 1e+12 s"),
        (_sample(due_s=-0.1), "samples.0: its times are not within 0"),
        (_sample(due_s=1e-300), "samples.0: a time is less than 1e-09 s and not 0"),
        (_sample(tokens_in=-1), "samples.0: its tokens are not within 0 and 1e+12"),
        (_sample(tokens_out=10**400), "samples.0: its tokens are not within 0"),
        (_sample(tokens_s=[]), "samples.0: first_s is not the first"),
        (lambda raw: raw["cases"][0].update(prompt_tokens=-1), ": its tokens are not within 0"),
        (lambda raw: raw["machine"].update(memory_bytes=10**400), "memory_bytes is too large"),
        (lambda raw: raw.update({"col\x1b[2Jour": 1}), "col[2Jour: "),
        (_sample(ended_s=0.7), "samples.0: its times do not follow each other"),
        (_sample(case="other"), "samples.0: there is no case 'other'"),
        (_sample(round=2), "samples.0: round 2 of 2"),
        (_sample(first_s=0.8), "samples.0: first_s is not the first"),
        (lambda raw: raw["cases"][0].update(concurrency=0), "closed-c1-p16-o2: concurrency 0"),
        (lambda raw: raw["cases"][0].update(concurrency=10**400), ": concurrency 1000"),
        (lambda raw: raw["cases"][0].update(mode="rate"), "closed-c1-p16-o2: rate_per_s 0.0"),
        (lambda raw: raw.update(rounds=0), "rounds 0"),
        (lambda raw: raw.update(rounds=10**9), "rounds 1000000000"),
        (lambda raw: raw["cases"].append(raw["cases"][0]), "two cases have the same id"),
    ],
)
def test_a_damaged_result_is_told_with_its_place(
    path: Path, spoil: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    raw = json.loads(path.read_text())
    spoil(raw)
    path.write_text(json.dumps(raw))

    with pytest.raises(BenchFileError) as caught:
        bench_files.read(path)

    assert complaint in caught.value.message


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StorageError):
        bench_files.write(RESULT, tmp_path / "file" / "result.json")


def test_the_file_itself_tells_its_schema(path: Path) -> None:
    assert json.loads(path.read_text())["schema"] == SCHEMA


def test_half_a_character_loses_no_result(tmp_path: Path) -> None:
    odd = replace(RESULT, command="run -m m\udc80", samples=(replace(BAD, detail="a\ud800b"),))
    path, table = bench_files.write(odd, tmp_path / "r.json")

    assert bench_files.read(path).command == "run -m m?"
    assert "a?b" in table.read_text()


@pytest.mark.parametrize("there", ["mine.json", "mine.csv"])
def test_what_is_there_is_not_written_over(tmp_path: Path, there: str) -> None:
    (tmp_path / there).touch()

    with pytest.raises(RefusedError, match=there) as caught:
        bench_files.require_place(tmp_path / "mine.json")

    assert str(tmp_path / "mine-2.json") in caught.value.hint


def test_a_place_is_tried_before(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    bench_files.require_place(tmp_path / "new" / "mine.json")

    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(StorageError):
        bench_files.require_place(tmp_path / "file" / "mine.json")


def test_what_came_to_its_place_meanwhile_is_kept(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("mine")
    with ThreadPoolExecutor(4) as pool:
        places = list(pool.map(lambda _: bench_files.write(RESULT, tmp_path / "r.json"), range(8)))

    assert len({path for path, _ in places}) == 8
    assert tmp_path / "r.json" not in {path for path, _ in places}
    assert all(bench_files.read(path) == RESULT for path, _ in places)
    assert all(table.stat().st_size for _, table in places)
    assert (tmp_path / "r.csv").read_text() == "mine"


def test_a_result_that_cannot_be_written_leaves_no_empty_file(full_disk: Path) -> None:
    big = replace(RESULT, notes=("x" * 3_000_000,))

    with pytest.raises(StorageError):
        bench_files.write(big, full_disk / "r.json")

    assert list(full_disk.iterdir()) == []


def test_nothing_of_a_file_acts_on_a_terminal(path: Path) -> None:
    raw = json.loads(path.read_text())
    raw["target"]["model"] = "x\x1b[2Jy"
    raw["notes"] = ["one\ntwo\x9b31m"]
    raw["machine"] = {"a\x1bb": [{"c\x07": "d\u202e"}]}
    raw["samples"][1]["detail"] = "a\ud800b"
    path.write_text(json.dumps(raw))

    found = bench_files.read(path)

    assert found.target["model"] == "x[2Jy"
    assert found.notes == ("one two31m",)
    assert found.machine == {"ab": [{"c": "d"}]}
    assert found.samples[1].detail == "ab"


def test_what_is_no_number_is_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        bench_files.to_json(replace(RESULT, load={"duration_s": float("inf")}))


BASE = measured(rounds=2, each=3)
DOCUMENT = json.loads(bench_files.to_json(BASE))
PAGE = templates("report")["bench.html.j2"]


def _places(value: Any, *place: str | int) -> Iterator[tuple[str | int, ...]]:
    """Yield where something lies in *value*; of samples, the first and the last."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        if place != ("samples",) or key in (0, len(value) - 1):
            yield (*place, key)
            if isinstance(part, dict | list):
                yield from _places(part, *place, key)


ODD = st.sampled_from(
    [
        *(None, True, [], {}, -1, 0, 1, 2, 10**12, 10**400, float("nan"), float("inf")),
        *(1e-300, 1e-9, 1e11, 1e200, -1e300, "nan", "inf", "1e400", "rate", "embedding"),
        *("", "\x1b[2J", "\ud800", "\u202e", "http://["),
    ]
)
VALUES = st.recursive(
    ODD | st.text() | st.integers() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "remove", "add", "repeat"]),
        st.sampled_from(list(_places(DOCUMENT))),
        st.text() | st.sampled_from(["memory_bytes", "a_s", "\x1b"]),
        VALUES,
    ),
    min_size=1,
    max_size=3,
)


@given(CHANGES)
@example([("set", ("target", "model"), "", "x\x1b[2Jy")])
@example([("set", ("notes",), "", ["\x1b[2J"])])
@example([("add", ("load",), "a_s", "inf"), ("add", ("load",), "b_s", float("inf"))])
@example([("set", ("samples", 5, "ended_s"), "", 1e200)])
def test_what_is_read_can_be_shown_whatever_was_changed(
    changes: list[tuple[str, tuple[str | int, ...], str, Any]],
) -> None:
    raw = deepcopy(DOCUMENT)
    for how, place, name, value in changes:
        with suppress(KeyError, IndexError, TypeError, AttributeError):  # another took it away
            _change(raw, how, place, name, value)
    found = _read(json.dumps(raw))
    event(type(found).__name__)
    if isinstance(found, Result):
        _show(found)
    else:
        assert found.message.isprintable()


def _change(raw: Any, how: str, place: tuple[str | int, ...], name: str, value: Any) -> None:
    *above, last = place
    for key in above:
        raw = raw[key]
    if how == "set":
        raw[last] = value
    elif how == "remove":
        del raw[last]
    elif how == "add":
        raw[last][name] = value
    else:
        raw.append(deepcopy(raw[last]))


TIMES = st.lists(
    st.just(0.0) | st.floats(1e-9, 1e11) | st.sampled_from([1e-9, 2e-9, 0.5, 1e9, 9e11]),
    min_size=3,
    max_size=6,
).map(sorted)


@given(st.lists(st.tuples(st.integers(0, 1), TIMES, st.integers(0, 10**12 - 1)), max_size=6))
def test_times_and_tokens_that_are_read_can_be_shown(
    seen: list[tuple[int, list[float], int]],
) -> None:
    samples = [
        {
            **DOCUMENT["samples"][0],
            "round": nth,
            "due_s": due_s,
            "sent_s": sent_s,
            "ended_s": ended_s,
            "tokens_s": tokens_s,
            "first_s": tokens_s[0] if tokens_s else None,
            "tokens_in": tokens,
            "tokens_out": tokens,
        }
        for nth, (due_s, sent_s, *tokens_s, ended_s), tokens in seen
    ]

    found = _read(json.dumps({**DOCUMENT, "samples": samples}))

    assert isinstance(found, Result)
    _show(found)


def _read(document: str) -> Result | BenchFileError:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(document.encode())
        file.flush()
        try:
            return bench_files.read(Path(file.name))
        except BenchFileError as error:
            return error


def _show(found: Result) -> None:
    """Show it as `compare` and `report` do; two files can still be unlike."""
    for base, new, allowed in ((BASE, found, ()), (BASE, found, KINDS), (found, BASE, KINDS)):
        try:
            shown = compare(("a", base), ("b", new), allowed=allowed)
        except UnlikeError as error:
            words = error.message + error.details
        else:
            words = text(shown)
            json.loads(to_json(shown), parse_constant=pytest.fail)
        assert words.replace("\n", "").isprintable()
    assert page(PAGE, [Run(name="", result=found, summaries=summarize(found))]).encode()
