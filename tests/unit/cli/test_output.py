import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from frontier.cli import output
from frontier.domain.errors import ModelNotFoundError


@dataclass(frozen=True)
class Thing:
    path: Path
    parts: tuple[str, ...]


def test_a_result_is_printed_by_its_fields_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(Thing(Path("/x"), ("é",)), as_json=True)

    assert json.loads(capsys.readouterr().out) == {"path": "/x", "parts": ["é"]}


def test_a_result_without_a_text_form_is_a_bug() -> None:
    with pytest.raises(TypeError, match="no text form for Thing"):
        output.text(Thing(Path("/x"), ()))


def test_an_error_shows_what_failed_the_last_words_and_the_next_move(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = ModelNotFoundError("no model 'x'", hint="frontier models list", details="a\nb")

    output.fail(error, as_json=False)

    said = capsys.readouterr()
    assert said.err == "error: no model 'x'\n  | a\n  | b\nhint: frontier models list\n"
    assert said.out == ""


def test_an_error_for_machines_is_one_document_on_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.fail(ModelNotFoundError("no model 'x'"), as_json=True)

    error = json.loads(capsys.readouterr().out)["error"]
    assert error == {"code": "model_not_found", "message": "no model 'x'", "hint": "",
                     "details": ""}  # fmt: skip


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (98362432, "93.8 MiB"), (3 * 2**40, "3.0 TiB")],
)
def test_sizes_are_shown_in_binary_units(size_bytes: int, shown: str) -> None:
    assert output.size(size_bytes) == shown


def test_columns_are_aligned_and_lines_end_without_blanks() -> None:
    assert output.table(("A", "B"), [("long", "x"), ("s", "")]) == "A     B\nlong  x\ns"


@pytest.mark.parametrize("as_json", [False, True])
def test_commands_of_a_hint_are_for_the_workspace_that_was_named(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    hint = (
        "Begin with: frontier up; or `frontier rollback x && frontier start`, in /opt/frontier up"
    )
    error = ModelNotFoundError("no model 'x'", hint=hint)

    output.fail(error, as_json=as_json, workspace=Path("my place"))

    said = capsys.readouterr()
    assert (
        "Begin with: frontier -w 'my place' up; or `frontier -w 'my place' rollback x && "
        "frontier -w 'my place' start`, in /opt/frontier up"
    ) in (said.out if as_json else said.err)
