"""Fixtures of the tests that need Docker: images, and a project that must leave nothing behind."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import pytest

from docker_images import DockerMissingError, docker, ensure_images
from downloads import downloads

Kind = Literal["container", "network", "volume"]
KINDS: tuple[Kind, ...] = ("container", "network", "volume")


@pytest.fixture(scope="session")
def docker_images() -> dict[str, str]:
    """Settings such as LLAMACPP_IMAGE with images that this machine has; see `ensure_images`."""
    try:
        return ensure_images(downloads())
    except DockerMissingError as error:
        reason = f"no Docker engine answers: {error}"
        if os.environ.get("CI"):
            pytest.fail(f"in CI the Docker tests must run, but {reason}")
        pytest.skip(reason)
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.fail(f"the images cannot be made: {error}: {getattr(error, 'stderr', '')}")


@dataclass
class ComposeProject:
    """What Docker has of one Compose project.

    Attributes:
        name: Unique; the setting PROJECT_NAME.
        may_leave: What the test may leave behind; it is removed without complaint.
    """

    name: str
    may_leave: set[Kind] = field(default_factory=set)

    def all(self, kind: Kind) -> list[str]:
        """Return the ids of its containers, stopped ones included, networks or volumes."""
        everything = ("--all",) if kind == "container" else ()
        label = f"label=com.docker.compose.project={self.name}"
        return docker(kind, "ls", "-q", *everything, "--filter", label).split()

    def remove(self) -> dict[Kind, list[str]]:
        """Remove all of it; return what there was."""
        found: dict[Kind, list[str]] = {}
        for kind in KINDS:
            if ids := self.all(kind):
                found[kind] = [self._describe(kind, each) for each in ids]
                force = ("--force", "--volumes") if kind == "container" else ()
                docker(kind, "rm", *force, *ids)
        return found

    def end(self) -> None:
        """Remove all of it; fail where there is something that may not be left."""
        found = self.remove()
        left = {kind: names for kind, names in found.items() if kind not in self.may_leave}
        assert not left, f"the test left behind: {left}"

    def _describe(self, kind: Kind, each: str) -> str:
        return docker(kind, "inspect", "--format", "{{.Name}}", each).removeprefix("/")


@pytest.fixture
def compose_project(docker_images: dict[str, str]) -> Iterator[ComposeProject]:
    """A project name of this test's own; fails where the test leaves something of it behind."""
    project = ComposeProject(f"frontier-test-{uuid.uuid4().hex[:10]}")
    yield project
    project.end()
