"""The files of a benchmark, and what the reference says of them."""

import json
import re
from pathlib import Path

import pytest

from bench_results import measured
from frontier.adapters import bench_files
from frontier.domain.bench import Case, Result, Sample
from frontier.domain.bench_load import PRESETS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/bench.md").read_text()


def test_the_published_schema_is_what_the_code_checks() -> None:
    published = json.loads((ROOT / "docs/reference/bench.schema.json").read_text())

    assert published == bench_files.json_schema(), "make golden"


def test_a_written_result_has_the_keys_of_the_schema_and_no_others() -> None:
    schema = bench_files.json_schema()
    written = json.loads(bench_files.to_json(measured()))

    assert set(written) == set(schema["properties"])
    assert set(written["samples"][0]) == set(schema["$defs"]["Sample"]["properties"])
    assert set(written["cases"][0]) == set(schema["$defs"]["Case"]["properties"])
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("kind", [Result, Case, Sample])
def test_the_reference_names_every_key(kind: type) -> None:
    assert {key for key in kind.__dataclass_fields__ if f"`{key}`" not in PAGE} == set()  # type: ignore[attr-defined]


def test_the_reference_names_every_column() -> None:
    section = PAGE.partition("## The table")[2].partition("\n## ")[0]

    assert set(re.findall(r"(?m)^\| `(\w+)`", section)) == set(bench_files.COLUMNS)


@pytest.mark.parametrize("name", PRESETS)
def test_the_guide_shows_every_preset(name: str) -> None:
    guide = (ROOT / "docs/how-to/bench.md").read_text()
    preset = PRESETS[name]

    row = next(line for line in guide.splitlines() if line.startswith(f"| `{name}` |"))

    lengths = (preset.concurrency, preset.prompt_tokens, preset.output_tokens)
    told = [", ".join(f"{number:,}" for number in numbers if number) for numbers in lengths]
    assert [cell.strip() for cell in row.split("|")][3:6] == told
