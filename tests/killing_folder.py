"""Writes a project folder in forked children, each killed one step later than the one before.

Run as a program: ``python killing_folder.py FOLDER``. For every n a child dies by SIGKILL just
before the n-th change it makes to the file system while it goes from an old project to a new one.
Then the document that is there must find all its files, and a second call must bring the new
project, whole and without leftovers. Prints the number of kills.
"""

import os
import sys
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from frontier.adapters.project_folder import materialise
from frontier.adapters.workspace import Workspace
from frontier.domain.containers import Containers
from frontier.domain.project import Project
from killing import die_before_change, in_child

_OURS = {".written.json"}


def declared(stack: str, *, files: dict[str, str], model: str) -> Project:
    document: dict[str, Any] = {"name": "p", "services": {stack: {"image": "x"}}}
    containers = Containers(
        document=document,
        files=files,
        secrets={"secrets/key": f"key-{stack}"},
        links={f"models/{model}": f"data/{model}", "hub": "data/hub"},
    )
    return Project(name="p", stack=stack, containers=containers)


OLD = declared("old", files={"config/a": "old", "config/old": "old", "live/r": "old"}, model="m")
NEW = declared("new", files={"config/a": "new", "config/new": "new", "live/r": "new"}, model="n")


def workspace_at(root: Path) -> Workspace:
    workspace = Workspace(root)
    workspace.secrets.mkdir(parents=True)
    for stack in ("old", "new"):
        (workspace.secrets / f"key-{stack}").write_text(stack)
    (root / "data" / "hub").mkdir(parents=True)
    for name in ("m", "n", "hub/w"):
        (root / "data" / name).write_text(name)
    return workspace


def content(workspace: Workspace) -> dict[str, str]:
    folder = workspace.project_folder
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in _OURS
    }


def expected(project: Project) -> set[str]:
    containers = project.containers
    assert containers is not None
    models = [path for path in containers.links if path != "hub"]
    return {*containers.files, *containers.secrets, *models, "hub/w", "compose.yaml"}


def require_old_or_new(workspace: Workspace) -> None:
    found = content(workspace)
    services = yaml.safe_load(found["compose.yaml"])["services"]
    project = OLD if "old" in services else NEW
    assert expected(project) <= found.keys(), expected(project) - found.keys()
    assert set(found.values()) <= {"old", "new", "m", "n", "hub/w", found["compose.yaml"]} | {
        value for name, value in found.items() if Path(name).name.startswith(".")
    }


def main(root: Path) -> None:
    for number in count(1):
        workspace = workspace_at(root / str(number))
        materialise(OLD, workspace)

        def killed(number: int = number, workspace: Workspace = workspace) -> None:
            die_before_change(number, workspace.project_folder)
            materialise(NEW, workspace)

        status = in_child(killed)
        if status == 0:
            break
        assert os.WIFSIGNALED(status), f"change {number}: exit {os.waitstatus_to_exitcode(status)}"
        require_old_or_new(workspace)
        materialise(NEW, workspace)
        assert content(workspace).keys() == expected(NEW), content(workspace).keys()
        assert content(workspace)["config/a"] == "new"
    sys.stdout.write(str(number - 1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
