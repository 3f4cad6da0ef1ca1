"""`frontier bench compare`, as it is typed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench_results import measured
from frontier.adapters.bench_files import write
from frontier.cli.app import app
from frontier.cli.session import Session
from frontier.domain.errors import (
    BenchFileError,
    NotFoundError,
    RefusedError,
    UnlikeError,
    UsageError,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    base = measured()
    write(base, folder / "base.json")
    write(measured(slower=1.2, seed=2), folder / "slow.json")
    write(replace(base, target={**base.target, "model": "qwen"}), folder / "qwen.json")
    write(measured(rounds=1), folder / "once.json")
    return folder


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTIER_HOME", str(tmp_path / "workspace"))


def run(files: Path, *args: str, fails: type[Exception] | None = None):
    words = [str(files / arg) if arg.endswith(".json") else arg for arg in args]
    done = CliRunner().invoke(app, ["bench", "compare", *words], obj=Session())
    assert isinstance(done.exception, fails or (SystemExit, type(None))), done.exception
    return done


def test_each_metric_has_its_change_interval_and_verdict(files: Path) -> None:
    output = run(files, "base.json", "slow.json").stdout

    row = next(line for line in output.splitlines() if line.startswith("time to first token, p50"))
    assert "100 ms" in row
    assert row.endswith("worse")
    assert "smollm2:135m, llamacpp b11549" in output
    assert "5 rounds" in output


def test_a_comparison_alone_fails_nothing(files: Path) -> None:
    assert run(files, "base.json", "slow.json").exit_code == 0


@pytest.mark.parametrize(("limit", "code"), [("5%", 1), ("5", 1), ("50%", 0)])
def test_exit_code_1_where_it_is_worse_by_more_than_the_limit(files, limit, code) -> None:
    assert run(files, "base.json", "slow.json", "--fail-if-worse", limit).exit_code == code


def test_better_is_not_worse(files: Path) -> None:
    args = ("--fail-if-worse", "1%", "--metric", "ttft_p50_s")

    assert run(files, "slow.json", "base.json", *args).exit_code == 0


def test_the_fields_are_told_as_json(files: Path) -> None:
    found = json.loads(run(files, "base.json", "slow.json", "--json").stdout)

    one = found["cases"][0]["changes"][0]
    assert (one["metric"], one["verdict"]) == ("ttft_p50_s", "worse")
    assert one["low"] < one["change"] < one["high"]
    assert len(one["base"]["rounds"]) == 5
    assert found["base"]["target"]["model"] == "smollm2:135m"


def test_unlike_results_are_refused_until_they_are_allowed(files: Path) -> None:
    refused = run(files, "base.json", "qwen.json", fails=UnlikeError).exception
    allowed = run(files, "base.json", "qwen.json", "--allow", "model").stdout

    assert refused.details == "model: model: smollm2:135m / qwen"
    assert "differs, as allowed:\n  model: smollm2:135m / qwen" in allowed


def test_a_limit_takes_rounds(files: Path) -> None:
    args = ("once.json", "base.json", "--fail-if-worse", "5%", "--allow", "load")

    refused = run(files, *args, fails=RefusedError).exception

    assert "--rounds 3" in refused.hint
    assert "closed-c1-p128-o16 ttft_p50_s" in refused.details


def test_a_limit_for_errors_alone_is_held(files: Path) -> None:
    args = ("base.json", "slow.json", "--fail-if-worse", "5%", "--metric", "error_ratio")

    assert run(files, *args).exit_code == 0


def test_what_is_worse_is_told_with_what_nobody_can_tell(files: Path) -> None:
    slow = measured(slower=1.5)
    last = slow.cases[1].id
    write(
        replace(slow, samples=tuple(s for s in slow.samples if s.case != last or not s.round)),
        files / "half.json",
    )

    done = run(files, "base.json", "half.json", "--fail-if-worse", "5%", "--metric", "ttft_p50_s")

    assert done.exit_code == 1
    assert f"note: {last} ttft_p50_s has no interval" in done.stdout


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (("--allow", "everything"), "Known: machine"),
        (("--metric", "speed", "--fail-if-worse", "5%"), "Known: ttft_p50_s"),
        (("--fail-if-worse", "much"), "5%"),
        (("--fail-if-worse", "-5%"), "5%"),
        (("--fail-if-worse", "nan"), "5%"),
    ],
)
def test_a_wrong_word_is_told_with_those_that_are_known(files: Path, args, hint: str) -> None:
    error = run(files, "base.json", "slow.json", *args, fails=UsageError).exception

    assert hint in error.hint


def test_files_that_are_no_results_are_named(files: Path) -> None:
    (files / "bad.json").write_text('{"schema": 1, "cases": [')

    assert "bad.json" in str(run(files, "base.json", "bad.json", fails=BenchFileError).exception)
    assert "gone.json" in str(run(files, "gone.json", "base.json", fails=NotFoundError).exception)
