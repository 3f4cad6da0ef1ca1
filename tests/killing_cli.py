"""Runs `frontier` and kills it by SIGKILL just before a step of it.

Run as a program: ``python killing_cli.py WHERE STEPS ARGUMENT...``. WHERE is the number of a step,
or its name; 0 kills nothing. A step is the start of a docker process, what Compose tells of its
work, and each change of the workspace's own state. Its name is appended to the file STEPS.

Steps of one name in a row are one step, so that a container which is looked at until it is healthy
is one, too.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LOOKING = {
    "ps", "container inspect", "container ls", "exec", "container exec", "image inspect",
    "volume ls", "version", "info", "logs", "compose version", "compose logs", "compose ps",
}  # fmt: skip
_COMPOSE = ("up", "down", "logs", "pull", "version", "ps")
_TOGETHER = ("snapshots", "staged", "secrets", "backups")  # killed write by write in killing_state


class Steps:
    """Counts steps, and dies before the one that is wanted."""

    def __init__(self, where: str, told: Path, root: Path) -> None:
        self._where, self._told, self._root = where, told, root
        self._last, self._number = "", 0

    def at(self, name: str) -> None:
        """Note the step *name*; die where it is the one."""
        if not name or name == self._last:
            return
        self._last, self._number = name, self._number + 1
        handle = os.open(self._told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, f"{name}\n".encode())
        os.close(handle)
        if self._where in (str(self._number), name):
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Take an audit event of Python."""
        match event:
            case "subprocess.Popen":
                self.at(docker_call([str(word) for word in args[1]]))
            case "os.rename":
                self.at(self._change("write", args[1]))
            case "os.remove" | "shutil.rmtree":
                self.at(self._change("remove", args[0]))
            case _:
                pass

    def watch(self, lines: Any) -> Any:
        """Return *lines* of docker_cli with a step for each thing that Compose tells."""

        def watched(client: Any, chunks: Any) -> Iterator[str]:
            for line in lines(client, chunks):
                self.at(told_by_compose(line))
                yield line

        return watched

    def _change(self, verb: str, path: Any) -> str:
        name = os.fsdecode(path).removeprefix(f"{self._root}/")
        if name == ".env":
            return f"{verb} .env"
        _, is_state, inside = name.partition(".frontier/")
        folder, _, rest = inside.partition("/")
        if not is_state or Path(inside).name.startswith("."):
            return ""
        return f"{verb} {folder}" if folder in _TOGETHER else f"{verb} {folder}/{rest}".rstrip("/")


def docker_call(words: list[str]) -> str:
    """Return ``docker compose up`` for such a command, "" for other programs.

    Questions, which change nothing, are all called ``docker looks``.
    """
    if not any(Path(word).name == "docker" for word in words):
        return ""
    rest = words[[Path(word).name for word in words].index("docker") + 1 :]
    if "compose" in rest:
        verbs = ["compose", *(word for word in rest if word in _COMPOSE)][:2]
    else:
        verbs = [word for word in rest[:2] if word.isalpha()]
    is_question = " ".join(verbs) in _LOOKING or verbs[:1] == ["exec"]
    return "docker looks" if is_question else f"docker {' '.join(verbs)}"


def told_by_compose(line: str) -> str:
    """Return ``Container llamacpp Created`` for an event that says so, else ""."""
    try:
        event = json.loads(line)
    except ValueError:
        return ""
    kind, _, name = str(event.get("id", "")).partition(" ")
    name = name.removeprefix(f"{os.environ.get('PROJECT_NAME', '')}-").removesuffix("-1")
    return f"{kind} {name} {event.get('text', '')}" if name else ""


def main() -> None:
    where, told, *arguments = sys.argv[1:]
    from frontier.adapters import docker_cli

    steps = Steps(where, Path(told), Path(os.environ["FRONTIER_HOME"]))
    docker_cli.lines = steps.watch(docker_cli.lines)
    from frontier.cli.app import main as frontier

    sys.argv = ["frontier", *arguments]
    sys.addaudithook(steps.hear)
    frontier()


if __name__ == "__main__":
    main()
