"""Commands that change what runs in Docker, killed by SIGKILL at the steps that matter most.

After each kill the next commands tell the old stack or the new one, and `start` brings just this
one. ``make killed`` goes through all steps: see ``stacks_killed_everywhere.py``.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from killed_scenarios import SCENARIOS, kill_once, start_changed, two_stacks
from killed_stack import Killing

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def killing(
    docker_images: dict[str, str], smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Killing]:
    with two_stacks(tmp_path_factory.mktemp("killed"), docker_images, smollm2) as it:
        yield it


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("select", "docker compose up"),
        ("select", "Container {} Created"),
        ("select", "write declared/project.json"),
        ("select", "write .env"),
        ("select, stopped", "write .env"),
        ("start, stopped", "Container {} Starting"),
        ("start, changed", "Container {} Recreated"),
        ("rollback", "docker compose up"),
        ("restore", "Container gateway Stopped"),
        ("restore", "write restoring"),
        ("stop", "Container {} Removed"),
    ],
)
def test_a_killed_command_leaves_the_old_stack_or_the_new_one_and_says_which(
    killing: Killing, name: str, where: str
) -> None:
    killed, _ = kill_once(killing, SCENARIOS[name], where)

    assert killed.is_killed, killed.steps


def test_a_restore_that_nobody_kills_runs_and_proves_what_it_restored(killing: Killing) -> None:
    other = killing.other

    restored = killing.it.cli.json(*SCENARIOS["restore"].prepare(killing))

    assert restored["restarted"]
    assert restored["answer"]["completion_tokens"] > 0
    assert killing.it.cli.json("status")["stack"] == other
    killing.require_whole(other)


def test_requests_that_were_waiting_when_it_was_killed_are_let_through_by_the_next_start(
    killing: Killing,
) -> None:
    before = killing.it.cli.json("config", "get", "CACHE_SIZE")["value"]
    killed = killing.run("docker compose up", *start_changed(killing))

    killing.it.cli.ok("config", "set", "CACHE_SIZE", str(before))

    assert killed.is_killed
    assert "write project/live/routes.yaml" in killed.steps
    killing.require_whole(killing.told(killed, "start"))
