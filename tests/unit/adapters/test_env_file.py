from pathlib import Path

import pytest

from frontier.adapters import env_file
from frontier.adapters.env_file import Entry
from frontier.domain.errors import ConfigError

TEXT = """\
# mine
API_PORT=1

export LONG='two
lines'
LAST=x"""


@pytest.fixture
def env(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.write_text(TEXT)
    return path


def test_variables_are_found_with_their_lines(env: Path) -> None:
    assert env_file.read(env) == {
        "API_PORT": Entry("1", 2),
        "LONG": Entry("two\nlines", 4),
        "LAST": Entry("x", 6),
    }


def test_the_last_assignment_counts(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\na=2\n")

    assert env_file.read(tmp_path / ".env") == {"A": Entry("2", 2)}


def test_what_looks_like_a_variable_in_a_value_is_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A='pa${HOME}x'\nB=${A}\n")

    assert env_file.read(tmp_path / ".env") == {"A": Entry("pa${HOME}x", 1), "B": Entry("${A}", 2)}


def test_an_absent_file_is_empty(tmp_path: Path) -> None:
    assert env_file.read(tmp_path / ".env") == {}


def test_a_new_variable_is_added_at_the_end(env: Path) -> None:
    env_file.assign(env, "NEW", "with space")

    assert env.read_text() == TEXT + "\nNEW='with space'\n"


def test_a_set_variable_changes_in_place_and_all_else_stays(env: Path) -> None:
    env_file.assign(env, "API_PORT", "2")

    assert env.read_text() == TEXT.replace("API_PORT=1", "API_PORT=2")


def test_a_value_of_several_lines_is_replaced_whole(env: Path) -> None:
    env_file.assign(env, "LONG", "short")

    assert env.read_text() == "# mine\nAPI_PORT=1\n\nLONG=short\nLAST=x"


def test_of_several_assignments_the_last_changes_and_the_others_go(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n# mine\nexport a=2\nB=x\n\nA=3\nC=y\n")

    env_file.assign(tmp_path / ".env", "A", "4")

    assert (tmp_path / ".env").read_text() == "# mine\nB=x\n\nA=4\nC=y\n"
    assert env_file.read(tmp_path / ".env")["A"] == Entry("4", 4)


def test_unset_removes_only_its_line(env: Path) -> None:
    assert env_file.unassign(env, "LONG")

    assert env_file.read(env) == {"API_PORT": Entry("1", 2), "LAST": Entry("x", 3)}
    assert not env_file.unassign(env, "LONG")


@pytest.mark.parametrize("value", ["it's", 'a "b" c', "#no", "back\\slash", "${HOME}", ""])
def test_what_is_written_is_what_is_read(tmp_path: Path, value: str) -> None:
    env_file.assign(tmp_path / ".env", "A", value)

    assert env_file.read(tmp_path / ".env") == {"A": Entry(value, 1)}


def test_secrets_are_for_the_owner_only(env: Path) -> None:
    env_file.assign(env, "API_KEY", "x")

    assert env.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("line", ["=3", "two words", "NAME", "'quoted'"])
def test_a_malformed_line_is_named_and_nothing_is_changed(tmp_path: Path, line: str) -> None:
    path = tmp_path / ".env"
    path.write_text(f"A=1\n\n{line}\n")

    with pytest.raises(ConfigError, match=r"\.env:3: not an assignment"):
        env_file.assign(path, "B", "2")

    assert path.read_text() == f"A=1\n\n{line}\n"


@pytest.mark.parametrize(
    "line",
    ["API_KEY sk-secret", "export API_KEY sk-secret", "API_KEY='sk-secret", 'API_KEY="sk-secret'],
)
def test_a_malformed_line_is_named_without_what_may_be_a_secret(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line)

    with pytest.raises(ConfigError, match="API_KEY") as caught:
        env_file.read(tmp_path / ".env")

    assert "secret" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("line", ["sk-secret", "hunter2secret", "'secret' x", "=secret"])
def test_a_malformed_line_without_a_name_is_not_shown(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line)

    with pytest.raises(ConfigError, match=r"\.env:1: not an assignment$"):
        env_file.read(tmp_path / ".env")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff")

    with pytest.raises(ConfigError, match="not UTF-8"):
        env_file.read(tmp_path / ".env")


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()

    with pytest.raises(ConfigError, match="cannot be read"):
        env_file.read(tmp_path / ".env")


@pytest.mark.parametrize("value", ["1\n2", "1\r2"])
def test_a_line_break_in_a_value_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="one line"):
        env_file.assign(tmp_path / ".env", "A", value)
