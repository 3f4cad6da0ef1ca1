"""`frontier backup`, as people type it: made, carried to another machine, put back, pruned."""

import hashlib
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from frontier_cli import Frontier
from other_user import NOBODY, give_away, run_as


@pytest.fixture
def frontier(tmp_path: Path) -> Frontier:
    return Frontier(tmp_path / "ws")


def fill(frontier: Frontier) -> None:
    """Write a setting, a key, routes, a stack, and what Grafana and Prometheus keep."""
    frontier.ok("config", "set", "API_KEY", "sesame")
    frontier.ok("config", "set", "CACHE_SIZE", "7")
    write(frontier.workspace / "config" / "models.yaml", "version: 1\nmodels: []\n")
    write(frontier.workspace / "stacks" / "mine" / "notes.md", "mine\n")
    write(frontier.workspace / ".frontier" / "secrets" / "grafana-1", "generated")
    write(frontier.workspace / "data" / "grafana" / "grafana.db", "dashboards")
    write(frontier.workspace / "data" / "prometheus" / "wal" / "00000001", "samples")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def state(workspace: Path) -> dict[str, str]:
    """Return what a backup covers, by path."""
    found = [p for p in workspace.rglob("*") if p.is_file()]
    names = {str(p.relative_to(workspace)): p for p in found}
    covered = ("config/", "stacks/", ".frontier/secrets/", "data/grafana", "data/prometheus")
    return {n: p.read_text() for n, p in names.items() if n == ".env" or n.startswith(covered)}


def test_a_backup_is_made_listed_shown_and_put_back(frontier: Frontier) -> None:
    fill(frontier)
    before = state(frontier.workspace)

    made = frontier.json("backup", "create", "--name", "one")
    frontier.ok("config", "set", "CACHE_SIZE", "8")
    write(frontier.workspace / "config" / "late.yaml", "late")
    write(frontier.workspace / "data" / "grafana" / "late", "late")
    restored = frontier.json("backup", "restore", "one", "--yes")

    assert state(frontier.workspace) == before
    assert (made["files"], made["volumes"]) == (4, ["data/grafana", "data/prometheus"])
    assert Path(made["path"]).stat().st_mode & 0o777 == 0o600
    assert [b["name"] for b in frontier.json("backup", "list")["backups"]] == ["one"]
    assert "data/grafana" in frontier.ok("backup", "show", "one")
    assert restored["changes"] == [".env", "config/late.yaml"]
    assert restored["replaced"] == ["data/grafana", "data/prometheus"]
    assert "went back" in frontier.ok("rollback", restored["snapshot"])
    assert frontier.ok("config", "get", "CACHE_SIZE") == "8\n"


def test_a_dry_run_writes_nothing(frontier: Frontier) -> None:
    fill(frontier)
    frontier.ok("backup", "create", "--name", "one")
    frontier.ok("config", "set", "CACHE_SIZE", "8")

    assert "would write" in frontier.ok("backup", "create", "--dry-run")
    out = frontier.ok("backup", "restore", "one", "--dry-run")

    assert "files: .env" in out
    assert "would lose what is there: data/grafana, data/prometheus" in out
    assert frontier.ok("config", "get", "CACHE_SIZE") == "8\n"
    assert len(frontier.json("backup", "list")["backups"]) == 1


def test_data_that_would_be_lost_is_not_replaced_without_a_yes(frontier: Frontier) -> None:
    fill(frontier)
    frontier.ok("backup", "create", "--name", "one")
    write(frontier.workspace / "data" / "grafana" / "grafana.db", "newer")

    assert "--yes" in frontier.fails(5, "backup", "restore", "one")
    assert "restored" in frontier.ok("backup", "restore", "one", "--no-volumes")

    assert (frontier.workspace / "data" / "grafana" / "grafana.db").read_text() == "newer"


def test_a_backup_works_on_another_machine(tmp_path: Path, smollm2: Path) -> None:
    """Another path and another home, and where we are root another user."""
    old = Frontier(tmp_path / "old")
    old.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    old.ok("up", "--runtime", "native")
    fill(old)
    made = old.json("backup", "create", "--name", "moving", "--include-models")
    old.ok("stop")
    carried = tmp_path / "usb" / "moving.tar.gz"
    carried.parent.mkdir()
    shutil.move(made["path"], carried)
    shutil.rmtree(old.workspace)
    other = {"HOME": str(tmp_path / "home"), "FRONTIER_HOME": str(tmp_path / "elsewhere" / "new")}
    new = Frontier(tmp_path / "elsewhere" / "new", env=other)
    (tmp_path / "home").mkdir()
    (tmp_path / "elsewhere").mkdir()
    as_other = give_away(tmp_path / "home", tmp_path / "elsewhere", carried)

    restored = run(new, as_other, "backup", "restore", str(carried), "--json")
    env = (new.workspace / ".env").stat()
    declared = (new.workspace / ".frontier" / "declared" / "project.json").read_text()
    run(new, as_other, "start")
    status = json.loads(run(new, as_other, "status", "--json"))
    run(new, as_other, "down")

    assert json.loads(restored)["missing"] == []
    assert status["state"] == "running"
    assert str(new.workspace / "data" / "models") in declared
    assert str(old.workspace) not in declared
    assert state(new.workspace)["data/grafana/grafana.db"] == "dashboards"
    assert env.st_mode & 0o777 == 0o600
    assert env.st_uid == (NOBODY.pw_uid if as_other else os.getuid())


def run(frontier: Frontier, identity: list[str], *args: str) -> str:
    done = run_as(identity, frontier, *args)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_model_that_is_not_in_the_backup_is_named_with_the_command_that_gets_it(
    tmp_path: Path, smollm2: Path
) -> None:
    old, new = Frontier(tmp_path / "old"), Frontier(tmp_path / "new")
    old.ok("models", "pull", f"file:{smollm2}", "--name", "tiny:1")
    path = old.json("backup", "create")["path"]

    (missing,) = new.json("backup", "restore", path)["missing"]
    assert missing["name"] == "tiny:1"
    shown = new.ok("backup", "restore", path)
    assert f"frontier models pull {missing['source']} --name tiny:1" in shown

    assert new.json("backup", "restore", path, "--pull-models")["missing"] == []
    assert new.json("models", "check")["models"][0]["health"] == "ok"


def test_a_model_that_cannot_be_had_is_a_note_and_an_exit_code(tmp_path: Path) -> None:
    gone = tmp_path / "m.gguf"
    shutil.copy(next(Path(__file__).parents[1].glob("*.py")), gone)
    old, new = Frontier(tmp_path / "old"), Frontier(tmp_path / "new")
    make_model(old, gone)
    path = old.json("backup", "create")["path"]

    done = new.run("backup", "restore", path, "--pull-models")

    assert done.returncode == 1
    assert "tiny:1 was not downloaded" in done.stdout
    assert "restored" in done.stdout


def make_model(frontier: Frontier, gone: Path) -> None:
    """Name a model whose source is not there any more."""
    refs = frontier.workspace / "data" / "models" / "refs"
    fields = {
        "name": "tiny:1",
        "digest": "a" * 64,
        "size_bytes": 4,
        "source": f"file:{gone.with_name('gone.gguf')}",
        "file_name": "gone.gguf",
        "pulled_at": "2026-11-21T00:00:00+00:00",
        "verified": None,
    }
    write(refs / "tiny%3A1.json", json.dumps(fields))


def test_what_runs_is_not_stopped_without_a_yes(tmp_path: Path, smollm2: Path) -> None:
    frontier = Frontier(tmp_path / "ws")
    frontier.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    frontier.ok("up", "--runtime", "native")
    frontier.ok("backup", "create", "--name", "one")

    assert "--yes" in frontier.fails(5, "backup", "restore", "one")
    assert frontier.json("status")["state"] == "running"
    restored = frontier.json("backup", "restore", "one", "--yes")
    assert restored["answer"]["completion_tokens"] > 0
    assert frontier.json("status")["state"] == "running"
    frontier.ok("stop")

    restored = frontier.json("backup", "restore", "one", "--yes")
    assert (restored["restarted"], restored["answer"]) == (False, None)
    assert frontier.json("status")["state"] == "stopped"
    frontier.ok("down")


def test_what_is_restored_and_does_not_start_gives_way_to_what_ran(
    tmp_path: Path, smollm2: Path
) -> None:
    frontier = Frontier(tmp_path / "ws")
    frontier.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    (tmp_path / "other.gguf").write_bytes(smollm2.read_bytes() + b" ")
    frontier.ok("models", "pull", f"file:{tmp_path / 'other.gguf'}", "--name", "other:1")
    frontier.ok("up", "--runtime", "native", "--model", "other:1")
    frontier.ok("backup", "create", "--name", "other")
    frontier.ok("up", "--runtime", "native", "--model", "smollm2:135m")
    (blob,) = (frontier.workspace / "data" / "models" / "blobs").glob(
        f"sha256-{hashlib.sha256((tmp_path / 'other.gguf').read_bytes()).hexdigest()}"
    )
    blob.chmod(0o644)
    blob.write_bytes(b"damaged")
    frontier.ok("config", "set", "CACHE_SIZE", "7")

    said = frontier.fails(4, "backup", "restore", "other", "--yes")

    assert "what ran before runs again" in said
    assert "hint: To restore it without a start: frontier stop && frontier backup restore" in said
    status = frontier.json("status")
    assert (status["state"], status["models"]) == ("running", ["smollm2:135m"])
    assert frontier.json("config", "get", "CACHE_SIZE")["value"] == "7"
    assert frontier.ok("chat", "-m", "hi", "--max-tokens", "4").strip()

    frontier.ok("stop")
    assert "start it" in frontier.ok("backup", "restore", "other", "--yes")
    frontier.ok("down")


def test_old_backups_are_pruned_but_never_the_newest(frontier: Frontier) -> None:
    frontier.ok("config", "set", "CACHE_SIZE", "7")
    for name in ("one", "two", "three"):
        frontier.ok("backup", "create", "--name", name)
    for name, year in (("one", 2020), ("two", 2021), ("three", 2022)):
        age(frontier.workspace / "backups" / f"{name}.tar.gz", year)
    damaged = frontier.workspace / "backups" / "damaged.tar.gz"
    damaged.write_bytes(b"x")

    assert frontier.ok("backup", "prune", "--dry-run") == "would remove one\nwould remove two\n"
    assert frontier.ok("backup", "prune", "--keep-days", "0") == "kept all\n"
    assert frontier.json("backup", "prune")["removed"] == ["one", "two"]
    assert "nothing is older than 30 days" in frontier.ok("backup", "prune")

    listed = {b["name"]: b["problem"] for b in frontier.json("backup", "list")["backups"]}
    assert listed.keys() == {"three", "damaged"}
    assert "is no backup" in listed["damaged"]


def age(path: Path, year: int) -> None:
    """Write another year into a backup's manifest."""
    with tarfile.open(path) as archive:
        members = [(m, archive.extractfile(m)) for m in archive.getmembers()]
        held = [(m, file.read()) for m, file in members if file]
    fields = json.loads(held[0][1])
    fields["created"] = f"{year}{fields['created'][4:]}"
    held[0] = (held[0][0], json.dumps(fields).encode())
    import io

    with tarfile.open(path, "w:gz") as archive:
        for member, data in held:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_backup_path_and_its_refusals(frontier: Frontier, tmp_path: Path) -> None:
    frontier.ok("config", "set", "BACKUP_PATH", str(tmp_path / "far"))
    frontier.ok("backup", "create", "--name", "one")
    assert (tmp_path / "far" / "one.tar.gz").exists()

    assert "already" in frontier.fails(5, "backup", "create", "--name", "one")
    assert "letters" in frontier.fails(2, "backup", "create", "--name", "../x")
    assert "backup list" in frontier.fails(3, "backup", "restore", "two")
    assert "backup list" in frontier.fails(3, "backup", "show", "two")

    frontier.ok("config", "set", "BACKUP_PATH", "near")
    frontier.ok("backup", "create", "--name", "one")
    assert (frontier.workspace / "near" / "one.tar.gz").exists()


def test_a_full_disk_and_a_read_only_one_change_nothing(
    frontier: Frontier, full_disk: Path, read_only: Path
) -> None:
    frontier.workspace.mkdir()
    (frontier.workspace / "config").mkdir()
    (frontier.workspace / "config" / "noise.yaml").write_bytes(os.urandom(3_000_000))

    frontier.env["BACKUP_PATH"] = str(full_disk)
    assert "disk is full" in frontier.fails(1, "backup", "create")
    assert list(full_disk.iterdir()) == []
    frontier.env["BACKUP_PATH"] = str(read_only / "b")
    assert "Read-only" in frontier.fails(1, "backup", "create")

    frontier.env.pop("BACKUP_PATH")
    path = frontier.json("backup", "create")["path"]
    small = Frontier(full_disk / "ws", env={})
    assert "free" in small.fails(5, "backup", "restore", path)
    assert not (small.workspace / "config").exists()


def test_a_damaged_backup_changes_nothing(frontier: Frontier) -> None:
    fill(frontier)
    path = Path(frontier.json("backup", "create", "--name", "one")["path"])
    path.write_bytes(path.read_bytes()[:-400])
    before = state(frontier.workspace)

    assert "damaged" in frontier.fails(1, "backup", "restore", "one", "--yes")

    assert state(frontier.workspace) == before


def test_a_backup_of_a_newer_frontier_is_refused(frontier: Frontier) -> None:
    frontier.ok("config", "set", "CACHE_SIZE", "7")
    path = Path(frontier.json("backup", "create", "--name", "one")["path"])
    rewrite(path, workspace_format=9)

    assert "newer Frontier" in frontier.fails(5, "backup", "restore", "one")

    rewrite(path, schema=9)
    assert "newer Frontier" in frontier.fails(5, "backup", "show", "one")


def rewrite(path: Path, **fields: int) -> None:
    import io

    with tarfile.open(path) as archive:
        held = [(m, archive.extractfile(m)) for m in archive.getmembers()]
        members = [(m, file.read()) for m, file in held if file]
    members[0] = (members[0][0], json.dumps({**json.loads(members[0][1]), **fields}).encode())
    with tarfile.open(path, "w:gz") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_a_damaged_project_is_saved_as_it_is(frontier: Frontier) -> None:
    write(frontier.workspace / ".frontier" / "declared" / "project.json", "{")

    made = frontier.json("backup", "create")

    assert "saved as it is" in made["notes"][0]
    assert made["files"] == 1


def test_a_second_backup_waits_for_the_first_one(frontier: Frontier) -> None:
    import fcntl

    lock = frontier.workspace / ".frontier" / "backup.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{os.getpid()} frontier backup create\n")
        file.flush()

        assert "backup create" in frontier.fails(1, "backup", "create")


def test_the_command_answers_in_a_terminal(frontier: Frontier) -> None:
    import pexpect

    fill(frontier)
    frontier.ok("backup", "create", "--name", "one")
    argv = frontier.argv("backup", "restore", "one")
    for answer, code in (("n", 5), ("y", 0)):
        child = pexpect.spawn(argv[0], argv[1:], env=frontier.environ, encoding="utf-8")
        child.expect("Go on")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == code
    assert sys.executable == argv[0]
