"""Volumes of Docker as tar files, copied through a container of an empty image made on the spot."""

import contextlib
import json
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Collection, Generator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

from frontier.adapters.docker_cli import docker, text
from frontier.adapters.docker_errors import explain
from frontier.adapters.files import storage_errors, write_atomic
from frontier.domain.errors import RuntimeFailedError

if TYPE_CHECKING:
    from python_on_whales import Container, DockerClient

PREFIX: Final = "volume:"

_PLACE = "/volume"
_HELPER = "frontier.volume-helper"
_PROJECT = "com.docker.compose.project"
_VOLUME = "com.docker.compose.volume"
_BUFFER_BYTES = 1 << 20

Progress = Callable[[int], None]


class DockerVolumes:
    """The volumes of Compose projects.

    Args:
        root: The workspace; marks helpers, so that those of killed commands are found.
        paused: Remembers which containers are paused, so that a killed command is mended.
    """

    def __init__(self, root: Path, paused: Path) -> None:
        self._root, self._paused = str(root), paused

    def names(self, project: str) -> tuple[str, ...]:
        """Return ``volume:NAME`` of each volume that Compose made for *project*.

        Raises:
            RuntimeFailedError: Docker does not answer.
        """
        with docker("looking at the volumes") as client:
            label = f"label={_PROJECT}={project}"
            found = text(client, "volume", "ls", "--quiet", "--filter", label).split()
        return tuple(f"{PREFIX}{name}" for name in sorted(found))

    def present(self, names: Collection[str]) -> tuple[str, ...]:
        """Return which of *names* are here; without names Docker is not asked.

        Raises:
            RuntimeFailedError: Docker does not answer.
        """
        if not names:
            return ()
        with docker("looking at the volumes") as client:
            there = set(text(client, "volume", "ls", "--quiet").split())
        return tuple(name for name in names if name.removeprefix(PREFIX) in there)

    def save(self, name: str, target: Path, on: Progress) -> None:
        """Write what the volume holds to the tar file *target*; who uses it is paused meanwhile.

        Raises:
            RuntimeFailedError: Docker does not answer, or failed.
            StorageError: *target* cannot be written.
        """
        volume = name.removeprefix(PREFIX)
        with (
            docker(f"saving the volume {volume}", limit_s=None) as client,
            self._frozen(client, volume),
            self._helper(client, volume) as helper,
        ):
            copy = _command(client, f"{helper.id}:{_PLACE}/.", "-")
            with storage_errors(target), target.open("wb") as file, _running(copy) as process:
                assert process.stdout is not None  # noqa: S101 it was started with a pipe
                while chunk := process.stdout.read(_BUFFER_BYTES):
                    file.write(chunk)
                    on(len(chunk))

    def load(self, name: str, source: Path, project: str, on: Progress) -> None:
        """Make the volume hold what the tar file *source* holds, and nothing else.

        Containers that use it are removed; they must not run.

        Raises:
            RuntimeFailedError: a container that uses it runs; Docker does not answer, or failed.
        """
        volume = name.removeprefix(PREFIX)
        with docker(f"restoring the volume {volume}", limit_s=None) as client:
            write_atomic(self._paused, "[]")
            self._renew(client, volume, project)
            with self._helper(client, volume) as helper:
                copy = _command(client, "-", f"{helper.id}:{_PLACE}")
                with source.open("rb") as file, _running(copy, feeds=True) as process:
                    _feed(process, file, on)
            self._paused.unlink(missing_ok=True)

    def _renew(self, client: "DockerClient", volume: str, project: str) -> None:
        """Make the volume empty; its labels tell Compose that it is its own."""
        labels = {_PROJECT: project, _VOLUME: volume.removeprefix(f"{project}_")}
        users = client.container.list(all=True, filters=[("volume", volume)])
        if running := [c.name for c in users if c.state.running]:
            raise RuntimeFailedError(
                f"the volume {volume} is in use by {', '.join(running)}", hint="frontier stop"
            )
        if users:
            client.container.remove(users)
        if client.volume.exists(volume):
            labels = {**labels, **(client.volume.inspect(volume).labels or {})}
            client.volume.remove(volume)
        client.volume.create(volume, labels=labels)

    @contextlib.contextmanager
    def paused(self, folder: str) -> Generator[None]:
        """Pause whoever mounts *folder* while the block runs.

        What is on the disk then is what would be there after a power cut, which databases and
        write-ahead logs are made for.

        Raises:
            RuntimeFailedError: Docker does not answer, or failed.
        """
        with docker(f"saving {folder}", limit_s=None) as client, self._frozen(client, folder):
            yield

    @contextlib.contextmanager
    def _frozen(self, client: "DockerClient", mounted: str) -> Generator[None]:
        filters = [("volume", mounted), ("status", "running")]
        users = [c.id for c in client.container.list(filters=filters)]  # type: ignore[arg-type]
        write_atomic(self._paused, json.dumps(users))
        try:
            if users:
                client.container.pause(users)
            yield
        finally:
            self._resume(client)

    def resume(self) -> None:
        """Mend what a killed command left: paused containers and helpers.

        Raises:
            RuntimeFailedError: Docker does not answer.
        """
        with docker("mending an interrupted backup") as client:
            self._resume(client)
            mark = [("label", f"{_HELPER}={self._root}")]
            if left := client.container.list(all=True, filters=mark):  # type: ignore[arg-type]
                client.container.remove(left, force=True)
            if images := client.image.list(filters=mark):  # type: ignore[arg-type]
                client.image.remove(images, force=True)

    @property
    def is_interrupted(self) -> bool:
        """Tell whether a killed command left containers paused, or helpers."""
        return self._paused.exists()

    def _resume(self, client: "DockerClient") -> None:
        ids: list[str] = []
        with contextlib.suppress(FileNotFoundError, ValueError):
            ids = json.loads(self._paused.read_text())
        stopped = client.container.list(filters=[("status", "paused")])
        if mine := [c for c in stopped if c.id in ids]:
            client.container.unpause(mine)
        self._paused.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _helper(self, client: "DockerClient", volume: str) -> Generator["Container"]:
        """Yield a container, never started, that has *volume* and nothing else in it."""
        label = f"{_HELPER}={self._root}"
        with tempfile.NamedTemporaryFile(suffix=".tar") as empty:
            with tarfile.open(fileobj=empty, mode="w"):
                pass
            empty.flush()
            tag = f"frontier-volume:{uuid.uuid4().hex}"
            image = client.image.import_(empty.name, tag=tag, changes=[f"LABEL {label}"])
        try:
            container = client.container.create(
                image, ["-"], volumes=[(volume, _PLACE)], labels={_HELPER: self._root}
            )
            try:
                yield container
            finally:
                client.container.remove(container)
        finally:
            client.image.remove(image)


def _command(client: "DockerClient", source: str, target: str) -> list[str]:
    words = cast("list[object]", client.client_config.docker_cmd)
    return [*map(str, words), "container", "cp", source, target]


@contextlib.contextmanager
def _running(argv: list[str], *, feeds: bool = False) -> Generator["subprocess.Popen[bytes]"]:
    """Run ``docker cp``, whose tar stream python-on-whales would hold in memory as a whole."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 the docker that python-on-whales runs
            argv,
            stdin=subprocess.PIPE if feeds else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if feeds else subprocess.PIPE,
            stderr=said,
        )
        try:
            yield process
            process.communicate()
        except BaseException:
            process.kill()
            process.wait()
            raise
        said.seek(0)
        if process.returncode != 0:
            raise explain("copying a volume", said.read().decode(errors="replace").strip())


def _feed(process: "subprocess.Popen[bytes]", file: IO[bytes], on: Progress) -> None:
    assert process.stdin is not None  # noqa: S101 it was started with a pipe
    with contextlib.suppress(BrokenPipeError):  # it says why on its standard error
        while chunk := file.read(_BUFFER_BYTES):
            process.stdin.write(chunk)
            on(len(chunk))
