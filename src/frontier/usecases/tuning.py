"""Finding settings under which an engine is faster, and testing that again, within a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Final

from frontier.domain.errors import RefusedError
from frontier.domain.statistics import Estimate, estimate
from frontier.domain.tuning import Chosen, Goal, Knob, Proof, Trial, Tuned, is_faster, speedup
from frontier.ports import Clock

PAIRS: Final = 5
"""How often start and winner are measured against each other, where the time allows."""

_FEWEST_PAIRS: Final = 3
_SLACK: Final = 1.1


@dataclass
class Tuning:
    """One search: a setting after the other, each against the best so far; then the proof.

    Attributes:
        goal: What faster means.
        start: Settings to begin with.
        knobs: What to try of each, in this order.
        measure: Starts an engine with settings, measures it and ends it; a failure is a trial.
        budget_s: About how long all of it may take.
        say: Tells a person what was found.
    """

    goal: Goal
    start: Chosen
    knobs: Sequence[Knob]
    measure: Callable[[Chosen], Trial]
    budget_s: float
    clock: Clock
    say: Callable[[str], None]
    _trials: list[Trial] = field(default_factory=list[Trial])
    _skipped: list[str] = field(default_factory=list[str])

    def run(self) -> Tuned:
        """Return the settings that are faster by both looks at them, or the same as before.

        Where all settings are equally fast and starts of the engine spread by 3 %, about 3 of 100
        searches still find something (1,500 simulated).

        Raises:
            RefusedError: the engine does not work with the present settings, or the time is too
                short to prove anything.
        """
        self._end_s = self.clock() + self.budget_s
        first = self._try(self.start, "as it is")
        self._require(first)
        best = self._search(first)
        if best is first:
            return self._found(self.start, None)
        proof = self._prove(best.settings)
        return self._found(best.settings if proof and proof.is_sure else self.start, proof)

    def _require(self, first: Trial) -> None:
        if first.estimate is None:
            raise RefusedError(
                f"the engine does not work as it is set: {first.lost}",
                hint="frontier logs tune has its words; where it is too slow, a longer --budget.",
            )
        least_s = (2 + 2 * _FEWEST_PAIRS) * first.seconds
        if least_s > self.budget_s:
            raise RefusedError(
                f"one trial takes {first.seconds:.0f} s here: {self.budget_s:.0f} s prove nothing",
                hint=f"frontier bench tune --budget {least_s * _SLACK + 1:.0f}s",
            )

    def _search(self, best: Trial) -> Trial:
        for knob in self.knobs:
            base = best  # all values of a setting against the same
            for value in knob.values:
                name = f"{knob.name}={value}"
                if self._left_s < self._proof_s(PAIRS) + self._one_s:
                    self._skipped.append(name)
                    continue
                trial = self._try({**base.settings, knob.name: value}, name)
                if self._beats(trial, best):
                    best = trial
        return best

    def _beats(self, trial: Trial, best: Trial) -> bool:
        if trial.estimate is None or best.estimate is None:
            return False
        return is_faster(speedup(self.goal, trial.estimate, best.estimate))

    def _try(self, settings: Chosen, name: str, *, is_proof: bool = False) -> Trial:
        trial = replace(self.measure(settings), is_proof=is_proof)
        self._trials.append(trial)
        self.say(f"{name}: {self._told(trial)}")
        return trial

    def _told(self, trial: Trial) -> str:
        if trial.estimate is None:
            return f"lost: {trial.lost}"
        return shown(self.goal, trial.estimate)

    def _prove(self, winner: Chosen) -> Proof | None:
        """Measure start and *winner* in turns: what the machine does meanwhile hits both.

        It ends when it is sure, or the turns or the time are over. To look after each turn makes
        a chance winner likelier than one look would; it also had to win the search by chance.
        A winner that is lost once is none: None.
        """
        self.say("start and winner in turns, to be sure")
        found: tuple[list[float], list[float]] = ([], [])
        proof: Proof | None = None
        for turn in range(1, PAIRS + 1):
            if turn > _FEWEST_PAIRS and self._left_s < self._proof_s(1):
                break
            if not self._turn(turn, winner, found):
                self.say("the winner is unstable: nothing is changed")
                return None
            if all(len(values) >= _FEWEST_PAIRS for values in found):
                proof = self._judged(*found)
                if proof.is_sure:
                    break
        return proof

    def _turn(self, turn: int, winner: Chosen, found: tuple[list[float], list[float]]) -> bool:
        """Add the values of start and *winner* to *found*; tell whether the winner has one."""
        old, new = (
            self._try(settings, f"turn {turn}", is_proof=True) for settings in (self.start, winner)
        )
        for trial, values in zip((old, new), found, strict=True):
            if trial.estimate:
                values.append(trial.estimate.value)
        return new.estimate is not None

    def _judged(self, start: Sequence[float], winner: Sequence[float]) -> Proof:
        """Return what the values of the turns say."""
        old, new = (estimate(fmean(values), values) for values in (start, winner))
        return Proof(start=old, winner=new, speedup=speedup(self.goal, new, old))

    @property
    def _left_s(self) -> float:
        return self._end_s - self.clock()

    @property
    def _one_s(self) -> float:
        return fmean(trial.seconds for trial in self._trials if trial.estimate)

    def _proof_s(self, pairs: int) -> float:
        return 2 * pairs * self._one_s

    def _found(self, winner: Chosen, proof: Proof | None) -> Tuned:
        return Tuned(
            start=self.start,
            winner=winner,
            trials=tuple(self._trials),
            proof=proof,
            skipped=tuple(self._skipped),
        )


def shown(goal: Goal, found: Estimate) -> str:
    """Return a value of the metric of *goal* for people, with half its interval."""
    half = None if found.low is None or found.high is None else (found.high - found.low) / 2
    around = "" if half is None else f" ±{half:.2g}"
    return f"{found.value:.3g}{around} {'s' if goal == 'latency' else 'tokens/s'}"
