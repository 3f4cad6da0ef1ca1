"""Kills changes of a workspace's state at each step; the next command finds the old or the new.

Run as a program: ``python killing_state.py FOLDER WHAT``, where WHAT is one of `SCENARIOS`. For
every n, a child dies by SIGKILL just before the n-th change it makes to the file system; then
what a killed command left is finished, and the workspace must be in one of the two states. Ends
when a child is no longer killed, and prints how often each state was found.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psutil

from fakes import FakeGateway, FakeReporter, FakeRuntime, project
from frontier.adapters import workspace_format
from frontier.adapters.backups import Backups
from frontier.adapters.blobs import BlobStore
from frontier.adapters.change_journal import ChangeJournal
from frontier.adapters.data_stores import DataStores
from frontier.adapters.docker_volumes import DockerVolumes
from frontier.adapters.file_swap import FileSwap
from frontier.adapters.project_file import ProjectFile
from frontier.adapters.snapshots import Snapshots
from frontier.adapters.staging import Staging
from frontier.adapters.workspace import Workspace
from frontier.usecases.backups import Making, Origin
from frontier.usecases.change import Change
from frontier.usecases.restores import Restoring, finish_volumes
from killing import die_before_change, in_child

Scenario = tuple[
    Callable[[Workspace], None], Callable[[Workspace], None], Callable[[Workspace], str]
]


ONLY = {1: "mine.yaml", 2: "images.lock.yaml"}


def write(workspace: Workspace, version: int) -> None:
    """Write one state: settings, routes, a stack and a project that say the same number.

    A person's file is in the first state only, one that Frontier writes in the second one.
    """
    stack = workspace.stacks / "mine" / "stack.yaml"
    for path in (workspace.env_file, workspace.models_yaml, stack, workspace.project_file):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"version={version}\n")
    (workspace.config / ONLY[version]).write_text(f"version={version}\n")
    (workspace.config / ONLY[3 - version]).unlink(missing_ok=True)


def read(workspace: Workspace) -> set[str]:
    """Return what all files of the state say."""
    places = (workspace.config, workspace.stacks, workspace.project_file.parent)
    found = [p for place in places for p in place.rglob("*") if p.is_file()]
    if workspace.env_file.exists():
        found.append(workspace.env_file)
    return {f"{path.relative_to(workspace.root)} {path.read_text().strip()}" for path in found}


def both_states(workspace: Workspace) -> None:
    write(workspace, 1)
    Snapshots(workspace).take("up")
    write(workspace, 2)


def roll_back(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    snapshots.take("rollback")
    snapshots.restore(snapshots.all()[-1])


def reset(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    snapshots.reset(snapshots.take("rollback --reset"))


def version(workspace: Workspace) -> str:
    """Finish what was killed; return which version all files have."""
    Snapshots(workspace).recover()
    assert not FileSwap(workspace).journal.exists()
    said = read(workspace)
    if not any(name.startswith(".env") for name in said):
        assert not workspace.project_file.exists(), said
        return "reset"
    (number,) = {text.rpartition("=")[2] for text in said}
    assert any(ONLY[int(number)] in name for name in said), said
    assert not any(ONLY[3 - int(number)] in name for name in said), said
    return number


def old_format(workspace: Workspace) -> None:
    write(workspace, 1)
    old = workspace.state / "project" / "native.json"
    old.parent.mkdir()
    workspace.project_file.rename(old)
    for folder, name in (("20260101T000000.000000-up", ".frontier/project/native.json"),):
        saved = workspace.snapshots / folder
        (saved / "files" / name).parent.mkdir(parents=True)
        (saved / "files" / name).write_text("version=0\n")
        fields = {"id": folder, "before": "up", "files": [name]}
        (saved / "snapshot.json").write_text(json.dumps(fields))


def migrate(workspace: Workspace) -> None:
    workspace_format.prepare(workspace, "start")


def migrated(workspace: Workspace) -> str:
    """Return whether the format is written; a second command finishes what a kill left."""
    was = workspace_format.found(workspace)
    migrate(workspace)
    assert workspace.project_file.read_text() == "version=1\n"
    assert not (workspace.state / "project").exists()
    snapshots = Snapshots(workspace)
    snapshots.restore(snapshots.all()[-1])
    assert workspace.project_file.read_text() == "version=0\n"
    return f"format {was}"


def journal_of(workspace: Workspace) -> ChangeJournal:
    return ChangeJournal(workspace.changing, ProjectFile(workspace.project_file))


def declare(workspace: Workspace) -> None:
    ProjectFile(workspace.project_file).save(project("old"))


def change(workspace: Workspace) -> None:
    with journal_of(workspace).during("stack select mistral", project("new")) as stage:
        stage("starting mistral")
        ProjectFile(workspace.project_file).save(project("new"))
        stage("waiting for mistral")


def told(workspace: Workspace) -> str:
    """Return what is said about the change, which must agree with what is declared."""
    assert psutil.pid_exists(os.getpid())
    declared = ProjectFile(workspace.project_file).load()
    assert declared is not None
    found = journal_of(workspace).interrupted()
    if found is None:
        return f"quiet, {declared.routes[0].model}"
    assert found.command == "stack select mistral"
    assert found.declared == declared.routes[0].model
    return f"told, {found.declared}"


def changing(workspace: Workspace) -> Change:
    runtime = FakeRuntime()
    return Change(
        command="backup restore",
        runtime=runtime,
        project=ProjectFile(workspace.project_file),
        snapshots=Snapshots(workspace),
        journal=journal_of(workspace),
        gateway=lambda _: FakeGateway(runtime.calls),
        free_ports=lambda listening, ours: None,
        changing=lambda _: contextlib.nullcontext(),
        reporter=FakeReporter(),
    )


def restoring(workspace: Workspace) -> Restoring:
    models = BlobStore(workspace.models)
    return Restoring(
        store=Backups(workspace.backups, workspace.state / "backup.lock"),
        staging=Staging(workspace, models, python=sys.executable),
        data=DataStores(workspace, DockerVolumes(workspace.root, workspace.state / "paused")),
        models=models,
        origin=origin(workspace),
        change=changing(workspace),
        prove=lambda _: None,
        reporter=FakeReporter(),
    )


def origin(workspace: Workspace) -> Origin:
    return Origin(
        frontier="0.1.0",
        workspace_format=2,
        host="here",
        root=str(workspace.root),
        python=sys.executable,
    )


def write_data(workspace: Workspace, version: int) -> None:
    """Write what Grafana and Prometheus keep, and a secret."""
    for path in (
        workspace.root / "data" / "grafana" / "grafana.db",
        workspace.root / "data" / "prometheus" / "wal" / f"0000000{version}",
        workspace.secrets / f"api-key-{version}",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"version={version}\n")
    (workspace.root / f"data/prometheus/wal/0000000{3 - version}").unlink(missing_ok=True)


def make(workspace: Workspace) -> None:
    ports = restoring(workspace)
    Making(
        store=ports.store,
        staging=ports.staging,
        data=ports.data,
        models=ports.models,
        project=ProjectFile(workspace.project_file),
        origin=ports.origin,
        changing=ports.change.changing,
        now=lambda: datetime(2026, 11, 21, tzinfo=UTC),
        reporter=ports.reporter,
    ).create("saved")


def backed_up(workspace: Workspace) -> None:
    write(workspace, 1)
    write_data(workspace, 1)
    make(workspace)
    write(workspace, 2)
    write_data(workspace, 2)


def restore(workspace: Workspace) -> None:
    use_case = restoring(workspace)
    use_case.restore(use_case.plan("saved"))


def restored(workspace: Workspace) -> str:
    """Finish what was killed; return which version files, volumes and secrets have."""
    is_told = journal_of(workspace).interrupted() is not None
    number = version(workspace)
    ports = restoring(workspace)
    finish_volumes(staging=ports.staging, data=ports.data, reporter=FakeReporter())
    assert not (workspace.state / "pending").exists()
    data = workspace.root / "data"
    assert (data / "grafana" / "grafana.db").read_text() == f"version={number}\n"
    assert [p.name for p in (data / "prometheus" / "wal").iterdir()] == [f"0000000{number}"]
    assert [p.name for p in data.iterdir() if p.name.startswith(".")] in (
        [],
        [".grafana.old"],
        [".prometheus.old"],
    )
    assert (workspace.secrets / f"api-key-{number}").exists()
    return f"{number}, {'told' if is_told else 'quiet'}"


def made(workspace: Workspace) -> str:
    """Return whether there is a backup; the next one removes what the killed one left."""
    store = restoring(workspace).store
    found = [b for b in store.all() if b.name == "saved"]
    assert all(b.manifest for b in found)
    for backup in found:
        store.remove(backup)
    make(workspace)
    assert [p.name for p in workspace.backups.iterdir()] == ["saved.tar.gz"]
    return "made" if found else "none"


def to_be_saved(workspace: Workspace) -> None:
    write(workspace, 1)
    write_data(workspace, 1)


SCENARIOS: dict[str, Scenario] = {
    "create": (to_be_saved, make, made),
    "restore": (backed_up, restore, restored),
    "rollback": (both_states, roll_back, version),
    "reset": (both_states, reset, version),
    "format": (old_format, migrate, migrated),
    "journal": (declare, change, told),
}


def run(root: Path, scenario: Scenario) -> dict[str, int]:
    prepare, act, judge = scenario
    found: dict[str, int] = {}
    for number in count(1):
        workspace = Workspace(root / str(number))
        prepare(workspace)

        def killed(number: int = number, workspace: Workspace = workspace) -> None:
            die_before_change(number, workspace.root)
            act(workspace)

        status = in_child(killed)
        state = judge(workspace)
        if status == 0:
            return {**found, "whole": number, "end": state}
        assert os.WIFSIGNALED(status), f"change {number}: exit {os.waitstatus_to_exitcode(status)}"
        found[state] = found.get(state, 0) + 1
    raise AssertionError


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]), SCENARIOS[sys.argv[2]])))
