"""One workspace whose commands are killed, and what must hold after each kill."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from docker_images import docker
from killing_cli import __file__ as killing
from stack_workspace import Stacked
from waiting import until

STACKS = ("llamacpp", "second")
_DIGEST = '{{index .Config.Labels "frontier.digest"}}'
_SERVICE = '{{index .Config.Labels "com.docker.compose.service"}}'
_STATUS = "{{.State.Status}}"


@dataclass
class Killed:
    """What a command left that was run with the order to kill it.

    Attributes:
        was: The stack before it.
        steps: What it did; it was killed before the last one.
        is_killed: It did not end by itself.
        is_noted: The journal says that a change is under way.
    """

    was: str
    steps: list[str]
    is_killed: bool
    is_noted: bool


@dataclass
class Killing:
    """Kills commands in one workspace and holds it to what is promised."""

    it: Stacked

    @property
    def state(self) -> Path:
        return self.it.cli.workspace / ".frontier"

    @property
    def selected(self) -> str:
        current: str = self.it.cli.json("stack", "current")["stack"]
        return current

    @property
    def other(self) -> str:
        """The stack that is not selected."""
        return next(name for name in STACKS if name != self.selected)

    def declared(self) -> Any:
        """Return the declared project as it is written, None where nothing is."""
        file = self.state / "declared" / "project.json"
        return json.loads(file.read_text()) if file.exists() else None

    def snapshot_of(self, stack: str) -> str:
        """Return the name of the newest snapshot in which *stack* runs."""
        saved = sorted(self.state.glob("snapshots/[0-9]*/files/.frontier/declared/project.json"))
        found = [path for path in saved if json.loads(path.read_text())["stack"] == stack]
        return found[-1].parents[3].name

    def run(self, where: str, *words: str) -> Killed:
        """Run a command that dies before the step *where*, and wait for what it started."""
        was, told = self.selected, self.it.cli.workspace.parent / "steps"
        told.unlink(missing_ok=True)
        done = subprocess.run(
            (sys.executable, killing, where, told, *words),
            env=self.it.cli.environ,
            cwd=self.it.cli.workspace.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode in (0, -9), done.stdout.decode()
        until(lambda: not self._orphans(), timeout_s=60, what="docker, which went on")
        steps = told.read_text().splitlines()
        noted = (self.state / "changing").exists()
        return Killed(was, steps, is_killed=done.returncode != 0, is_noted=noted)

    def told(self, killed: Killed, command: str) -> str:
        """Require that the next command tells what happened; return the stack that counts."""
        next_one = self.it.cli.run("stack", "current")
        assert next_one.returncode == 0, next_one.stderr
        status, current = self.it.cli.json("status"), self.it.cli.json("stack", "current")
        assert {status["stack"], current["running"]} <= {*STACKS, ""}, (status, current)
        if killed.is_noted:
            assert f"`frontier {command}` was interrupted" in next_one.stderr, next_one.stderr
        stack: str = current["stack"]
        project = self.declared()
        if project is not None and killed.is_killed:  # `select` while stopped only notes a name
            assert project["stack"] == stack, f"two files tell: {project['stack']} and {stack}"
            said = f"declared is {stack}; bring it back with: frontier start"
            assert not killed.is_noted or said in next_one.stderr, next_one.stderr
        return stack

    def require_whole(self, stack: str) -> None:
        """Require that `start` brings *stack*, all of it and nothing else, and that it answers."""
        result = self.it.cli.json("start")
        project = self.declared()
        found = (result["stack"], project["stack"], self.selected)
        assert found == (stack, stack, stack), found
        assert result["answer"]["completion_tokens"] > 0, result
        services = project["containers"]["document"]["services"]
        wanted = {name: s["labels"]["frontier.digest"] for name, s in services.items()}
        assert self._containers() == wanted, f"{self._containers()} are not {wanted}"
        # Docker's own health check may come after ours
        until(lambda: self.it.cli.json("status")["state"] == "running", timeout_s=60)
        told = self.it.cli.run("stack", "current").stderr
        assert told == "", f"told though all is well: {told}"
        networks = self.it.project.all("network")
        assert len(networks) == len(project["containers"]["document"]["networks"]), networks
        self.require_answer()

    def require_answer(self) -> None:
        """Ask through the gateway, as a user would."""
        stream = self.it.client().chat.completions.create(
            model="smollm2:135m",
            messages=[{"role": "user", "content": "One word, please."}],
            max_tokens=3,
            stream=True,
        )
        assert list(stream)

    def _containers(self) -> dict[str, str]:
        """Map the service of each running container to its digest; there is one of each."""
        ids = self.it.project.all("container")
        form = f"{_SERVICE}|{_DIGEST}|{_STATUS}"
        rows = [line.split("|") for line in docker("inspect", "--format", form, *ids).splitlines()]
        found = {service: digest for service, digest, status in rows if status == "running"}
        assert len(found) == len(rows), f"two of one service, or one that does not run: {rows}"
        return found

    def _orphans(self) -> list[psutil.Process]:
        """Return the docker processes that commands of this workspace have started."""
        root = str(self.it.cli.workspace)
        found = [p for p in psutil.process_iter(["name"]) if p.info["name"].startswith("docker")]
        return [p for p in found if _home(p) == root]


def _home(process: psutil.Process) -> str:
    try:
        return process.environ().get("FRONTIER_HOME", "")
    except psutil.Error:
        return ""
