"""All that Docker has of a workspace, found by labels: no rendered project is needed."""

import contextlib
import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from frontier.adapters.docker_cli import docker, text
from frontier.adapters.docker_containers import Listed, listed
from frontier.adapters.workspace import Workspace
from frontier.domain.snapshot import DECLARED
from frontier.domain.sweep import Found
from frontier.ports import Reporter

if TYPE_CHECKING:
    from python_on_whales import DockerClient

_PROJECT = "com.docker.compose.project"
_IMAGES = ("frontier-gateway", "frontier-mistral")
_BUILT = re.compile(rf"(?:{'|'.join(_IMAGES)}):[\w.-]+")
_DOWN_S = 600.0  # containers get their grace to finish answers


class DockerSweep:
    """Finds and removes what belongs to one workspace.

    Args:
        workspace: Its path is the label of its containers.
        names: Compose projects that it may have had; those of other workspaces are left alone.
    """

    def __init__(self, workspace: Workspace, names: Callable[[], Collection[str]]) -> None:
        self._root, self._names = str(workspace.root.resolve()), names
        self._workspace, self._folder = workspace, workspace.project_folder

    @property
    def are_expected(self) -> bool:
        """Tell, without asking Docker, whether there may be containers."""
        return (self._folder / "compose.yaml").exists()

    def find(self) -> Found:
        """Return what there is.

        Raises:
            RuntimeFailedError: Docker does not answer.
        """
        with docker("looking for containers") as client:
            everyone = listed(client)
            projects = tuple(sorted(self._projects(everyone)))
            containers = tuple(c.name for c in everyone if c.project in projects)
            networks = _labelled(client, "network", projects)
            return Found(
                projects=projects if containers or networks else (),
                containers=containers,
                networks=networks,
                volumes=_labelled(client, "volume", projects),
                images=self._images(client, everyone, projects),
            )

    def _images(
        self, client: "DockerClient", everyone: Collection[Listed], projects: Collection[str]
    ) -> tuple[str, ...]:
        """Return what Frontier built on this machine, this workspace used, and nobody else does."""
        used = self._declared_images() | {c.image for c in everyone if c.project in projects}
        theirs = {c.image for c in everyone if c.project not in projects}
        return tuple(name for name in _built(client) if name in used - theirs)

    def _declared_images(self) -> set[str]:
        """Return what the declared project names, and those before it; damaged files, too."""
        declared, saved = self._workspace.project_file, self._workspace.snapshots
        found: set[str] = set()
        for path in (declared, *saved.glob(f"*/files/{DECLARED}")):
            with contextlib.suppress(OSError):
                found |= set(_BUILT.findall(path.read_text(errors="replace")))
        return found

    def _projects(self, everyone: Collection[Listed]) -> set[str]:
        ours = {c.project for c in everyone if c.workspace == self._root}
        theirs = {c.project for c in everyone if c.workspace != self._root}
        return (ours | set(self._names())) - theirs - {""}

    def remove(self, found: Found, reporter: Reporter, *, volumes: bool, images: bool) -> None:
        """Remove containers and networks, and volumes and images where asked to.

        Raises:
            RuntimeFailedError: Docker failed; a second call goes on.
        """
        for project in found.projects:
            with (
                reporter.task(f"Removing the containers of {project}"),
                docker(f"removing {project}", limit_s=_DOWN_S, name=project) as client,
            ):
                client.compose.down(remove_orphans=True, quiet=True)
                self._remove_rest(client, project)
        if volumes and found.volumes:
            with docker("removing volumes") as client:
                client.volume.remove(list(found.volumes))
        if images and found.images:
            with docker("removing images") as client:
                client.image.remove(list(found.images))

    @staticmethod
    def _remove_rest(client: "DockerClient", project: str) -> None:
        """Remove what Compose does not take for its own: labels may be missing."""
        if left := [c.id for c in listed(client) if c.project == project]:
            client.container.remove(left, force=True)
        if networks := _labelled(client, "network", [project]):
            client.network.remove(list(networks))


def _labelled(client: "DockerClient", kind: str, projects: Collection[str]) -> tuple[str, ...]:
    """Return the names of the networks or volumes of *projects*."""
    columns = f'{{{{.Name}}}}\t{{{{.Label "{_PROJECT}"}}}}'
    rows = text(client, kind, "ls", "--format", columns).splitlines()
    pairs = [row.partition("\t") for row in rows]
    return tuple(name for name, _, project in pairs if project in projects)


def _built(client: "DockerClient") -> tuple[str, ...]:
    references = [f"--filter=reference={name}" for name in _IMAGES]
    columns = "{{.Repository}}:{{.Tag}}"
    return tuple(text(client, "image", "ls", "--format", columns, *references).split())
