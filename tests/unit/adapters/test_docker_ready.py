"""Waiting for containers, as Docker tells of them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from fakes import FakeReporter
from frontier.adapters.docker_containers import Container
from frontier.adapters.docker_ready import Waiting


def container(name: str, health: str, began: float) -> Container:
    labels = {"com.docker.compose.service": name, "frontier.digest": "d"}
    health_state = {"Status": health, "Log": []}
    started = datetime.fromtimestamp(began, UTC).isoformat().replace("+00:00", "Z")
    state = {"Status": "running", "Running": True, "StartedAt": started, "Health": health_state}
    return Container({"Id": name, "State": state, "Config": {"Labels": labels}})


def waited(*looks: tuple[Container, ...], since: float) -> Waiting:
    found: Iterator[tuple[Container, ...]] = iter(looks)
    digests = {each.service: "d" for each in looks[0]}
    waiting = Waiting(
        look=lambda: next(found),
        digests=digests,
        budgets_s={},
        reporter=FakeReporter(),
        since=since,
    )
    waiting.until_ready()
    return waiting


def test_when_a_service_gets_ready_is_noted_at_once_not_once_all_are() -> None:
    began = time.time()
    quick, slow = container("quick", "healthy", began), container("slow", "starting", began)
    done = container("slow", "healthy", began)

    at = waited((quick, slow), (quick, slow), (quick, done), since=began - 1).ready_at

    assert at["slow"] - at["quick"] > 0.19, "two pauses of 0.1 s"


@pytest.mark.parametrize(
    ("first", "is_noted"),
    [("healthy", False), ("starting", True)],
)
def test_of_what_started_by_itself_only_a_seen_start_is_noted(first: str, is_noted: bool) -> None:
    began = time.time() - 60
    looks = [(container("engine", health, began),) for health in (first, "healthy")]

    assert ("engine" in waited(*looks, since=time.time()).ready_at) == is_noted
