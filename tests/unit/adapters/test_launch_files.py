"""Other people's configuration files: backed up, replaced, and put back byte for byte."""

import stat
from pathlib import Path

import pytest

from frontier.adapters.launch_files import LaunchFiles
from frontier.domain.errors import ConfigError, NotFoundError, RefusedError

FILE = ".tool/config.yaml"
BEFORE = b"a: 1\r\n# \xc3\xa9\n\n"


@pytest.fixture
def files(tmp_path: Path) -> LaunchFiles:
    (tmp_path / "home").mkdir()
    return LaunchFiles(tmp_path / "own", tmp_path / "home")


def written(files: LaunchFiles, data: bytes = BEFORE, mode: int = 0o640) -> Path:
    path = files.home / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_what_was_there_comes_back_byte_for_byte_with_its_rights(files: LaunchFiles) -> None:
    path = written(files)

    files.replace("tool", FILE, "new\n")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new\n", 0o640)
    files.restore("tool")

    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (BEFORE, 0o640)
    assert list(files.folder.iterdir()) == []


def test_a_file_that_was_not_there_is_gone_again(files: LaunchFiles) -> None:
    path = files.replace("tool", FILE, "new\n")

    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600  # it may hold a key
    files.restore("tool")
    assert not path.exists()


def test_several_launches_are_undone_as_one(files: LaunchFiles) -> None:
    path = written(files)
    for text in ("one\n", "two\n", "two\n"):
        files.replace("tool", FILE, text)

    files.restore("tool")

    assert path.read_bytes() == BEFORE


def test_what_is_there_already_is_not_written(files: LaunchFiles) -> None:
    written(files)

    assert files.replace("tool", FILE, BEFORE.decode()) is None
    assert not files.folder.exists()


def test_what_somebody_wrote_between_two_launches_is_what_comes_back(files: LaunchFiles) -> None:
    path = written(files)
    files.replace("tool", FILE, "one\n")
    path.write_bytes(b"one\nmine\n")
    files.replace("tool", FILE, "two\nmine\n")

    files.restore("tool")

    assert path.read_bytes() == b"one\nmine\n"


def test_a_file_that_was_changed_since_stays_and_the_backup_is_told(files: LaunchFiles) -> None:
    path = written(files)
    files.replace("tool", FILE, "new\n")
    path.write_bytes(b"new\nmine\n")

    with pytest.raises(RefusedError, match="was changed since") as caught:
        files.restore("tool")

    assert path.read_bytes() == b"new\nmine\n"
    assert (files.folder / "tool.before").read_bytes() == BEFORE
    assert str(files.folder / "tool.before") in caught.value.hint


def test_a_launch_killed_before_it_wrote_can_be_undone(
    files: LaunchFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(files)
    save = LaunchFiles._save

    def killed(self: LaunchFiles, tool: str, record: object) -> None:
        save(self, tool, record)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(LaunchFiles, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        files.replace("tool", FILE, "new\n")
    monkeypatch.undo()

    files.restore("tool")

    assert path.read_bytes() == BEFORE


def test_a_link_stays_a_link(files: LaunchFiles, tmp_path: Path) -> None:
    path = written(files)
    real = path.rename(tmp_path / "dotfiles.yaml")
    path.symlink_to(real)

    files.replace("tool", FILE, "new\n")
    assert real.read_text() == "new\n"
    files.restore("tool")

    assert path.is_symlink()
    assert real.read_bytes() == BEFORE


def test_nothing_to_undo_is_told(files: LaunchFiles) -> None:
    with pytest.raises(NotFoundError, match="no file was changed for tool"):
        files.restore("tool")


def test_a_damaged_record_and_a_file_that_is_no_text_are_told(files: LaunchFiles) -> None:
    files.write_own("tool.json", "{")
    written(files, b"\xff")

    with pytest.raises(ConfigError, match="damaged"):
        files.restore("tool")
    with pytest.raises(ConfigError, match="cannot be read as text"):
        files.read(FILE)
