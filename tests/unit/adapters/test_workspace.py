import os
from pathlib import Path

import pytest

from frontier.adapters.workspace import Workspace, discover
from frontier.domain.errors import ConfigError, UsageError


def find(tmp_path: Path, *, chosen: Path | None = None, home: str | None = None) -> Workspace:
    environ = {"FRONTIER_HOME": home} if home else {}
    return discover(
        chosen, environ, cwd=lambda: tmp_path / "a" / "b", home=lambda: tmp_path / "home"
    )


def test_the_command_line_wins_over_everything(tmp_path: Path) -> None:
    assert find(tmp_path, chosen=Path("/x"), home="/y").root == Path("/x")


def test_frontier_home_wins_over_the_parent_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / ".frontier").mkdir(parents=True)

    assert find(tmp_path, home="/y").root == Path("/y")


def test_the_nearest_parent_with_a_marker_is_found(tmp_path: Path) -> None:
    (tmp_path / "a" / ".frontier").mkdir(parents=True)

    assert find(tmp_path).root == tmp_path / "a"


def test_a_marker_of_another_user_is_passed_over(tmp_path: Path) -> None:
    marker = tmp_path / "a" / ".frontier"
    marker.mkdir(parents=True)
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(marker, 65534, 65534)

    assert find(tmp_path).root == tmp_path / "home" / "frontier-llm-stack"


def test_a_working_folder_that_is_gone_matters_only_where_it_is_asked_for() -> None:
    def gone() -> Path:
        raise FileNotFoundError("no such folder")

    assert discover(Path("/x"), {}, cwd=gone, home=gone).root == Path("/x")
    with pytest.raises(ConfigError) as caught:
        discover(None, {}, cwd=gone, home=gone)
    assert "--workspace" in caught.value.hint


def test_the_default_lies_in_the_home_folder(tmp_path: Path) -> None:
    assert find(tmp_path).root == tmp_path / "home" / "frontier-llm-stack"


def test_a_file_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="is a file, not a folder"):
        find(tmp_path, chosen=tmp_path / "file")
    with pytest.raises(UsageError):
        find(tmp_path, home=str(tmp_path / "file"))
