"""A rendered project as a folder of its own, which runs without Frontier and its workspace."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from frontier.adapters.data_folders import make_folders
from frontier.adapters.files import storage_errors, write_atomic
from frontier.adapters.model_links import link, require_room
from frontier.adapters.workspace import Workspace
from frontier.domain.containers import Containers
from frontier.domain.errors import NotFoundError, RefusedError
from frontier.domain.project import Project
from frontier.renderers.compose_text import YOURS, to_yaml
from frontier.usecases.stacks import CONTEXT

PREFIX = "./workspace"
"""Where the ejected folder keeps what else lies in the workspace."""


def eject(
    project: Project, target: Path, workspace: Workspace, *, context: Path | None, force: bool
) -> tuple[str, ...]:
    """Write *project*, rendered with `PREFIX`, to the folder *target*; return what was written.

    Args:
        project: One with containers.
        target: Created where it is missing.
        workspace: Where secrets, models and the user's routes come from.
        context: Build context of the gateway's image, None where there is none.
        force: Write into a folder that is not empty.

    Raises:
        RefusedError: *target* is not empty, or is the workspace itself.
        DoesNotFitError: a model has to be copied, and there is no room.
        NotFoundError: a secret or a model is gone.
        StorageError: *target* cannot be written.
    """
    assert project.containers is not None  # noqa: S101 - the caller rendered it
    containers = project.containers
    _require_free(target, workspace, force=force)
    links = {path: _there(workspace.root / name) for path, name in containers.links.items()}
    with storage_errors(target):
        require_room(links, target)
        for path, text in {**containers.files, "compose.yaml": to_yaml(containers, YOURS)}.items():
            write_atomic(target / path, text)
        for path, name in containers.secrets.items():
            source = _there(workspace.secrets / name)
            write_atomic(target / path, source.read_bytes(), mode=0o600)
        for path, source in links.items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            link(source, target / path)
        make_folders(containers, target)
        _give((target / path for path in containers.secrets), containers)
        for own, mode in ((workspace.models_yaml, 0o644), (workspace.keys_yaml, 0o600)):
            if own.is_file():
                copy = target / PREFIX / "config" / own.name
                owner = own.stat().st_uid if os.geteuid() == 0 else None
                write_atomic(copy, own.read_bytes(), mode=mode, owner=owner)
        if context is not None:
            shutil.copytree(context, target / CONTEXT, dirs_exist_ok=True)
    return tuple(_files(target))


def _require_free(target: Path, workspace: Workspace, *, force: bool) -> None:
    if target.resolve() in (workspace.root.resolve(), workspace.project_folder.resolve()):
        raise RefusedError(f"{target} is Frontier's own folder", hint="Name another one.")
    if target.exists() and not target.is_dir():
        raise RefusedError(f"{target} is a file", hint="Name a folder that need not exist yet.")
    if not force and target.is_dir() and any(target.iterdir()):
        raise RefusedError(
            f"{target} is not empty",
            hint="Name another folder; --force writes into this one and deletes nothing.",
        )


def _give(paths: Iterable[Path], containers: Containers) -> None:
    """Give *paths* to the user that most containers run as; only root can, and must."""
    if os.getuid() == 0:
        user, _, group = str(containers.services["gateway"]["user"]).partition(":")
        for path in paths:
            os.chown(path, int(user), int(group))


def _there(path: Path) -> Path:
    if not path.is_file():
        raise NotFoundError(f"{path} is gone", hint="frontier up makes it anew.")
    return path


def _files(target: Path) -> Iterable[str]:
    found = (path for path in target.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(target)) for path in found if CONTEXT not in path.parts)
