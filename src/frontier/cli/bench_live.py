"""A benchmark while it runs: one line that changes in a terminal, a line per round elsewhere."""

import contextlib
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence

from frontier.domain.bench import Case, Sample
from frontier.domain.bench_summary import succeeded
from frontier.domain.statistics import percentile
from frontier.domain.units import quantity

_WINDOW_S = 10.0
_ERASE = "\r\033[K"


class Silent:
    """Shows nothing, for --json and --quiet."""

    def wait(self, what: str) -> None:
        """Show nothing."""

    def begin(self, case: Case, nth: int, count: int | None) -> None:
        """Show nothing."""

    def sent(self) -> None:
        """Show nothing."""

    def seen(self, sample: Sample) -> None:
        """Show nothing."""

    def tick(self, chunks: int) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""


class Lines(Silent):
    """For logs and pipes: a line when a round of a case has ended; *whose* begins it."""

    def __init__(self, whose: str = "") -> None:
        self._whose = whose

    def begin(self, case: Case, nth: int, count: int | None) -> None:
        """Begin to count."""
        self._title, self._count = f"{self._whose}{case.id} round {nth + 1}", count
        self._samples: list[Sample] = []
        self._open = 0
        self._begun_s = time.monotonic()

    def sent(self) -> None:
        """Count an open request."""
        self._open += 1

    def seen(self, sample: Sample) -> None:
        """Count an ended one."""
        self._open -= 1
        self._samples.append(sample)

    def end(self) -> None:
        """Print what the round was."""
        said = figures(self._samples, time.monotonic() - self._begun_s)
        _tell(f"{self._title}: {said}\n")


class Live(Lines):
    """For people: a line that tells of the last seconds, written over twice a second.

    Not by Rich, which takes milliseconds to draw: tokens that come meanwhile would be noted late.
    """

    def __init__(self, whose: str = "") -> None:
        super().__init__(whose)
        self._is_measuring = False

    def wait(self, what: str) -> None:
        """Write *what*: a model that has to be loaded can take minutes."""
        self._is_measuring = False
        self._write(what and self._whose + what)

    def begin(self, case: Case, nth: int, count: int | None) -> None:
        """Begin to count."""
        super().begin(case, nth, count)
        self._is_measuring = True
        self._recent: deque[tuple[float, Sample]] = deque()
        self._chunks: deque[tuple[float, int]] = deque()

    def seen(self, sample: Sample) -> None:
        """Count an ended one."""
        super().seen(sample)
        self._recent.append((time.monotonic(), sample))

    def tick(self, chunks: int) -> None:
        """Write the line anew."""
        if not self._is_measuring:
            return
        now = time.monotonic()
        self._chunks.append((now, chunks))
        for kept in (self._recent, self._chunks):
            while kept and now - kept[0][0] > _WINDOW_S:
                kept.popleft()
        self._write(self._line(now))

    def end(self) -> None:
        """Leave what the round was in the line's place."""
        self._is_measuring = False
        _tell(_ERASE)
        super().end()

    def _write(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        _tell(_ERASE + line[:width])

    def _line(self, now: float) -> str:
        done = len(self._samples) if self._count is None else f"{len(self._samples)}/{self._count}"
        (since, before), (until, chunks) = self._chunks[0], self._chunks[-1]
        parts = [f"{self._title}: {done} done, {self._open} open"]
        if until > since and chunks > before:
            parts.append(f"{(chunks - before) / (until - since):.0f} pieces/s")
        if self._recent:
            samples = [sample for _, sample in self._recent]
            parts.append(figures(samples, min(_WINDOW_S, now - self._begun_s)))
        return "; ".join(parts)


def _tell(words: str) -> None:
    """Write *words*; a terminal that is closed must not end the measurement."""
    with contextlib.suppress(OSError):
        sys.stderr.write(words)
        sys.stderr.flush()


def figures(samples: Sequence[Sample], seconds: float) -> str:
    """Return what *samples*, which ended within *seconds*, say in a line."""
    good = succeeded(samples)
    parts = [f"{len(samples)} requests", f"{len(good) / max(seconds, 1e-3):.1f}/s"]
    if tokens := sum(sample.tokens_out for sample in good):
        parts.append(f"{tokens / max(seconds, 1e-3):.0f} tokens/s")
    if good:
        parts.append(f"latency {_usual(s.ended_s - s.due_s for s in good)}")
    if firsts := [s.first_s - s.due_s for s in good if s.first_s is not None]:
        parts.append(f"first token {_usual(firsts)}")
    if failed := len(samples) - len(good):
        parts.append(f"{failed} failed")
    return ", ".join(parts)


def _usual(seconds: Iterable[float]) -> str:
    return quantity(percentile(sorted(seconds), 0.5), "s")
