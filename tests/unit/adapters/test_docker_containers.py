"""Containers as Docker tells of them, as services."""

from typing import Any

import pytest

from frontier.adapters.docker_containers import Container, parse_ports
from frontier.adapters.docker_images import Layers, container_events, event_of
from frontier.domain.docker import Endpoint

LABELS = {"com.docker.compose.project": "p", "com.docker.compose.service": "engine"}


def container(
    status: str = "running",
    *,
    restarts: int = 0,
    config: dict[str, Any] | None = None,
    **state: Any,
) -> Container:
    plain = {"Status": status, "Running": status == "running", "Pid": 7, "ExitCode": 0, "Error": ""}
    return Container(
        {
            "Id": "abc",
            "Name": "/p-engine-1",
            "RestartCount": restarts,
            "State": {**plain, "StartedAt": "2026-11-21T11:07:22.44200513Z", **state},
            "Config": {"Labels": {**LABELS, "frontier.digest": "d"}, **(config or {})},
        }
    )


def health(status: str, output: str = "") -> dict[str, Any]:
    return {"Health": {"Status": status, "Log": [{"Output": output}]}}


@pytest.mark.parametrize(
    ("given", "phase", "reason"),
    [
        (container("created"), "starting", ""),
        (container("created", Error="no GPU", ExitCode=128), "stopped", "no GPU"),
        (container("running"), "ready", ""),
        (container("running", **health("none")), "ready", ""),
        (container("running", **health("healthy")), "ready", ""),
        (container("running", **health("starting")), "starting", ""),
        (container(restarts=2, **health("starting")), "starting", "started again 2 times"),
        (container(**health("unhealthy", "503\n")), "backoff", "its health check fails: 503"),
        (container(**health("unhealthy")), "backoff", "its health check fails: it says nothing"),
        (container("restarting", ExitCode=3), "backoff", "ended with exit code 3"),
        (container("exited", ExitCode=137), "stopped", "killed by SIGKILL"),
        (
            container("exited", ExitCode=137, OOMKilled=True),
            "stopped",
            "out of memory: it took more than its limit",
        ),
        (container("paused"), "stopped", "paused: docker unpause"),
        (container("dead", ExitCode=1), "stopped", "ended with exit code 1"),
        (container("removing"), "stopping", ""),
    ],
)
def test_what_docker_says_becomes_a_phase_and_a_reason(
    given: Container, phase: str, reason: str
) -> None:
    assert (given.phase, given.reason) == (phase, reason)


def test_a_running_container_is_a_service_with_its_process() -> None:
    state = container(restarts=1, **health("healthy")).state

    assert (state.name, state.phase, state.digest, state.pid) == ("engine", "ready", "d", 7)
    assert (state.restarts, state.was_ready) == (1, True)
    assert state.started_at == pytest.approx(1795259242.442005)


def test_a_container_that_never_ran_has_no_moment_and_no_process() -> None:
    state = container("created", StartedAt="0001-01-01T00:00:00Z", Pid=0).state

    assert (state.started_at, state.pid) == (None, None)


@pytest.mark.parametrize(
    ("test", "command"),
    [
        (["CMD", "curl", "-f"], ("curl", "-f")),
        (["CMD-SHELL", "curl | grep"], ("/bin/sh", "-c", "curl | grep")),
        (["NONE"], ()),
        ([], ()),
    ],
)
def test_a_health_check_is_a_command(test: list[str], command: tuple[str, ...]) -> None:
    assert container(config={"Healthcheck": {"Test": test}}).health_test == command
    assert container().health_test == ()


def test_a_health_check_may_take_its_timeout_or_dockers() -> None:
    assert container(config={"Healthcheck": {"Timeout": 2_000_000_000}}).health_timeout_s == 2.0
    assert container().health_timeout_s == 30.0


def test_ports_are_read_as_docker_ps_prints_them() -> None:
    printed = "127.0.0.1:80->8080/tcp, [::]:8000-8001->1-2/tcp, 9/tcp, 0.0.0.0:53->53/udp"

    assert parse_ports(printed) == (
        Endpoint("127.0.0.1", 80),
        Endpoint("::", 8000),
        Endpoint("::", 8001),
    )
    assert parse_ports("") == ()


def test_layers_add_up_and_one_that_was_here_already_counts_nothing() -> None:
    layers = Layers()
    layers.hear('{"id":"a","text":"Pulling fs layer"}')
    layers.hear('{"id":"a","text":"Downloading","current":3,"total":10}')
    layers.hear('{"id":"b","text":"Downloading","current":1,"total":5}')
    assert (layers.done_bytes, layers.total_bytes) == (4, 15)

    layers.hear('{"id":"a","text":"Download complete"}')
    layers.hear('{"id":"c","text":"Pull complete"}')
    layers.hear("not an event")

    assert (layers.done_bytes, layers.total_bytes) == (11, 15)


def test_events_of_containers_are_told_by_name() -> None:
    said = [
        '{"id":"Network p_default","text":"Creating"}',
        '{"id":"Container p-a-1","text":"Starting"}',
        "{broken",
    ]

    assert list(container_events(iter(said))) == [("p-a-1", "Starting")]
    assert event_of("words") == {}
