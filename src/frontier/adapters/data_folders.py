"""The folders that containers mount: made before Docker would make them, for root."""

import os
from collections.abc import Iterator
from pathlib import Path

from frontier.adapters.files import storage_errors
from frontier.domain.containers import Containers


def make_folders(containers: Containers, project_folder: Path) -> None:
    """Make every folder that *containers* mount and nobody has made yet.

    One that is written to belongs to its container's user, also where root has made it: by hand,
    or from a backup. Only root can see to that, and for anybody else the container has the same
    user.

    Raises:
        StorageError: one cannot be made.
    """
    for path, user, is_written in _mounted(containers):
        folder = Path(os.path.normpath(project_folder / path))
        with storage_errors(folder):
            if not folder.exists():
                _make(folder)
            if is_written and os.geteuid() == 0 and user:
                uid, _, gid = user.partition(":")
                _give(folder, int(uid), int(gid or uid))


def _give(folder: Path, uid: int, gid: int) -> None:
    """Give what root has in *folder* to its container's user; what is somebody's stays theirs.

    The folder is last, so that a call that was killed is repeated.
    """
    if uid == 0 or folder.stat().st_uid != 0:
        return
    for where, folders, files in os.walk(folder, topdown=False):
        for name in (*folders, *files):
            path = Path(where, name)
            if path.lstat().st_uid == 0:
                os.chown(path, uid, gid, follow_symlinks=False)
    os.chown(folder, uid, gid)


def _make(folder: Path) -> None:
    """Make *folder* and those above it; whatever the umask, a container's user goes through."""
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    for each in reversed(missing):
        each.mkdir()
        each.chmod(0o755)


def _mounted(containers: Containers) -> Iterator[tuple[str, str, bool]]:
    """Yield path, user and whether it is written, for each folder that is no file of ours."""
    known = {*containers.files, *containers.secrets, *containers.links}
    for service in containers.services.values():
        for volume in service.get("volumes", ()):
            source, _, rest = str(volume).replace("$$", "$").partition(":")
            path = source.removeprefix("./")
            if source.startswith(".") and path not in known:
                yield path, str(service.get("user", "")), not rest.endswith(":ro")
