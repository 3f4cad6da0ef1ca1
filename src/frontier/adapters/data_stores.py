"""What services write all the time, as tar files: folders of the workspace, volumes of Docker."""

import contextlib
import os
import shutil
import tarfile
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath

from frontier.adapters.docker_volumes import PREFIX, DockerVolumes
from frontier.adapters.files import storage_errors, sync_folder
from frontier.adapters.workspace import Workspace
from frontier.domain.backup import FOLDERS
from frontier.domain.errors import DamagedBackupError

Progress = Callable[[int], None]


class DataStores:
    """The folders and volumes of one workspace."""

    def __init__(self, workspace: Workspace, volumes: DockerVolumes) -> None:
        self._root, self._volumes = workspace.root, volumes

    def names(self, project: str) -> tuple[str, ...]:
        """Return what there is; *project* is the Compose project, "" without containers.

        Raises:
            RuntimeFailedError: *project* may have volumes, but Docker does not answer.
        """
        folders = tuple(name for name in FOLDERS if (self._root / name).is_dir())
        return (*folders, *(self._volumes.names(project) if project else ()))

    def present(self, names: Collection[str]) -> tuple[str, ...]:
        """Return which of *names* are here.

        Raises:
            RuntimeFailedError: Docker has to be asked, and does not answer.
        """
        folders = tuple(n for n in names if n in FOLDERS and (self._root / n).is_dir())
        return (*folders, *self._volumes.present([n for n in names if n not in FOLDERS]))

    def save(self, name: str, project: str, target: Path, on: Progress) -> None:
        """Write one to the tar file *target*; who writes to it is paused meanwhile.

        Args:
            name: What `names` returned.
            project: The Compose project; "" where nobody can write, because Docker is not there.
            target: Is replaced.
            on: Hears how many bytes more are done.

        Raises:
            RuntimeFailedError: Docker failed.
            StorageError: *target* cannot be written, or a file not be read.
        """
        if name.startswith(PREFIX):
            self._volumes.save(name, target, on)
            return
        folder = self._root / name
        still = self._volumes.paused(str(folder)) if project else contextlib.nullcontext()
        with still, storage_errors(target):
            _pack(folder, target, on)

    def load(self, name: str, project: str, source: Path, on: Progress) -> None:
        """Make one hold what the tar file *source* holds, and nothing else; may be repeated.

        Root gives a folder's files to whom the folder belongs. Numbers of the tar file mean nothing
        on another machine; where there is no folder yet, `make_folders` sees to it at the start.

        Raises:
            RuntimeFailedError: Docker failed, or somebody uses it.
            DamagedBackupError: there are other things than files and folders in it.
            StorageError: it cannot be written.
        """
        if name.startswith(PREFIX):
            self._volumes.load(name, source, project, on)
            return
        folder = self._root / name
        new, old = (folder.with_name(f".{folder.name}.{which}") for which in ("new", "old"))
        with storage_errors(folder):
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            _unpack(source, new, on)
            _give(new, next((each for each in (folder, old) if each.exists()), new).stat())
            shutil.rmtree(old, ignore_errors=True)
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
            sync_folder(folder.parent)
        shutil.rmtree(old, ignore_errors=True)


def _give(folder: Path, owner: os.stat_result) -> None:
    """Give *folder* and all in it to *owner*; only root can, and only root has to."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)


def _pack(folder: Path, target: Path, on: Progress) -> None:
    """Archive files and folders; sockets and links are made anew by who needs them."""
    with tarfile.open(target, "w") as archive:
        for path in (folder, *sorted(folder.rglob("*"))):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                continue
            with contextlib.suppress(FileNotFoundError):  # a temporary file is gone again
                archive.add(path, arcname=str(path.relative_to(folder)), recursive=False)
                on(path.stat().st_size if path.is_file() else 0)


def _unpack(source: Path, folder: Path, on: Progress) -> None:
    try:
        with tarfile.open(source, "r:") as archive:
            for member in archive:
                _extract(archive, member, folder)
                on(member.size)
    except (tarfile.TarError, EOFError) as error:
        raise DamagedBackupError(f"{source.name} in the backup is damaged: {error}") from error


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write one member; without links there, a path without ``..`` stays below *folder*."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
        raise tarfile.TarError(f"{member.name} is neither file nor folder below it")
    target = folder / path
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(member.mode & 0o777 | 0o700)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    content = archive.extractfile(member)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
        if content:
            shutil.copyfileobj(content, file)
        os.fchmod(file.fileno(), member.mode & 0o777 | 0o600)
