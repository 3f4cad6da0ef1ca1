"""Each command that changes what runs in Docker, killed by SIGKILL before each of its steps.

Not part of the suite: it starts and kills for an hour or two; ``make killed`` runs it and prints
what each kill left.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from killed_scenarios import SCENARIOS, kill_once, two_stacks
from killed_stack import Killing

pytestmark = pytest.mark.timeout(14_400)


@pytest.fixture(scope="module")
def killing(
    docker_images: dict[str, str], smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Killing]:
    with two_stacks(tmp_path_factory.mktemp("killed"), docker_images, smollm2) as it:
        yield it


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_single_step_may_be_the_last(killing: Killing, name: str) -> None:
    *kills, end = left_behind(killing, name)

    found = Counter(kills)
    sys.stderr.write(f"{name}: {len(kills)} kills, {found['old']} old, {found['new']} new\n")
    assert len(kills) > 3
    assert end == ("new" if SCENARIOS[name].changes_stack else "old"), "it was not killed"


def left_behind(killing: Killing, name: str) -> Iterator[str]:
    """Yield the state that each kill left, and last the one without a kill."""
    for number in count(1):
        killed, stack = kill_once(killing, SCENARIOS[name], str(number))
        state = "old" if stack == killed.was else "new"
        yield state
        if not killed.is_killed:
            return
        told = "told" if killed.is_noted else "quiet"
        sys.stderr.write(f"{name} {number}: before {killed.steps[-1]}: {state}, {told}\n")
