"""The project folder: what plain ``docker compose up`` can run, made from the declared project."""

import contextlib
import glob
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from frontier.adapters.data_folders import make_folders
from frontier.adapters.files import storage_errors, write_atomic
from frontier.adapters.model_links import expanded, link, require_room
from frontier.adapters.workspace import Workspace
from frontier.domain.containers import LIVE, WORKSPACE_LABEL, Containers
from frontier.domain.errors import ConfigError, NotFoundError, StorageError
from frontier.domain.project import Project
from frontier.renderers.compose_text import to_yaml

_MANIFEST = ".written.json"
_OPEN, _CLOSED = 0o644, 0o600


@dataclass(frozen=True, slots=True)
class Manifest:
    """What Frontier wrote into the folder; other files there are not ours to delete."""

    stack: str = ""
    paths: tuple[str, ...] = ()


def materialise(project: Project, workspace: Workspace, *, prune: bool = True) -> tuple[str, ...]:
    """Write the folder of *project* and return notes for people, such as a model copied.

    Every file is replaced atomically; ``compose.yaml`` comes last, and before what no longer
    belongs is removed, so a killed call leaves what a second one repairs.

    Args:
        project: One with containers.
        workspace: Whose folder to write, and where secrets and links come from.
        prune: Remove what earlier projects had and this one does not; False while both run.

    Raises:
        ConfigError: a path would lie outside the folder.
        NotFoundError: a secret or a linked file is gone.
        DoesNotFitError: a model has to be copied, and there is no room.
        StorageError: the folder cannot be written.
    """
    containers = containers_of(project)
    folder = workspace.project_folder
    _require_mountable(workspace)
    links = dict(expanded(containers.links, workspace.root))
    wanted = tuple(_checked((*containers.files, *containers.secrets, *links, "compose.yaml")))
    before = manifest(workspace)
    make_folders(containers, folder)
    with storage_errors(folder):
        _remember(folder, Manifest(before.stack, _united(before.paths, wanted)), before)
        for path, text in containers.files.items():
            _write(_place(folder, path), text.encode(), _OPEN)
        for path, name in containers.secrets.items():
            place, readers = _place(folder, path), _readers(path, containers)
            _write_secret(place, workspace.secrets / name, readers)
        notes = [link(source, _place(folder, path)) for path, source in links.items()]
        _write(_place(folder, "compose.yaml"), _document(containers, workspace).encode(), _OPEN)
        if prune:
            _remove(folder, set(before.paths) - set(wanted))
            _remember(folder, Manifest(project.stack, wanted), manifest(workspace))
    return tuple(note for note in notes if note)


def require_possible(project: Project, workspace: Workspace) -> None:
    """Raise what `materialise` would refuse for *project*; change nothing.

    Raises:
        DoesNotFitError: they have to be copied, and there is no room.
        NotFoundError: one is gone.
        ConfigError: containers can mount nothing of the workspace.
    """
    _require_mountable(workspace)
    links = dict(expanded(containers_of(project).links, workspace.root))
    with storage_errors(workspace.project_folder):
        require_room(links, workspace.project_folder)


def _require_mountable(workspace: Workspace) -> None:
    if ":" in str(workspace.project_folder):
        raise ConfigError(
            f"Docker cannot mount from {workspace.root}: there is a colon in its path",
            hint="Move the workspace, or name another one: frontier --workspace DIR up",
        )


def write_live(project: Project, workspace: Workspace) -> None:
    """Replace the files of *project* that running services reload by themselves.

    Raises:
        StorageError: the folder cannot be written.
    """
    folder, files = workspace.project_folder, containers_of(project).files
    live = [path for path in _checked(files) if path.startswith(f"{LIVE}/")]
    with storage_errors(folder):
        before = manifest(workspace)
        _remember(folder, Manifest(before.stack, _united(before.paths, live)), before)
        for path in live:
            _write(_place(folder, path), files[path].encode(), _OPEN)


def forget(workspace: Workspace) -> None:
    """Remove what Frontier wrote into the folder: no container needs it any more.

    Secrets and linked models would else stay on the disk after they were replaced or removed.

    Raises:
        StorageError: something cannot be removed.
    """
    folder = workspace.project_folder
    with storage_errors(folder):
        _remove(folder, set(manifest(workspace).paths))
        (folder / _MANIFEST).unlink(missing_ok=True)


def rendered(project: Project, workspace: Workspace) -> dict[str, str]:
    """Map each text that `materialise` writes for *project* to its content; secrets left out."""
    containers = containers_of(project)
    return {**containers.files, "compose.yaml": _document(containers, workspace)}


def containers_of(project: Project) -> Containers:
    """Return the containers of *project*, which has some."""
    if project.containers is None:
        raise AssertionError(f"{project.name} has no containers")  # a bug, not a failure
    return project.containers


def manifest(workspace: Workspace) -> Manifest:
    """Return what was written last; nothing where it cannot be read."""
    try:
        raw = json.loads((workspace.project_folder / _MANIFEST).read_text())
        return Manifest(str(raw["stack"]), tuple(map(str, raw["paths"])))
    except (OSError, ValueError, KeyError, TypeError):
        return Manifest()


def _remember(folder: Path, now: Manifest, before: Manifest) -> None:
    if now != before:
        raw = {"stack": now.stack, "paths": now.paths}
        _place(folder, _MANIFEST)
        write_atomic(folder / _MANIFEST, json.dumps(raw, indent=1) + "\n")


def _united(*paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for some in paths for path in some))


def _document(containers: Containers, workspace: Workspace) -> str:
    """Return ``compose.yaml``, in which every service says whose it is."""
    ours = {WORKSPACE_LABEL: str(workspace.root.resolve()).replace("$", "$$")}
    services = {
        name: {**service, "labels": {**service.get("labels", {}), **ours}}
        for name, service in containers.services.items()
    }
    return to_yaml(replace(containers, document={**containers.document, "services": services}))


def _checked(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or str(pure) in (".", _MANIFEST):
            raise ConfigError(f"{path!r} does not lie in the project folder")
        yield path


def _place(folder: Path, path: str) -> Path:
    """Return where *path* goes; its folders are made and lead nowhere else."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder
    for part in PurePosixPath(path).parts[:-1]:
        place /= part
        if place.is_symlink() or place.is_file():
            place.unlink()
        if not place.is_dir():
            place.mkdir()
            place.chmod(0o755)  # whatever the umask: a container's user goes through it
    place /= PurePosixPath(path).name
    for beside in place.parent.glob(f".{glob.escape(place.name)}.????????"):
        beside.unlink()  # a write that was killed
    if place.is_dir() and not place.is_symlink():
        _clear_folder(place)
    return place


def _clear_folder(place: Path) -> None:
    """Remove the folders that Docker makes where a mounted file is missing."""
    try:
        for folder, _, _ in os.walk(place, topdown=False):
            Path(folder).rmdir()
    except OSError as error:
        raise StorageError(
            f"{place} is a folder with files in it, and a file of the project has to go there",
            hint=f"Move it away: mv {place} {place}.old",
        ) from error


def _write(place: Path, data: bytes, mode: int) -> None:
    """Replace *place* unless it holds *data* already: nothing is synced for nothing."""
    with contextlib.suppress(FileNotFoundError):
        found = place.lstat()
        if not place.is_symlink() and place.read_bytes() == data:
            if found.st_mode & 0o777 != mode:
                place.chmod(mode)
            return
    write_atomic(place, data, mode=mode)


def _write_secret(place: Path, source: Path, readers: set[int | None]) -> None:
    """Copy a secret so that nobody but the containers that are given it can read it.

    A container sees the file's own mode and owner, and not those of the folder above it. So where
    one mode and owner cannot serve every reader, the file is open and its folder closed.
    """
    try:
        data = source.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(
            f"the secret {source.name} is gone from {source.parent}", hint="frontier up"
        ) from error
    us = os.geteuid()
    owner = next(iter(readers)) if len(readers) == 1 else us if not readers else None
    if owner is None or (us not in (0, owner)):
        place.parent.chmod(0o700)
        _write(place, data, _OPEN)
        return
    _write(place, data, _CLOSED)
    if place.stat().st_uid != owner:
        os.chown(place, owner, -1)


def _readers(path: str, containers: Containers) -> set[int | None]:
    """Return the user ids of the services that get the secret *path*; None for a named user."""
    declared: Mapping[str, Any] = containers.document.get("secrets", {})
    names = {
        name
        for name, secret in declared.items()
        if PurePosixPath(str(secret.get("file", ""))) == PurePosixPath(path)
    }
    return {
        _user_id(service)
        for service in containers.services.values()
        if names & {_secret_name(secret) for secret in service.get("secrets", ())}
    }


def _secret_name(secret: "str | Mapping[str, str]") -> str:
    return secret if isinstance(secret, str) else secret["source"]


def _user_id(service: Mapping[str, Any]) -> int | None:
    user = str(service.get("user", "0")).partition(":")[0]
    return int(user) if user.isdigit() else None


def _remove(folder: Path, paths: Iterable[str]) -> None:
    """Remove our own files *paths* and the folders that get empty; never through a link."""
    for path in paths:
        parents = [folder / parent for parent in PurePosixPath(path).parents][:-1]
        if any(parent.is_symlink() for parent in parents):
            continue
        with contextlib.suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            (folder / path).unlink()
        for parent in parents:
            with contextlib.suppress(OSError):
                parent.rmdir()
