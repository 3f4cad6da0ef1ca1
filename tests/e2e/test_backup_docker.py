"""Volumes of Docker in a backup: saved while they are written, put back, and mended after kills."""

import json
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from docker_images import docker
from fakes import FakeReporter
from frontier.adapters.data_stores import DataStores
from frontier.adapters.docker_sweep import DockerSweep
from frontier.adapters.docker_volumes import DockerVolumes
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import RuntimeFailedError
from frontier_cli import Frontier
from waiting import until

WRITER = "i=0; while :; do i=$((i+1)); echo $i > /data/count; chown 472:472 /data/count; done"


@dataclass
class Volume:
    """A volume of a project of this test's own, and how to write into it."""

    project: str
    image: str
    workspace: Workspace

    @property
    def name(self) -> str:
        return f"{self.project}_grafana-data"

    @property
    def ours(self) -> DockerVolumes:
        return DockerVolumes(self.workspace.root, self.workspace.state / "paused")

    def run(self, script: str, *options: str) -> str:
        return docker(
            "run", *options, "--label", f"com.docker.compose.project={self.project}",
            "--volume", f"{self.name}:/data", "--entrypoint", "/bin/sh", self.image, "-c", script,
        )  # fmt: skip


@pytest.fixture
def volume(docker_images: dict[str, str], tmp_path: Path) -> Iterator[Volume]:
    project = f"frontier-keep-{uuid.uuid4().hex[:8]}"
    workspace = Workspace(tmp_path / "ws")
    workspace.state.mkdir(parents=True)
    volume = Volume(project, docker_images["PROMETHEUS_IMAGE"], workspace)
    label = f"com.docker.compose.project={project}"
    docker("volume", "create", "--label", label, volume.name)
    yield volume
    mark = f"label=frontier.volume-helper={workspace.root}"
    for found in (label_filter(label), mark):
        ids = docker("ps", "--all", "--quiet", "--filter", found).split()
        if ids:
            docker("rm", "--force", *ids)
    docker("volume", "rm", "--force", volume.name)
    left = docker("image", "ls", "--quiet", "--filter", mark)
    assert not left


def label_filter(label: str) -> str:
    return f"label={label}"


def declare(volume: Volume) -> None:
    """Write a project with containers, as if it had been brought up."""
    document = {"name": volume.project, "services": {}}
    fields = {
        "name": volume.project,
        "stack": "llamacpp",
        "services": [],
        "routes": [],
        "ports": [],
        "address": "127.0.0.1",
        "containers": {"document": document},
    }
    volume.workspace.project_file.parent.mkdir(parents=True, exist_ok=True)
    volume.workspace.project_file.write_text(json.dumps(fields))


def test_a_volume_that_is_written_all_the_time_is_saved_and_put_back(
    volume: Volume, tmp_path: Path
) -> None:
    volume.run(
        "mkdir /data/sub && echo deep > /data/sub/file && ln -s sub /data/link", "--rm", "--user=0"
    )
    writer = volume.run(WRITER, "--detach", "--user=0")
    until(lambda: docker("exec", writer, "cat", "/data/count"))
    seen: list[int] = []

    assert volume.ours.names(volume.project) == (f"volume:{volume.name}",)
    volume.ours.save(f"volume:{volume.name}", tmp_path / "v.tar", seen.append)

    state = docker("inspect", "--format", "{{.State.Status}}", writer)
    docker("rm", "--force", writer)
    volume.run("rm -r /data/sub; echo late > /data/late", "--rm", "--user=0")
    volume.ours.load(f"volume:{volume.name}", tmp_path / "v.tar", volume.project, seen.append)
    found = volume.run("ls -ln /data; cat /data/link/file", "--rm", "--user=0")

    assert state == "running"
    assert not volume.ours.is_interrupted
    assert sum(seen) == 2 * (tmp_path / "v.tar").stat().st_size
    assert "deep" in found
    assert "late" not in found
    assert " 472 472 " in " ".join(found.split())
    assert "com.docker.compose.project" in docker("volume", "inspect", volume.name)


def test_a_volume_in_use_is_not_replaced(volume: Volume, tmp_path: Path) -> None:
    writer = volume.run(WRITER, "--detach", "--user=0")
    volume.ours.save(f"volume:{volume.name}", tmp_path / "v.tar", lambda _: None)

    with pytest.raises(RuntimeFailedError, match="in use by"):
        volume.ours.load(
            f"volume:{volume.name}", tmp_path / "v.tar", volume.project, lambda _: None
        )

    until(lambda: docker("exec", writer, "cat", "/data/count"))  # empty while it writes anew


def test_the_command_saves_and_restores_a_volume_on_a_machine_that_never_had_it(
    volume: Volume, tmp_path: Path
) -> None:
    volume.run("echo dashboards > /data/grafana.db", "--rm", "--user=0")
    declare(volume)
    old = Frontier(volume.workspace.root, env={"PROJECT_NAME": volume.project})
    made = old.json("backup", "create")
    docker("volume", "rm", volume.name)
    new = Frontier(tmp_path / "new", env={"PROJECT_NAME": volume.project})

    restored = new.json("backup", "restore", made["path"])

    assert restored["volumes"] == [f"volume:{volume.name}"]
    assert restored["replaced"] == []
    assert volume.run("cat /data/grafana.db", "--rm") == "dashboards"
    assert "--yes" in new.fails(5, "backup", "restore", made["path"])
    assert not (tmp_path / "new" / ".frontier" / "pending").exists()


def test_without_docker_a_backup_says_what_is_left_out(volume: Volume) -> None:
    declare(volume)
    cli = Frontier(volume.workspace.root, env={"DOCKER_HOST": "unix:///nonexistent.sock"})

    made = cli.json("backup", "create")

    assert made["volumes"] == []
    assert "volumes of Docker are left out: Docker is not running" in made["notes"][0]


def test_a_killed_backup_leaves_nothing_paused(volume: Volume) -> None:
    """The writer fills the volume, so that the copy takes long enough to be killed in."""
    volume.run("head -c 200000000 /dev/urandom > /data/big", "--rm", "--user=0")
    writer = volume.run("while :; do sleep 1; done", "--detach", "--user=0")
    declare(volume)
    cli = Frontier(volume.workspace.root, env={"PROJECT_NAME": volume.project})

    def status() -> str:
        return docker("inspect", "--format", "{{.State.Status}}", writer)

    process = cli.start("backup", "create", "--name", "killed")
    until(lambda: status() == "paused", timeout_s=60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert status() == "paused"

    made = cli.json("backup", "create", "--name", "next")

    assert status() == "running"
    assert made["volumes"] == [f"volume:{volume.name}"]
    assert [b["name"] for b in cli.json("backup", "list")["backups"]] == ["next"]
    spools = [p for p in (volume.workspace.root / "backups").iterdir() if p.suffix != ".gz"]
    assert spools == []


def test_a_folder_is_saved_while_who_writes_it_is_paused(volume: Volume, tmp_path: Path) -> None:
    folder = volume.workspace.root / "data" / "prometheus"
    folder.mkdir(parents=True)
    writer = volume.run(WRITER, "--detach", "--user=0", "--volume", f"{folder}:/more")
    paused: list[str] = []
    data = DataStores(volume.workspace, volume.ours)
    (folder / "samples").write_text("1")

    def watch(_: int) -> None:
        paused.append(docker("inspect", "--format", "{{.State.Status}}", writer))

    data.save("data/prometheus", volume.project, tmp_path / "f.tar", watch)

    assert set(paused) == {"paused"}
    assert docker("inspect", "--format", "{{.State.Status}}", writer) == "running"


def test_a_reset_removes_what_docker_has_of_the_workspace_and_of_no_other(
    volume: Volume, tmp_path: Path
) -> None:
    label = f"frontier.workspace={volume.workspace.root}"
    volume.run("exec sleep 1000", "--detach", "--label", label)
    sweep = DockerSweep(volume.workspace, lambda: {volume.project})
    theirs = DockerSweep(Workspace(tmp_path / "other"), lambda: {volume.project})

    assert theirs.find().projects == ()
    assert theirs.find().volumes == ()
    found = sweep.find()
    assert found.projects == (volume.project,)
    assert len(found.containers) == 1
    assert found.volumes == (volume.name,)

    sweep.remove(found, FakeReporter(), volumes=False, images=False)
    assert sweep.find().containers == ()
    assert sweep.find().volumes == (volume.name,)
    sweep.remove(sweep.find(), FakeReporter(), volumes=True, images=False)
    assert sweep.find().volumes == ()


def test_a_reset_saves_the_volumes_that_it_removes_also_of_a_forgotten_project(
    volume: Volume,
) -> None:
    volume.run("echo dashboards > /data/grafana.db", "--rm", "--user=0")
    cli = Frontier(volume.workspace.root, env={"PROJECT_NAME": volume.project})

    done = cli.json("rollback", "--reset", "--volumes", "--yes")
    assert volume.name not in docker("volume", "ls", "--quiet").split()

    cli.ok("backup", "restore", done["backup"])
    assert volume.run("cat /data/grafana.db", "--rm") == "dashboards"


def test_a_reset_removes_images_of_this_workspace_that_nobody_else_needs(
    volume: Volume,
) -> None:
    tag = f"frontier-gateway:{volume.project}"
    mine, declared, shared, theirs = (f"{tag}-{n}" for n in ("mine", "said", "shared", "theirs"))
    label = f"frontier.workspace={volume.workspace.root}"
    command = ("--entrypoint", "/bin/true")
    try:
        for image in (mine, declared, shared, theirs):
            docker("tag", volume.image, image)
        project = f"com.docker.compose.project={volume.project}"
        docker("create", "--label", label, "--label", project, *command, mine)
        other = docker("create", "--label", "frontier.workspace=/other", *command, shared)
        declare(volume)
        volume.workspace.project_file.write_text(f'{{"damaged {declared}", "{shared}"')
        sweep = DockerSweep(volume.workspace, lambda: {volume.project})

        found = sweep.find()
        assert set(found.images) == {mine, declared}
        sweep.remove(found, FakeReporter(), volumes=False, images=True)

        assert sweep.find().images == ()
        left = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
        assert {shared, theirs} <= set(left)
        docker("rm", other)
    finally:
        docker("image", "rm", "--force", shared, theirs)
