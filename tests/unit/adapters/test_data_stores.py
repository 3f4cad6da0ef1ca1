import io
import os
import tarfile
from pathlib import Path

import pytest

from frontier.adapters.data_stores import DataStores
from frontier.adapters.docker_volumes import DockerVolumes
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import DamagedBackupError

NAME = "data/grafana"


@pytest.fixture
def stores(tmp_path: Path) -> DataStores:
    workspace = Workspace(tmp_path / "ws")
    folder = workspace.root / NAME
    (folder / "plugins").mkdir(parents=True)
    (folder / "grafana.db").write_text("dashboards")
    (folder / "grafana.db").chmod(0o640)
    return DataStores(workspace, DockerVolumes(workspace.root, workspace.state / "paused"))


def ignore(_: int) -> None:
    """Nobody watches."""


def test_a_folder_comes_back_as_it_was_and_with_nothing_else(
    stores: DataStores, tmp_path: Path
) -> None:
    folder = tmp_path / "ws" / NAME
    (folder / "link").symlink_to("/etc/passwd")
    stores.save(NAME, "", tmp_path / "a.tar", ignore)
    (folder / "late").touch()
    (folder / "grafana.db").write_text("other")

    stores.load(NAME, "", tmp_path / "a.tar", ignore)

    assert sorted(p.name for p in folder.iterdir()) == ["grafana.db", "plugins"]
    assert (folder / "grafana.db").read_text() == "dashboards"
    assert (folder / "grafana.db").stat().st_mode & 0o777 == 0o640
    assert [p.name for p in folder.parent.iterdir()] == ["grafana"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_restores_belongs_to_whom_the_folder_belongs(
    stores: DataStores, tmp_path: Path
) -> None:
    folder = tmp_path / "ws" / NAME
    os.chown(folder, 10001, 10002)
    stores.save(NAME, "", tmp_path / "a.tar", ignore)
    folder.rename(folder.with_name(".grafana.old"))  # as a kill between both renames leaves it

    for _ in range(2):
        stores.load(NAME, "", tmp_path / "a.tar", ignore)

        found = {(p.stat().st_uid, p.stat().st_gid) for p in (folder, *folder.rglob("*"))}
        assert found == {(10001, 10002)}


def test_only_what_is_there_is_named_and_docker_is_not_asked_without_a_project(
    stores: DataStores,
) -> None:
    assert stores.names("") == (NAME,)
    assert stores.present([NAME, "data/prometheus"]) == (NAME,)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../evil", tarfile.REGTYPE),
        ("/tmp/evil", tarfile.REGTYPE),
        ("link", tarfile.SYMTYPE),
        ("link", tarfile.LNKTYPE),
        ("device", tarfile.CHRTYPE),
        ("pipe", tarfile.FIFOTYPE),
    ],
)
def test_what_is_neither_file_nor_folder_below_is_refused_and_the_old_stays(
    stores: DataStores, tmp_path: Path, name: str, kind: bytes
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        archive.addfile(info, io.BytesIO())

    with pytest.raises(DamagedBackupError, match="neither file nor folder"):
        stores.load(NAME, "", tmp_path / "evil.tar", ignore)

    assert (tmp_path / "ws" / NAME / "grafana.db").read_text() == "dashboards"


def test_a_tar_that_is_cut_is_refused_and_the_old_stays(stores: DataStores, tmp_path: Path) -> None:
    stores.save(NAME, "", tmp_path / "a.tar", ignore)
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:700])

    with pytest.raises(DamagedBackupError):
        stores.load(NAME, "", tmp_path / "a.tar", ignore)

    assert (tmp_path / "ws" / NAME / "grafana.db").read_text() == "dashboards"


def test_a_load_that_was_killed_between_its_renames_is_repeated(
    stores: DataStores, tmp_path: Path
) -> None:
    stores.save(NAME, "", tmp_path / "a.tar", ignore)
    folder = tmp_path / "ws" / NAME
    folder.rename(folder.with_name(".grafana.old"))
    (folder.with_name(".grafana.new") / "half").mkdir(parents=True)

    stores.load(NAME, "", tmp_path / "a.tar", ignore)

    assert [p.name for p in folder.parent.iterdir()] == ["grafana"]
    assert (folder / "grafana.db").read_text() == "dashboards"
