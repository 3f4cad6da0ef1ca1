import dataclasses
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from frontier.adapters import backup_archive
from frontier.adapters.backup_archive import MANIFEST
from frontier.domain.backup import Manifest, SavedFile
from frontier.domain.errors import (
    DamagedBackupError,
    NotFoundError,
    RefusedError,
    StorageError,
)
from frontier.ports import Readable

CONTENT = {".env": b"API_PORT=1\n", "config/models.yaml": b"version: 1\n" * 400}


def manifest(content: dict[str, bytes] = CONTENT) -> Manifest:
    return Manifest(
        frontier="0.1.0",
        workspace_format=2,
        created="2026-11-21T00:00:00+00:00",
        host="here",
        root="/ws",
        python="/python",
        stack="",
        project="",
        files=tuple(
            SavedFile(
                path=name,
                size_bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                mode=0o600,
            )
            for name, data in content.items()
        ),
        volumes=(),
        models=(),
    )


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    for name, data in CONTENT.items():
        path = tmp_path / "spool" / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "spool"


@pytest.fixture
def archive(tmp_path: Path, spool: Path) -> Path:
    path = tmp_path / "a.tar.gz"
    backup_archive.write(path, manifest(), lambda name: spool / name, lambda _: None)
    return path


def read(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def sink(name: str, content: Readable) -> None:
        found[name] = content.read()

    backup_archive.read(path, sink, lambda _: None)
    return found


def read_or_none(path: Path) -> dict[str, bytes] | None:
    try:
        return read(path)
    except DamagedBackupError:
        return None


def forge(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    """Write an archive of *members* as they are."""
    with tarfile.open(path, "w:gz") as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    return path


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    return info, data


def head(text: str | None = None) -> tuple:
    return member(MANIFEST, (text or manifest().to_json()).encode())


def test_what_is_written_is_read_and_only_the_owner_can(archive: Path) -> None:
    assert read(archive) == {f"files/{name}": data for name, data in CONTENT.items()}
    assert archive.stat().st_mode & 0o777 == 0o600
    assert backup_archive.read_manifest(archive) == manifest()


def test_every_byte_is_counted_once_for_writing_and_once_for_verifying(
    tmp_path: Path, spool: Path
) -> None:
    seen: list[int] = []

    backup_archive.write(tmp_path / "b", manifest(), lambda name: spool / name, seen.append)

    assert sum(seen) == 2 * manifest().size_bytes


def test_an_archive_cut_anywhere_is_damaged(archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    cut, good = tmp_path / "cut", read(archive)

    for length in range(0, len(data), 7):
        cut.write_bytes(data[:length])
        assert read_or_none(cut) in (None, good)  # only padding was cut


def test_a_flipped_bit_is_never_taken_for_content(archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    bad = tmp_path / "bad"
    good = read(archive)

    found = []
    for place in range(0, len(data), 5):
        bad.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        found.append(read_or_none(bad))
    assert all(content in (None, good) for content in found)
    assert found.count(None) > 0.9 * len(found)  # the others are time stamps and padding


def test_what_is_no_backup_says_so(tmp_path: Path) -> None:
    other = tmp_path / "other.tar.gz"
    for data in (b"", b"hello", gzip.compress(b""), gzip.compress(b"hello")):
        other.write_bytes(data)
        with pytest.raises(DamagedBackupError, match=r"is no backup, or it is damaged"):
            read(other)
    with pytest.raises(NotFoundError):
        read(tmp_path / "none")


@pytest.mark.parametrize(
    "members",
    [
        [member("x", b"1")],
        [member(MANIFEST, b"not json")],
        [member(MANIFEST, b"[]")],
        [member(MANIFEST, kind=tarfile.SYMTYPE, link="/etc/passwd")],
        [head()],
        [head(), member("files/.env", CONTENT[".env"])],
        [head(), member("files/config/models.yaml", b""), member("files/.env", b"")],
        [head(), member("../../evil", CONTENT[".env"])],
        [head(), member("files/.env", kind=tarfile.SYMTYPE, link="/etc/passwd")],
        [head(), member("files/.env", kind=tarfile.LNKTYPE, link="/etc/passwd")],
        [head(), member("files/.env", kind=tarfile.CHRTYPE)],
        [head(), member("files/.env", kind=tarfile.FIFOTYPE)],
        [head(), member("files/.env", kind=tarfile.DIRTYPE)],
        [head(), member("files/.env", b"API_PORT=2\n")],
    ],
)
def test_an_archive_that_is_not_what_its_manifest_says_is_refused(
    tmp_path: Path, members: list[tuple]
) -> None:
    with pytest.raises(DamagedBackupError):
        read(forge(tmp_path / "forged", *members))


def test_more_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    inside = [member(f"files/{name}", data) for name, data in CONTENT.items()]

    assert read(forge(tmp_path / "same", head(), *inside))
    with pytest.raises(DamagedBackupError, match="more than its manifest"):
        read(forge(tmp_path / "more", head(), *inside, member("files/evil", b"1")))


def test_a_manifest_that_names_a_path_outside_is_refused(tmp_path: Path) -> None:
    evil = manifest({"config/../../evil": b"1"}).to_json()

    with pytest.raises(DamagedBackupError, match="no file of a workspace"):
        read(forge(tmp_path / "evil", head(evil), member("files/config/../../evil", b"1")))


def test_an_archive_of_a_newer_frontier_is_refused_and_not_called_damaged(tmp_path: Path) -> None:
    newer = json.dumps({**json.loads(manifest().to_json()), "schema": 2})

    with pytest.raises(RefusedError, match="newer Frontier"):
        read(forge(tmp_path / "newer", head(newer)))


def test_a_file_that_changed_meanwhile_leaves_no_archive(tmp_path: Path, spool: Path) -> None:
    (spool / "files" / ".env").write_bytes(b"API_PORT=2\n")

    with pytest.raises(DamagedBackupError, match="not what it was"):
        backup_archive.write(
            tmp_path / "x.tar.gz", manifest(), lambda name: spool / name, lambda _: None
        )

    assert [p.name for p in tmp_path.iterdir()] == ["spool"]


def test_a_full_disk_leaves_no_archive(full_disk: Path, tmp_path: Path) -> None:
    import os

    noise = os.urandom(3_000_000)
    big = dataclasses.replace(manifest({"config/noise": noise}))
    (tmp_path / "noise").write_bytes(noise)

    with pytest.raises(StorageError, match="disk is full"):
        backup_archive.write(
            full_disk / "x.tar.gz", big, lambda _: tmp_path / "noise", lambda _: None
        )

    assert list(full_disk.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(read_only: Path, spool: Path) -> None:
    with pytest.raises(StorageError, match=str(read_only)):
        backup_archive.write(
            read_only / "x.tar.gz", manifest(), lambda name: spool / name, lambda _: None
        )


def test_an_archive_that_is_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot read"):
        read(tmp_path)
