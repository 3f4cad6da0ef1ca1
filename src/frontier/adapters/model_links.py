"""Model files where containers find them: hard links, or copies where those lie on another disk."""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from frontier.adapters.files import sync_folder
from frontier.domain.errors import DoesNotFitError, NotFoundError
from frontier.domain.units import size

_NO_LINK: Final = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)
_MARGIN_BYTES: Final = 64 * 2**20  # for the rest of the folder


def expanded(links: Mapping[str, str], root: Path) -> Iterator[tuple[str, Path]]:
    """Yield path and file of every link; a folder is the files in it.

    Raises:
        NotFoundError: one is gone.
    """
    for path, target in links.items():
        source = root / target
        if source.is_dir():
            for folder, _, names in os.walk(source):
                for name in names:
                    file = Path(folder) / name
                    yield f"{path.rstrip('/')}/{file.relative_to(source).as_posix()}", file
        elif source.exists():
            yield path, source
        else:
            raise NotFoundError(f"{source} is gone", hint="frontier models check")


def require_room(links: Mapping[str, Path], folder: Path) -> None:
    """Check that *folder* has room for those of *links* that must be copied; change nothing.

    Args:
        links: Path below *folder* to the file that it is to be.
        folder: Need not exist yet.

    Raises:
        DoesNotFitError: it has not.
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    device = there.stat().st_dev
    found = {folder / path: source.resolve() for path, source in links.items()}
    copies = [
        source.stat().st_size
        for place, source in found.items()
        if source.stat().st_dev != device and not _is_copy(place, source)
    ]
    _require_free(sum(copies), there)


def _require_free(needed: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if needed and needed + _MARGIN_BYTES > free:
        raise DoesNotFitError(
            f"{folder} has no room: models have to be copied there from another disk, "
            f"{size(needed)} ({needed:,} bytes), and {size(free)} ({free:,} bytes) are free",
            hint="Free space there, or keep the workspace and data/models on one disk.",
        )


def link(source: Path, place: Path) -> str:
    """Make *place* the same file as *source*; return a note where it had to be copied.

    Raises:
        DoesNotFitError: there is no room for a copy; *place* is as it was.
    """
    source = source.resolve()  # a link to a link would lead out of a copied folder
    beside = place.with_name(f".{place.name}.linking_")
    if place.is_symlink():
        place.unlink()
    if place.exists() and (place.samefile(source) or _is_copy(place, source)):
        return ""
    note = ""
    try:
        beside.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _require_free(source.stat().st_size, place.parent)
        _copy(source, beside)
        note = f"{place.name}: copied, {size(source.stat().st_size)}: it lies on another disk"
    beside.replace(place)
    sync_folder(place.parent)
    return note


def _is_copy(place: Path, source: Path) -> bool:
    if place.is_symlink() or not place.is_file():
        return False
    ours, theirs = place.stat(), source.stat()
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


def _copy(source: Path, place: Path) -> None:
    shutil.copyfile(source, place)
    with place.open("rb") as file:
        os.fsync(file.fileno())
    shutil.copystat(source, place)
