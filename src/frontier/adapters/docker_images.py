"""Images: which ones are missing, and pulling them with the progress of their layers."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from frontier.adapters.docker_cli import docker, lines, text
from frontier.domain.errors import DownloadError, FrontierError, RuntimeFailedError
from frontier.ports import Reporter, Task

if TYPE_CHECKING:
    from python_on_whales import DockerClient

PullPolicy = Literal["missing", "never"]


def missing(images: Iterable[str]) -> tuple[str, ...]:
    """Return those of *images* that are not on this machine."""
    from python_on_whales.exceptions import NoSuchImage

    wanted = tuple(dict.fromkeys(images))
    with docker("looking for images") as client:
        try:
            if wanted:
                text(client, "image", "inspect", "--format", "{{.Id}}", *wanted)
        except NoSuchImage as error:
            said = (error.stderr or "").splitlines()
            return tuple(i for i in wanted if any(line.endswith(f": {i}") for line in said))
    return ()


def pull(services: Mapping[str, Mapping[str, Any]], reporter: Reporter, policy: PullPolicy) -> None:
    """Pull the images of *services* that are missing, one after the other.

    Raises:
        DownloadError: a registry does not answer or does not give the image.
        RuntimeFailedError: *policy* forbids it.
    """
    images = {str(s["image"]): s for s in services.values() if "image" in s}
    wanted = missing(images)
    if wanted and policy == "never":
        raise refused(wanted)
    for image in wanted:
        _pull(image, images[image], reporter)


def refused(images: Iterable[str]) -> RuntimeFailedError:
    """Return the error of images that are missing and may not be pulled."""
    names = " ".join(images)
    return RuntimeFailedError(
        f"not on this machine, and PULL_POLICY is never: {names}", hint=_load(names)
    )


def _load(images: str) -> str:
    return (
        f"Where there is a network: docker save -o images.tar {images}; here: docker load -i "
        "images.tar. Or name another image: frontier config show lists the *_IMAGE settings."
    )


def _pull(image: str, service: Mapping[str, Any], reporter: Reporter) -> None:
    """Pull *image* through Compose, whose progress is data; docker's own is made for terminals."""
    only = {"image": image, **{k: service[k] for k in ("platform",) if k in service}}
    with tempfile.TemporaryDirectory(prefix="frontier-pull-") as temporary:
        folder = Path(temporary)
        document = {"name": "frontier-pull", "services": {"image": only}}
        (folder / "compose.yaml").write_text(json.dumps(document).replace("$", "$$"))
        try:
            with (
                docker(f"pulling {image}", limit_s=None, folder=folder) as client,
                reporter.task(f"Pulling {image}", unit="bytes") as task,
            ):
                _watch(client, task)
        except FrontierError as error:
            raise _named(error, image) from error


def _watch(client: "DockerClient", task: Task) -> None:
    layers = Layers()
    for line in lines(client, client.compose.pull(stream_logs=True) or ()):
        layers.hear(line)
        task.update(layers.done_bytes, layers.total_bytes or None)


def _named(error: FrontierError, image: str) -> FrontierError:
    """Return *error* with the image and how to get it in another way."""
    if not isinstance(error, DownloadError):
        return error
    return DownloadError(
        f"cannot pull {image}: {error.message}",
        hint=f"{error.hint} {_load(image)}",
        details=error.details,
    )


class Layers:
    """How much of an image's layers is there, from the events of Compose."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}

    @property
    def done_bytes(self) -> int:
        """Return the bytes downloaded so far."""
        return sum(done for done, _ in self._layers.values())

    @property
    def total_bytes(self) -> int:
        """Return the bytes of all layers whose size is known by now."""
        return sum(total for _, total in self._layers.values())

    def hear(self, line: str) -> None:
        """Take one line of Compose's output."""
        event = event_of(line)
        if event.get("text") == "Downloading" and event.get("total"):
            self._layers[str(event["id"])] = int(event.get("current", 0)), int(event["total"])
        elif event.get("text") in ("Download complete", "Pull complete"):
            _, total = self._layers.get(str(event["id"]), (0, 0))
            self._layers[str(event["id"])] = total, total


def event_of(line: str) -> dict[str, Any]:
    """Return the event that Compose tells in *line*, {} where it is none."""
    if not line.startswith("{"):
        return {}
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return event


def container_events(chunks: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield container and what Compose does to it: ``("p-engine-1", "Starting")``."""
    for line in chunks:
        event = event_of(line)
        kind, _, name = str(event.get("id", "")).partition(" ")
        if kind == "Container":
            yield name, str(event.get("text", ""))
