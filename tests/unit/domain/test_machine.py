"""What follows from the facts about a machine."""

import pytest

from frontier.domain.machine import Cpu


@pytest.mark.parametrize(
    ("cpu", "threads"),
    [
        (Cpu(model="two threads a core", physical=16, logical=32, usable=32), 16),
        (Cpu(model="hybrid", physical=14, logical=20, usable=20, performance=6), 6),
        (Cpu(model="Apple M2 Ultra", physical=24, logical=24, usable=24, performance=16), 16),
        (Cpu(model="in a control group", physical=32, logical=64, usable=4, quota=4.5), 4),
        (Cpu(model="one core", physical=1, logical=1, usable=1), 1),
    ],
)
def test_an_engine_computes_with_one_thread_per_fast_core_that_it_may_use(
    cpu: Cpu, threads: int
) -> None:
    assert cpu.engine_threads == threads
