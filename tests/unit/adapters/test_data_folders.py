import os
from pathlib import Path

import pytest

from compose_specs import containers
from frontier.adapters.data_folders import make_folders
from frontier.domain.containers import Containers

OURS = f"{os.getuid()}:{os.getgid()}"


def mounting(*volumes: str, user: str = OURS) -> Containers:
    service = {"image": "e:1", "user": user, "volumes": list(volumes)}
    return Containers(
        document={"name": "p", "services": {"e": service}}, files={"config/a.yml": "a"}
    )


def test_folders_are_made_beside_and_below_the_project(tmp_path: Path) -> None:
    project = tmp_path / ".frontier" / "project"

    make_folders(mounting("../../data/e:/data", "./live:/live:ro", "named:/v"), project)

    assert (tmp_path / "data" / "e").is_dir()
    assert (project / "live").is_dir()
    assert not (project / "named").exists()


def test_all_folders_of_a_real_stack_are_made_and_its_files_are_not(tmp_path: Path) -> None:
    project = tmp_path / ".frontier" / "project"

    make_folders(containers("mistral", monitoring=True), project)

    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_dir()}
    state = ".frontier/project"
    assert made - {".frontier", state, "data", f"{state}/config", f"{state}/config/monitoring"} == {
        "config",
        "data/gateway",
        "data/grafana",
        "data/huggingface",
        "data/prometheus",
        f"{state}/config/monitoring/grafana",
        f"{state}/config/monitoring/grafana/datasources",
        f"{state}/config/monitoring/grafana/providers",
        f"{state}/config/monitoring/prometheus",
        f"{state}/live",
        f"{state}/live/grafana",
        f"{state}/live/prometheus",
        f"{state}/models",
    }


def test_a_file_of_the_project_is_not_made_a_folder(tmp_path: Path) -> None:
    make_folders(mounting("./config/a.yml:/a.yml:ro"), tmp_path)

    assert not (tmp_path / "config" / "a.yml").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_folder_that_is_written_belongs_to_the_containers_user(tmp_path: Path) -> None:
    make_folders(mounting("./w:/w", "./r:/r:ro", user="10001:10002"), tmp_path)

    assert ((tmp_path / "w").stat().st_uid, (tmp_path / "w").stat().st_gid) == (10001, 10002)
    assert (tmp_path / "r").stat().st_uid == os.getuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_what_root_put_into_a_folder_is_given_to_the_containers_user(tmp_path: Path) -> None:
    (tmp_path / "w" / "deep").mkdir(parents=True)
    (tmp_path / "w" / "deep" / "file").touch()
    (tmp_path / "theirs").touch()
    (tmp_path / "w" / "link").symlink_to(tmp_path / "theirs")

    make_folders(mounting("./w:/w", user="10001:10002"), tmp_path)

    found = [(p.lstat().st_uid, p.lstat().st_gid) for p in ((tmp_path / "w").rglob("*"))]
    assert found == [(10001, 10002)] * 3
    assert (tmp_path / "w").stat().st_uid == 10001
    assert (tmp_path / "theirs").stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
@pytest.mark.parametrize(("owner", "user"), [(1234, "10001:10001"), (0, "0:0")])
def test_what_is_somebodys_is_left_alone(tmp_path: Path, owner: int, user: str) -> None:
    (tmp_path / "w").mkdir()
    os.chown(tmp_path / "w", owner, owner)

    make_folders(mounting("./w:/w", "./r:/r:ro", user=user), tmp_path)

    assert (tmp_path / "w").stat().st_uid == owner
    assert (tmp_path / "r").stat().st_uid == 0


def test_a_folder_of_the_containers_user_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir(mode=0o700)

    make_folders(mounting("./w:/w"), tmp_path)

    assert (tmp_path / "w").stat().st_uid == os.getuid()
    assert (tmp_path / "w").stat().st_mode & 0o777 == 0o700
