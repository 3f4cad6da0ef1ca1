"""The docker command line through python-on-whales: with a time limit, and no process left."""

import contextlib
import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.adapters.docker_errors import missing_docker, silent_docker, translated
from frontier.domain.errors import FrontierError

if TYPE_CHECKING:
    from python_on_whales import DockerClient

QUICK_S = 30.0
"""Seconds after which docker does not answer: a question to the daemon takes milliseconds."""

_MARK = "FRONTIER_DOCKER_CALL"
_ENVIRON = ("COMPOSE_PROGRESS=json", "COMPOSE_PROFILES=", "DOCKER_CLI_HINTS=false")


@contextlib.contextmanager
def docker(
    doing: str, *, limit_s: float | None = QUICK_S, name: str = "", folder: Path | None = None
) -> Generator["DockerClient"]:
    """Yield a client whose processes end with the block, and after *limit_s* at the latest.

    Args:
        doing: What is being done, for error messages: "starting the containers".
        limit_s: Seconds that the block may take; None where it takes long by nature.
        name: Name of the Compose project, for Compose commands.
        folder: Where its compose.yaml lies; without one, Compose looks at labels alone.

    Raises:
        FrontierError: docker is missing, failed or did not answer in time.
    """
    from python_on_whales import DockerClient

    if shutil.which("docker") is None:
        raise missing_docker()
    client = DockerClient(
        # env(1) executes docker: python-on-whales has no way to set a variable for all calls
        client_call=["env", *_ENVIRON, f"{_MARK}={uuid.uuid4().hex}", "docker"],
        compose_files=[folder / "compose.yaml"] if folder else [],
        compose_project_name=name or None,
        # without a file Compose searches the working folder and all above: not from here
        compose_project_directory=folder or "/",
    )
    with _limited(client, limit_s), translated(doing):
        yield client


@contextlib.contextmanager
def _limited(client: "DockerClient", limit_s: float | None) -> Generator[None]:
    is_late = threading.Event()

    def give_up() -> None:
        is_late.set()
        _kill(client)

    timer = threading.Timer(limit_s or 0, give_up)
    timer.daemon = True
    if limit_s is not None:
        timer.start()
    try:
        yield
    except BaseException as error:  # a failure, or Ctrl-C
        _kill(client)
        if is_late.is_set() and isinstance(error, FrontierError):
            raise silent_docker(limit_s or 0) from error
        raise
    finally:
        timer.cancel()


def text(client: "DockerClient", *words: str) -> str:
    """Return what ``docker WORDS`` prints, for questions that python-on-whales asks one by one."""
    from python_on_whales.utils import run

    return str(run(client.client_config.docker_cmd + list(words)))


Chunks = Iterable[tuple[str, bytes]]
"""What python-on-whales streams: the name of the stream and a line of it."""


def lines(client: "DockerClient", chunks: Chunks) -> Iterator[str]:
    """Yield the lines of both streams without their ends; nobody need read to the last."""
    rest = iter(chunks)
    try:
        for _, raw in rest:
            yield raw.decode(errors="replace").rstrip("\r\n")
    except GeneratorExit:
        _kill(client)
        _exhaust(rest)
        raise


def start(client: "DockerClient", *words: str) -> "subprocess.Popen[bytes]":
    """Start ``docker WORDS``, for output without end: it comes in its order and unbuffered here.

    python-on-whales reads ahead without bound, and each stream by itself.
    """
    return subprocess.Popen(  # noqa: S603 the docker of this machine
        [*map(str, client.client_config.docker_cmd), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _exhaust(chunks: Iterator[object]) -> None:
    """Read what is left after a kill, at the end of which python-on-whales reaps the process."""
    from python_on_whales.exceptions import DockerException

    with contextlib.suppress(DockerException):
        for _ in chunks:
            pass


def _kill(client: "DockerClient") -> None:
    """Kill what *client* started, also by others: Compose is a child of docker."""
    import psutil

    mark = next(word for word in client.client_config.client_call if word.startswith(_MARK))
    for process in psutil.Process(os.getpid()).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.environ().get(_MARK) == mark.partition("=")[2]:
                process.kill()
