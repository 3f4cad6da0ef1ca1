"""The Docker runtime with real containers: exactly what changed is started, and nothing is left."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from docker_harness import SERVE, Docked, declare, health
from docker_images import docker
from frontier.adapters.docker import DockerRuntime
from frontier.adapters.docker_cli import docker as docker_cli
from frontier.adapters.docker_containers import inspected
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import NotRunningError
from frontier.domain.project import Project
from native_harness import Silent
from waiting import until


class Hearing(Silent):
    """Remembers what is said and how far tasks got."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.done: list[tuple[int, int | None]] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def update(self, done: int, total: int | None = None) -> None:
        self.done.append((done, total))


def web(docked: Docked, **more: object) -> dict[str, object]:
    """A service that is healthy once it listens; Docker would look after half a minute."""
    check = health("curl", "-fsS", "http://127.0.0.1:8080/")
    return docked.service(*SERVE, healthcheck=check, tmpfs=["/tmp:mode=1777"], **more)


def healthy(docked: Docked, **more: object) -> dict[str, object]:
    return docked.service(healthcheck=health("true"), **more)


def test_up_brings_everything_to_ready_and_stop_leaves_only_volumes(docked: Docked) -> None:
    services = {"a": healthy(docked, volumes=["kept:/kept"]), "b": docked.service()}
    project = declare(docked.name, services, document={"volumes": {"kept": {}}})
    reporter = Hearing()

    docked.runtime.apply(project)
    state = docked.runtime.wait_ready(project, reporter)

    assert state.is_ready(project.digests)
    assert (state.stack, state.pid) == ("test", 0)
    assert all(service.pid and service.started_at for service in state.services)
    assert set(reporter.said) >= {"a: healthy", "b: healthy"}
    assert reporter.done[-1] == (2, 2)
    assert docked.runtime.stop(Silent())
    assert docked.runtime.state() is None
    assert [bool(docked.project.all(kind)) for kind in ("container", "network", "volume")] == [
        False,
        False,
        True,
    ]
    docked.project.may_leave = {"volume"}
    assert docked.runtime.stop(Silent()) is False


def test_before_docker_looks_for_the_first_time_we_have_looked(docked: Docked) -> None:
    begin = time.monotonic()

    docked.up(docked.declare(a=healthy(docked)))

    assert time.monotonic() - begin < 25.0, "the interval of Docker's check is 30 s"


def test_an_unchanged_project_restarts_nothing(docked: Docked) -> None:
    project = docked.declare(a=healthy(docked), b=docked.service())
    docked.up(project)
    before = [(docked.container(n), docked.state(n).started_at) for n in "ab"]

    docked.up(project)

    assert [(docked.container(n), docked.state(n).started_at) for n in "ab"] == before


def test_only_what_changed_is_made_anew_and_what_is_dropped_goes(docked: Docked) -> None:
    a, b = docked.service(), docked.service(environment={"X": "1"})
    docked.up(docked.declare(a=a, b=b, c=docked.service()))
    before = {name: docked.container(name) for name in "abc"}

    state = docked.up(docked.declare(a=a, b=docked.service(environment={"X": "2"})))

    assert sorted(state.digests) == ["a", "b"]
    assert docked.container("a") == before["a"]
    assert docked.container("b") not in ("", before["b"])
    assert docked.container("c") == ""


def test_a_changed_file_starts_its_service_again_and_a_live_one_is_seen_at_once(
    docked: Docked,
) -> None:
    volumes = ["./config/a:/a:ro", "./live:/live:ro"]

    def project(**files: str) -> Project:
        named = {name.replace("_", "/"): text for name, text in files.items()}
        return declare(docked.name, {"a": docked.service(volumes=volumes)}, files=named)

    docked.up(project(config_a="1", live_r="1"))
    first = docked.container("a")

    live = project(config_a="1", live_r="2")
    docked.runtime.write_live(live)
    assert docker("exec", first, "cat", "/live/r") == "2"
    docked.up(live)
    assert docked.container("a") == first

    docked.up(project(config_a="2", live_r="2"))
    assert docked.container("a") != first
    assert docker("exec", docked.container("a"), "cat", "/a") == "2"


def test_a_secret_is_read_by_the_services_user_and_a_model_is_no_copy(docked: Docked) -> None:
    (docked.workspace.secrets).mkdir(parents=True)
    (docked.workspace.secrets / "key-1").write_text("sesame")
    blob = docked.workspace.models / "blobs" / "m"
    blob.parent.mkdir(parents=True)
    blob.write_text("weights")
    hardened = {
        "user": "65534:65534",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "secrets": ["key"],
        "volumes": ["./models:/models:ro"],
    }
    project = declare(
        docked.name,
        {"a": docked.service(**hardened)},
        document={"secrets": {"key": {"file": "./secrets/key"}}},
        secrets={"secrets/key": "key-1"},
        links={"models/m.gguf": "data/models/blobs/m"},
    )

    docked.up(project)

    read = ("exec", docked.container("a"), "cat", "/run/secrets/key", "/models/m.gguf")
    assert docker(*read) == "sesameweights"
    document = (docked.workspace.project_folder / "compose.yaml").read_text()
    assert "sesame" not in document


def test_plain_compose_runs_a_copy_of_the_folder_without_change(
    docked: Docked, tmp_path: Path
) -> None:
    project = declare(
        docked.name,
        {"a": docked.service(volumes=["./config:/config:ro"])},
        files={"config/a": "1"},
    )
    docked.up(project)
    before = docked.container("a")

    folder = docked.workspace.project_folder
    docker("compose", "--project-directory", str(folder), "up", "--detach", "--wait")
    assert docked.container("a") == before

    copy = shutil.copytree(folder, tmp_path / "copy")
    docked.runtime.stop(Silent())
    docker("compose", "--project-directory", str(copy), "up", "--detach", "--wait")
    assert docker("exec", docked.container("a"), "cat", "/config/a") == "1"
    docker("compose", "--project-directory", str(copy), "down")


def test_a_service_beside_what_runs_touches_nothing_else(docked: Docked) -> None:
    old = docked.declare(front=docked.service(), old=docked.service())
    docked.up(old)
    before = {name: docked.container(name) for name in ("front", "old")}
    new = docked.declare(front=docked.service(environment={"X": "1"}), new=healthy(docked))
    assert new.containers

    docked.runtime.start_only(new, ("new",))

    beside = replace(
        new, containers=replace(new.containers, document=only(new.containers.document, "new"))
    )
    docked.runtime.wait_ready(beside, Silent())
    assert {name: docked.container(name) for name in ("front", "old")} == before
    docked.runtime.remove(("old",))
    assert docked.container("old") == ""
    state = docked.up(new)
    assert sorted(state.digests) == ["front", "new"]


def only(document: object, name: str) -> dict[str, object]:
    assert isinstance(document, dict)
    return {**document, "services": {name: document["services"][name]}}


def test_restart_starts_one_service_again(docked: Docked) -> None:
    project = docked.declare(a=docked.service(), b=docked.service())
    docked.up(project)
    a, b = docked.state("a"), docked.state("b")

    docked.runtime.restart("a")

    again = until(lambda: docked.state("a").pid)
    assert again != a.pid
    assert docked.state("b") == b
    docked.runtime.wait_ready(project, Silent())
    assert [sum(docked.loads(name).buckets) for name in ("a", "b")] == [2, 1]
    with pytest.raises(NotRunningError, match="nobody is not running"):
        docked.runtime.restart("nobody")


def test_images_are_told_by_service_and_missing_ones_by_name(docked: Docked) -> None:
    project = docked.declare(a=docked.service(), b={"image": f"{docked.name}/none:1", "labels": {}})

    assert docked.runtime.images_of(project)["a"] == docked.image
    assert docked.runtime.missing_images(project) == (f"{docked.name}/none:1",)
    assert docked.runtime.missing_images(docked.declare(a=docked.service())) == ()


def test_containers_that_all_were_killed_have_died_and_start_again(docked: Docked) -> None:
    project = docked.declare(a=docked.service())
    docked.up(project)
    assert not docked.runtime.has_died()

    docker("kill", docked.container("a"))

    until(docked.runtime.has_died)
    assert docked.state("a").reason == "killed by SIGKILL"
    docked.up(project)
    assert not docked.runtime.has_died()


def test_networks_of_a_start_that_was_killed_are_removed_too(docked: Docked) -> None:
    docked.up(docked.declare(a=docked.service()))
    docker("rm", "--force", docked.container("a"))
    assert docked.runtime.state() is None
    assert docked.project.all("network")

    assert docked.runtime.stop(Silent()) is False

    assert docked.project.all("network") == []


def test_the_gateway_in_front_ends_before_the_engine_behind(docked: Docked) -> None:
    tell = "trap 'date +%s%N > /shared/$$NAME; exit' TERM; while :; do sleep 0.1; done"
    shared = {"volumes": [f"{docked.workspace.root}:/shared"], "init": False}
    engine = docked.service("bash", "-c", tell, environment={"NAME": "engine"}, **shared)
    gateway = docked.service(
        "bash", "-c", tell, environment={"NAME": "gateway"}, depends_on=["engine"], **shared
    )
    docked.up(docked.declare(engine=engine, gateway=gateway))

    docked.runtime.stop(Silent())

    ended = {
        name: int((docked.workspace.root / name).read_text()) for name in ("engine", "gateway")
    }
    assert ended["gateway"] < ended["engine"]


def test_a_workspace_reached_through_a_link_is_the_same(docked: Docked, tmp_path: Path) -> None:
    project = docked.declare(a=docked.service())
    docked.up(project)
    before = docked.container("a")
    (tmp_path / "link").symlink_to(docked.workspace.root)

    linked = DockerRuntime(Workspace(tmp_path / "link"))
    linked.apply(project)

    assert linked.state() is not None
    assert docked.container("a") == before


def test_containers_that_vanish_while_they_are_looked_at_are_left_out(docked: Docked) -> None:
    docked.up(docked.declare(a=docked.service()))
    real = docked.container("a")

    with docker_cli("looking") as client:
        found = inspected(client, [real, "0" * 64])
        none = inspected(client, ["0" * 64])

    assert [container.id for container in found] == [real]
    assert none == ()


def test_a_health_check_that_hangs_is_run_once_by_us_and_then_by_docker(docked: Docked) -> None:
    hangs = "echo x >> /tmp/runs; test -e /tmp/go || sleep 1000"
    check = health("sh", "-c", hangs, interval="1s", retries=100)
    check["timeout"] = "1s"
    slow = docked.service("sh", "-c", "sleep 4; touch /tmp/go; exec sleep 1000", healthcheck=check)

    state = docked.up(docked.declare(a={**slow, "tmpfs": ["/tmp:mode=1777"]}))

    assert state.services[0].phase == "ready"


def test_two_workspaces_do_not_see_each_other(docked: Docked, tmp_path: Path) -> None:
    docked.up(docked.declare(a=docked.service()))

    other = DockerRuntime(Workspace(tmp_path / "other"))

    assert other.state() is None
    assert other.stop(Silent()) is False
    assert docked.state("a").phase == "ready"
