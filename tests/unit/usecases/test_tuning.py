"""The search with engines whose speed is known; tests/e2e/test_bench_tune.py has a real one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from frontier.domain.errors import RefusedError
from frontier.domain.statistics import estimate
from frontier.domain.tuning import Chosen, Goal, Knob, Trial, Tuned
from frontier.usecases.tuning import PAIRS, Tuning

START: Chosen = {"A": "0", "B": "0"}
KNOBS = (Knob("A", ("1", "2")), Knob("B", ("1",)))


@dataclass
class Machine:
    """Engines that need *latency_s* of their settings, a little more or less each time."""

    latency_s: Callable[[Chosen], float | None]
    noise: float = 0.01
    spread: float = 0.0
    drift: float = 0.0
    one_s: float = 10.0
    now_s: float = 0.0
    random: Random = field(default_factory=lambda: Random(7))
    said: list[str] = field(default_factory=list)

    def measure(self, settings: Chosen) -> Trial:
        self.now_s += self.one_s
        true = self.latency_s(settings)
        if true is None:
            return Trial(settings=settings, lost="out of memory", seconds=self.one_s)
        slow = true * (1 + self.drift * self.now_s) * (1 + self.random.gauss(0, self.spread))
        rounds = [slow * (1 + self.random.gauss(0, self.noise)) for _ in range(4)]
        found = estimate(sum(rounds) / 4, rounds)
        return Trial(settings=settings, estimate=found, requests=8, seconds=self.one_s)

    def tuned(self, *, budget_s: float = 300.0, goal: Goal = "latency") -> Tuned:
        return Tuning(
            goal=goal,
            start=START,
            knobs=KNOBS,
            measure=self.measure,
            budget_s=budget_s,
            clock=lambda: self.now_s,
            say=self.said.append,
        ).run()


def times(**factors: float | None) -> Callable[[Chosen], float | None]:
    """A second, times the factor of each setting that is chosen: A1=0.5 halves it."""

    def latency_s(settings: Chosen) -> float | None:
        found = 1.0
        for name, value in settings.items():
            factor = factors.get(f"{name}{value}", 1.0)
            if factor is None:
                return None
            found *= factor
        return found

    return latency_s


def test_the_best_of_each_setting_is_found_and_proved() -> None:
    found = Machine(times(A1=0.8, A2=0.6, B1=0.9)).tuned()

    assert found.changes == {"A": "2", "B": "1"}
    assert found.proof
    assert found.proof.speedup
    assert found.proof.speedup.value == pytest.approx(1 / 0.54, rel=0.05)
    assert found.proof.is_sure
    assert len(found.proof.winner.rounds) == 3, "it is sure after the fewest turns"
    assert sum(trial.is_proof for trial in found.trials) == 6


def test_more_tokens_are_better_where_throughput_counts() -> None:
    assert Machine(times(A2=1.5)).tuned(goal="throughput").changes == {"A": "2"}


def test_where_nothing_is_better_nothing_is_changed_or_proved() -> None:
    found = Machine(times(A1=1.2, A2=1.0, B1=1.1)).tuned()

    assert (found.changes, found.proof) == ({}, None)


def test_a_setting_with_which_the_engine_crashes_is_a_lost_trial() -> None:
    machine = Machine(times(A1=None, A2=0.5))

    found = machine.tuned()

    assert found.changes == {"A": "2"}
    assert [trial.lost for trial in found.trials if trial.lost] == ["out of memory"]
    assert "A=1: lost: out of memory" in machine.said


def test_an_engine_that_does_not_work_as_it_is_is_refused() -> None:
    with pytest.raises(RefusedError, match="does not work as it is set: out of memory"):
        Machine(lambda _: None).tuned()


def test_a_winner_by_chance_is_not_believed() -> None:
    wrong = sum(bool(Machine(times(), 0.1, random=Random(n)).tuned().changes) for n in range(200))

    # of three comparisons each is wrong once in forty; and then the proof, too: once in 500
    assert wrong <= 3


def test_of_settings_that_are_equal_few_win_though_each_start_of_the_engine_differs() -> None:
    wrong = sum(
        bool(Machine(times(), spread=0.03, random=Random(n)).tuned().changes) for n in range(400)
    )

    # about 3 of 100, as docs/how-to/tune.md says
    assert wrong <= 20


def test_a_machine_that_gets_slower_meanwhile_makes_no_winner_and_no_loser() -> None:
    assert Machine(times(), drift=0.002).tuned().changes == {}
    assert Machine(times(A2=0.7), drift=0.001).tuned().changes == {"A": "2"}


def test_a_winner_that_fails_its_proof_changes_nothing() -> None:
    calls = iter(range(1000))
    machine = Machine(lambda s: None if s["A"] == "2" and next(calls) else times(A2=0.5)(s))

    found = machine.tuned()

    assert found.changes == {}
    assert found.proof is None


@pytest.mark.parametrize("turn", range(1, 4))
def test_a_winner_that_crashes_in_one_turn_of_its_proof_is_not_taken(turn: int) -> None:
    # as it is, three settings, and start and winner in turns
    machine = Machine(lambda s: None if machine.now_s == 40 + turn * 20 else times(A2=0.5)(s))

    found = machine.tuned()

    assert found.trials[-1].lost
    assert (found.changes, found.proof) == ({}, None)
    assert machine.said[-1] == "the winner is unstable: nothing is changed"


def test_what_is_not_sure_is_looked_at_in_all_turns_and_not_believed() -> None:
    # quick while it is searched, and no more when it is proved
    machine = Machine(lambda s: 0.5 if s["A"] == "2" and machine.now_s <= 40 else 1.0)

    found = machine.tuned()

    assert found.changes == {}
    assert found.proof
    assert len(found.proof.start.rounds) == PAIRS


def test_when_time_is_short_the_rest_is_skipped_and_told() -> None:
    machine = Machine(times(A1=0.5))

    found = machine.tuned(budget_s=125)

    assert found.changes == {"A": "1"}
    assert found.skipped == ("A=2", "B=1")
    assert machine.now_s <= 125


def test_a_budget_that_proves_nothing_is_refused_with_one_that_does() -> None:
    with pytest.raises(RefusedError, match="one trial takes 10 s") as caught:
        Machine(times()).tuned(budget_s=60)

    assert caught.value.hint == "frontier bench tune --budget 89s"
