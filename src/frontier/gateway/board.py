"""Where worker processes tell each other their metrics and what they have under way."""

import asyncio
import mmap
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from frontier.gateway.breaker import STATES
from frontier.gateway.families import FAMILIES

_NUMBER: Final = struct.Struct("=Q")
_HEAD: Final = struct.Struct("=QQ")
_FIRST: Final = 64
_PLACE_BYTES: Final = 32 * 1024 * 1024  # the kernel gives only what is written
_POLL_S: Final = 0.01
_PATIENCE_S: Final = 1.0
_WRITING: Final = 0

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What one worker tells.

    Attributes:
        metrics: Prometheus text.
        state: What ``/admin/routes`` shows, plain values.
    """

    metrics: str
    state: State


class Board:
    """Shared memory, made before the workers are forked: one number that asks, one place each.

    Whoever is scraped raises the number; the others see it on their next tick and write what
    they have. A worker that died stays on the board with what it told last, and its successor
    goes on counting from there, so that no counter ever goes back.

    Args:
        workers: How many there are.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._bytes = mmap.mmap(-1, _FIRST + workers * _PLACE_BYTES)
        self.ask()  # what nobody asked for is no answer to the first question

    def asked(self) -> int:
        """Return the number of the latest question."""
        number: int = _NUMBER.unpack_from(self._bytes, 0)[0]
        return number

    def ask(self) -> int:
        """Ask everybody; return the number of the question.

        Two who ask at once may get the same number: the answers serve both.
        """
        number = self.asked() + 1
        _NUMBER.pack_into(self._bytes, 0, number)
        return number

    def tell(self, worker: int, number: int, report: Report) -> None:
        """Write the answer of *worker* to question *number*; too long a one is left out."""
        data = msgspec.msgpack.encode(report)
        start = _FIRST + worker * _PLACE_BYTES
        if len(data) > _PLACE_BYTES - _HEAD.size:
            return
        _HEAD.pack_into(self._bytes, start, _WRITING, 0)
        self._bytes[start + _HEAD.size : start + _HEAD.size + len(data)] = data
        _HEAD.pack_into(self._bytes, start, number, len(data))

    def read(self, worker: int) -> tuple[int, Report | None]:
        """Return what *worker* told last and to which question; None for nothing yet."""
        start = _FIRST + worker * _PLACE_BYTES
        number, size = _HEAD.unpack_from(self._bytes, start)
        data = self._bytes[start + _HEAD.size : start + _HEAD.size + size]
        if number == _WRITING or _HEAD.unpack_from(self._bytes, start) != (number, size):
            return _WRITING, None
        return number, msgspec.msgpack.decode(data, type=Report)

    @property
    def workers(self) -> range:
        """Their indexes."""
        return range(self._workers)


class Colleague:
    """One worker's view of the board.

    Args:
        board: Shared with the others.
        worker: Its own index.
        report: Tells what this process has, without its predecessors.
    """

    def __init__(self, board: Board, worker: int, report: Callable[[], Report]) -> None:
        self._board, self._worker, self._report = board, worker, report
        _, last = board.read(worker)
        self._before = counters(last.metrics) if last else ""
        self._answered = 0
        self._tell(board.asked())

    def tick(self) -> None:
        """Answer if somebody has asked."""
        number = self._board.asked()
        if number > self._answered:
            self._tell(number)

    async def gather(self) -> tuple[Report, ...]:
        """Return what all workers have, by their index; of a silent one, what it had counted.

        Whoever answers first, the order is the same: sums of fractions depend on it, and one that
        falls by its last digit is a restart to Prometheus.
        """
        board = self._board
        number = board.ask()
        self._tell(number)
        end = asyncio.get_running_loop().time() + _PATIENCE_S
        found: dict[int, Report] = {}
        while True:
            for worker in board.workers:
                answered, report = board.read(worker)
                if report is not None and answered >= number:
                    found[worker] = report
            if len(found) == len(board.workers) or asyncio.get_running_loop().time() > end:
                break
            await asyncio.sleep(_POLL_S)
        for worker in board.workers:
            if worker not in found and (last := board.read(worker)[1]) is not None:
                found[worker] = Report(counters(last.metrics), {})
        return tuple(found[worker] for worker in sorted(found))

    def _tell(self, number: int) -> None:
        report = self._report()
        text = add([report.metrics, self._before]) if self._before else report.metrics
        self._board.tell(self._worker, number, Report(text, report.state))
        self._answered = number


def add(texts: Iterable[str]) -> str:
    """Return one exposition with the sums of *texts*, added in their order."""
    helps: dict[str, str] = {}
    families: dict[str, dict[str, float]] = {}
    for text in texts:
        name = ""
        for line in text.splitlines():
            if line.startswith("# HELP "):
                name = line.split(" ", 3)[2]
                helps.setdefault(name, line)
            elif line.startswith("# TYPE "):
                helps[f"{name} type"] = line
            else:
                sample, _, value = line.rpartition(" ")
                samples = families.setdefault(name, {})
                number, old = float(value), samples.get(sample)
                is_same = old is not None and FAMILIES[name].is_same
                samples[sample] = max(old or 0.0, number) if is_same else (old or 0.0) + number
    return "".join(
        f"{helps[name]}\n{helps[f'{name} type']}\n"
        + "".join(f"{sample} {_plain(value)}\n" for sample, value in samples.items())
        for name, samples in ((n, _worst(n, found)) for n, found in families.items())
    )


def _worst(name: str, samples: dict[str, float]) -> dict[str, float]:
    """Return *samples*; where one of several states is 1, only the worst that a worker sees."""
    if not FAMILIES[name].is_state:
        return samples
    worst = {_but_state(sample): sample for sample, value in samples.items() if value}
    return {sample: float(worst.get(_but_state(sample)) == sample) for sample in samples}


def _but_state(sample: str) -> str:
    """Return *sample* without its last label."""
    return sample.rpartition(",")[0]


def counters(text: str) -> str:
    """Return what of the exposition *text* only ever grows."""
    kept: list[str] = []
    is_kept = False
    head = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            head = line
        elif line.startswith("# TYPE "):
            is_kept = line.endswith((" counter", " histogram"))
            kept += [head, line] if is_kept else []
        elif is_kept:
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)


def join(states: Iterable[State]) -> State:
    """Return one state of all workers: a file is in force once it is for all of them."""
    states = [state for state in states if state]
    first = states[0]
    return {
        "files": {
            path: digest
            for path, digest in first["files"].items()
            if all(state["files"].get(path) == digest for state in states)
        },
        "rejected": {k: v for state in states for k, v in state["rejected"].items()},
        "config_error": next((s["config_error"] for s in states if s["config_error"]), None),
        "models": _models(states),
        "in_flight": _in_flight(states),
    }


def _models(states: list[State]) -> list[State]:
    """Return the models of the first state, each with what all workers do for it."""
    held: Counter[str] = Counter()
    engines: dict[tuple[str, str, str | None], list[State]] = {}
    for model in (model for state in states for model in state["models"]):
        held[model["name"]] += model["held"]
        for engine in model["backends"]:
            place = model["name"], engine["name"], engine["url"]
            engines.setdefault(place, []).append(engine)
    joined = {place: _engine(seen) for place, seen in engines.items()}
    return [
        {
            **model,
            "held": held[model["name"]],
            "backends": [joined[model["name"], e["name"], e["url"]] for e in model["backends"]],
        }
        for model in states[0]["models"]
    ]


def _engine(seen: list[State]) -> State:
    """Return one engine with all its requests, and the worst of what workers see of it."""
    breakers = [engine["breaker"] for engine in seen if engine["breaker"]]
    return {
        **seen[0],
        "busy": sum(engine["busy"] for engine in seen),
        "breaker": max(breakers, key=STATES.index, default=None),
        "context": min((e["context"] for e in seen if e["context"]), default=None),
    }


def _in_flight(states: list[State]) -> list[State]:
    under_way: dict[tuple[str, str, str], State] = {}
    for row in (row for state in states for row in state["in_flight"]):
        place = row["model"], row["backend"], row["backend_url"]
        total = under_way.setdefault(place, {**row, "requests": 0})
        total["requests"] += row["requests"]
    return [row for _, row in sorted(under_way.items())]


def _plain(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
