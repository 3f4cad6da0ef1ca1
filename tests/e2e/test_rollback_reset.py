"""`frontier rollback --reset`: the clean slate, also where half of the workspace is broken."""

from pathlib import Path

import pytest

from frontier_cli import Frontier


@pytest.fixture
def frontier(tmp_path: Path) -> Frontier:
    cli = Frontier(tmp_path / "ws", env={"PROJECT_NAME": "frontier-keep-reset"})
    cli.ok("config", "set", "CACHE_SIZE", "7")
    return cli


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_a_terminal_it_wants_a_yes_and_a_dry_run_prints_the_plan(
    frontier: Frontier,
) -> None:
    write(frontier.workspace / "data" / "grafana" / "grafana.db", "x")

    assert "--yes" in frontier.fails(5, "rollback", "--reset")
    plan = frontier.ok("rollback", "--reset", "--dry-run")

    assert "settings and selection back to their defaults" in plan
    assert "stays: volume data/grafana (--volumes removes it)" in plan
    assert frontier.ok("config", "get", "CACHE_SIZE") == "7\n"
    assert not (frontier.workspace / "backups").exists()


def test_settings_and_project_go_and_all_was_saved_before(frontier: Frontier) -> None:
    write(frontier.workspace / "config" / "models.yaml", "version: 1\nmodels: []\n")
    write(frontier.workspace / "data" / "grafana" / "grafana.db", "x")

    done = frontier.json("rollback", "--reset", "--yes")

    assert not (frontier.workspace / ".env").exists()
    assert (frontier.workspace / "config" / "models.yaml").exists()
    assert (frontier.workspace / "data" / "grafana").exists()
    assert "went back" in frontier.ok("rollback", done["snapshot"])
    assert frontier.ok("config", "get", "CACHE_SIZE") == "7\n"
    frontier.ok("rollback", "--reset", "--yes")
    assert "restored" in frontier.ok("backup", "restore", done["backup"])
    assert frontier.ok("config", "get", "CACHE_SIZE") == "7\n"


def test_data_of_services_goes_when_it_is_asked_for(frontier: Frontier) -> None:
    write(frontier.workspace / "data" / "grafana" / "grafana.db", "x")

    done = frontier.json("rollback", "--reset", "--yes", "--volumes")

    assert not (frontier.workspace / "data" / "grafana").exists()
    frontier.ok("backup", "restore", done["backup"], "--yes")
    assert (frontier.workspace / "data" / "grafana" / "grafana.db").read_text() == "x"


@pytest.mark.parametrize("docker_host", ["", "unix:///nonexistent.sock"])
def test_it_works_where_everything_is_broken(frontier: Frontier, docker_host: str) -> None:
    state = frontier.workspace / ".frontier"
    write(frontier.workspace / ".env", "CACHE_SIZE=many\nnot an assignment\n")
    write(state / "declared" / "project.json", '{"name":')
    write(state / "project" / "compose.yaml", "name: [")
    if docker_host:
        frontier.env["DOCKER_HOST"] = docker_host

    done = frontier.json("rollback", "--reset", "--yes")

    assert bool(done["notes"]) is bool(docker_host)
    assert not (frontier.workspace / ".env").exists()
    assert not (state / "declared" / "project.json").exists()
    assert not (state / "project").exists()
    frontier.env.pop("DOCKER_HOST", None)
    assert frontier.ok("config", "get", "CACHE_SIZE") == "512\n"
    assert frontier.json("status")["state"] == "stopped"


def test_nothing_is_reset_when_it_cannot_be_saved(frontier: Frontier, full_disk: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        (full_disk / "filler").write_bytes(b"x" * 3_000_000)
    frontier.env["BACKUP_PATH"] = str(full_disk)

    assert "disk is full" in frontier.fails(1, "rollback", "--reset", "--yes")

    assert frontier.ok("config", "get", "CACHE_SIZE") == "7\n"


def test_words_that_do_not_go_together_are_refused(frontier: Frontier) -> None:
    assert "no snapshot" in frontier.fails(2, "rollback", "x", "--reset")
    assert "--reset" in frontier.fails(2, "rollback", "--volumes")
    assert "--reset" in frontier.fails(2, "rollback", "--images")


def test_a_newer_workspace_is_refused_before_anything_is_read(frontier: Frontier) -> None:
    (frontier.workspace / ".frontier" / "format").write_text("3\n")
    (frontier.workspace / ".env").write_text("not an assignment\n")
    before = sorted(frontier.workspace.rglob("*"))

    for command in (("status",), ("config", "show"), ("up",), ("rollback", "--reset", "--yes")):
        error = frontier.fails(5, *command)
        assert "has format 3" in error
        assert "Upgrade" in error

    assert sorted(frontier.workspace.rglob("*")) == before


def test_an_older_workspace_is_told_by_reading_and_mended_by_changing(frontier: Frontier) -> None:
    state = frontier.workspace / ".frontier"
    (state / "format").unlink()
    write(state / "project" / "native.json", "{}")

    done = frontier.run("config", "get", "CACHE_SIZE")
    assert "written by an older Frontier" in done.stderr
    assert (state / "project" / "native.json").exists()
    assert frontier.run("config", "get", "CACHE_SIZE", "--json").stderr == ""

    frontier.ok("config", "set", "CACHE_SIZE", "8")
    assert (state / "format").read_text() == "2\n"
    assert (state / "declared" / "project.json").read_text() == "{}"
    assert frontier.run("config", "get", "CACHE_SIZE").stderr == ""
