from pathlib import Path

from frontier.adapters.workspace import Workspace, discover


def find(tmp_path: Path, *, chosen: Path | None = None, home: str | None = None) -> Workspace:
    environ = {"FRONTIER_HOME": home} if home else {}
    return discover(chosen, environ, tmp_path / "a" / "b", tmp_path / "home")


def test_the_command_line_wins_over_everything(tmp_path: Path) -> None:
    assert find(tmp_path, chosen=Path("/x"), home="/y").root == Path("/x")


def test_frontier_home_wins_over_the_parent_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / ".frontier").mkdir(parents=True)

    assert find(tmp_path, home="/y").root == Path("/y")


def test_the_nearest_parent_with_a_marker_is_found(tmp_path: Path) -> None:
    (tmp_path / "a" / ".frontier").mkdir(parents=True)

    assert find(tmp_path).root == tmp_path / "a"


def test_the_default_lies_in_the_home_folder(tmp_path: Path) -> None:
    assert find(tmp_path).root == tmp_path / "home" / "frontier-llm-stack"
