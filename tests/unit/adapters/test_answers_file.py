"""The wizard's answers as a file."""

from pathlib import Path

import pytest

from frontier.adapters.answers_file import read, write
from frontier.domain.errors import ConfigError
from frontier.domain.setup import Answers

WHOLE = Answers(
    stack="llamacpp",
    model="smollm2:135m",
    context=8192,
    monitoring=False,
    bind="::1",
    port=1,
    key="me",
)


@pytest.mark.parametrize("answers", [WHOLE, Answers(), Answers(monitoring=True), Answers(key="")])
def test_what_is_written_is_read(tmp_path: Path, answers: Answers) -> None:
    write(tmp_path / "answers.yaml", answers)

    assert read(tmp_path / "answers.yaml") == answers


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("stack: a\nmodle: b\n", ":2: modle: unknown key 'modle'"),
        ("stack: a\ncontext: many\n", ":2: context: 'many' is not a whole number"),
        ("context: 12\n", ":1: context: 12 tokens are too few"),
        ("\nmonitoring: 1\n", ":2: monitoring: 1 is not true or false"),
        ("context: true\n", ":1: context: True is not a whole number"),
        ("bind: here\n", ":1: bind: 'here' is no address"),
        ("port: 0\n", ":1: port: '0' is no port"),
        ("key: a b\n", ":1: key: 'a b' cannot be a key's name"),
        ("stack: a\nstack: b\n", ":2: 'stack' is given twice"),
        ("- a\n", ":1: not a mapping of answers"),
        ("stack: [\n", ":2: "),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        read(path)

    assert f"{path}{complaint}" in caught.value.message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "none.yaml")
