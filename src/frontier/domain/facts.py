"""What only Frontier's commands and its daemon know of engines, for the gateway's metrics."""

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Self

LOADS_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0)
"""Boundaries of the histogram of load times; the last bucket is beyond them."""

PROOF: Final = "frontier-proof"
"""The model name under which a new engine is asked for a token before anybody else reaches it."""

Engine = tuple[str, str]
"""An engine's kind, as the gateway's route files name it, and the model that it loads."""

_EMPTY: Final = (0,) * (len(LOADS_S) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """How one engine loaded one model, over all its starts.

    Attributes:
        buckets: Starts that got ready, by the bucket of `LOADS_S` that their seconds fall in.
        sum_s: Seconds of all of them.
        failures: Starts that did not get ready.
    """

    buckets: tuple[int, ...] = _EMPTY
    sum_s: float = 0.0
    failures: int = 0

    def took(self, seconds: float) -> Self:
        """Return them with a start that got ready."""
        counts = list(self.buckets)
        counts[bisect_left(LOADS_S, seconds)] += 1
        return replace(self, buckets=tuple(counts), sum_s=self.sum_s + seconds)

    def failed(self) -> Self:
        """Return them with a start that did not."""
        return replace(self, failures=self.failures + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it.

    Attributes:
        gpu_expected: Whether a GPU was chosen, by kind of engine.
        gpu_in_use: Whether the engine said that one computes, by its kind; of one that does not
            say it, nothing.
        not_after: When certificates expire, Unix time, by who shows them.
        loads: By engine and model.
        starts: The start of each container that was counted last, by service.
    """

    gpu_expected: Mapping[str, bool] = field(default_factory=dict[str, bool])
    gpu_in_use: Mapping[str, bool] = field(default_factory=dict[str, bool])
    not_after: Mapping[str, float] = field(default_factory=dict[str, float])
    loads: Mapping[Engine, Loads] = field(default_factory=dict[Engine, Loads])
    starts: Mapping[str, float] = field(default_factory=dict[str, float])

    def loads_of(self, engine: Engine) -> Loads:
        """Return what *engine* has loaded, nothing where it is not known."""
        return self.loads.get(engine, _NONE)

    def announced(self, engine: Engine) -> Self:
        """Return them with *engine*, whose counts begin at 0."""
        return self.counted(engine, self.loads_of(engine))

    def counted(self, engine: Engine, loads: Loads) -> Self:
        """Return them with other *loads* of *engine*."""
        return replace(self, loads={**self.loads, engine: loads})

    def computing(self, backend: str, *, expected: bool, in_use: bool | None) -> Self:
        """Return them with where engines of a kind should compute, and do, None if unknown."""
        known = {name: value for name, value in self.gpu_in_use.items() if name != backend}
        return replace(
            self,
            gpu_expected={**self.gpu_expected, backend: expected},
            gpu_in_use=known if in_use is None else {**known, backend: in_use},
        )

    def to_json(self) -> str:
        """Return them as indented JSON."""
        loads = [{"backend": b, "model": m, **asdict(v)} for (b, m), v in self.loads.items()]
        fields = {name: dict(getattr(self, name)) for name in _PLAIN}
        return json.dumps({"version": 1, **fields, "loads": loads}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return what `to_json` wrote; counts with other boundaries begin anew.

        Raises:
            ValueError: *text* is nothing of that kind.
        """
        try:
            raw: dict[str, Any] = json.loads(text)
            return cls(
                gpu_expected={str(k): bool(v) for k, v in raw["gpu_expected"].items()},
                gpu_in_use={str(k): bool(v) for k, v in raw["gpu_in_use"].items()},
                not_after={str(k): float(v) for k, v in raw["not_after"].items()},
                starts={str(k): float(v) for k, v in raw["starts"].items()},
                loads={(str(e["backend"]), str(e["model"])): _loads(e) for e in raw["loads"]},
            )
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"no facts: {error!r}") from error


def _loads(raw: Mapping[str, Any]) -> Loads:
    buckets = tuple(int(count) for count in raw["buckets"])
    if len(buckets) != len(_EMPTY):
        return Loads(failures=int(raw["failures"]))
    return Loads(buckets=buckets, sum_s=float(raw["sum_s"]), failures=int(raw["failures"]))


_NONE: Final = Loads()
_PLAIN: Final = ("gpu_expected", "gpu_in_use", "not_after", "starts")
