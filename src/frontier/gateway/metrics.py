"""What the gateway counts, as plain numbers."""

from collections.abc import Iterable
from typing import Final, Literal, TypeVar, get_args

from frontier.domain.facts import PROOF
from frontier.gateway.apis.known import OPERATIONS
from frontier.gateway.histogram import (
    BOUNDS_S,
    DURATIONS_S,
    FIRST_TOKENS_S,
    PER_TOKEN_S,
    TOKENS,
    Histogram,
    union,
)
from frontier.gateway.keys import NOBODY
from frontier.gateway.limits import SCOPES, Scope
from frontier.gateway.prices import Price
from frontier.gateway.routes import NO_BACKEND, Table, Target

OTHER: Final = "other"
DIRECTIONS: Final = ("input", "output", "cached")
Outcome = Literal["ok", "error", "timeout", "rejected"]
_OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
_CODES: Final = (200, 400, 403, 429, 499, 500, 502, 503, 504)
_OTHER_CODES: Final = (400, 401, 403, 404, 408, 413, 499, 500)
# More label sets than that come only when they are used.
_MOST_DECLARED: Final = 2000
# One histogram has the boundaries of both its families, so that a request is counted once.
_DURATIONS_S: Final[tuple[float, ...]] = union(BOUNDS_S, DURATIONS_S)
_FIRST_TOKENS_S: Final[tuple[float, ...]] = union(BOUNDS_S, FIRST_TOKENS_S)

_Key = TypeVar("_Key")

Refusal = Literal["origin", "no_key", "expired", "revoked", "forbidden", "model"]
REFUSALS: Final[tuple[Refusal, ...]] = get_args(Refusal)


class Answers:
    """What the answers to one operation of one model show, whichever engine gave them.

    Attributes:
        work: From a request's first byte to its answer's last, without the wait here; seconds.
        per_token: The mean time between a stream's tokens, seconds.
        inputs: Tokens of a request.
        outputs: Tokens of its answer.
    """

    __slots__ = ("inputs", "outputs", "per_token", "work")

    def __init__(self) -> None:
        self.work = Histogram(DURATIONS_S)
        self.per_token = Histogram(PER_TOKEN_S)
        self.inputs, self.outputs = Histogram(TOKENS), Histogram(TOKENS)


class Series:
    """One operation of one model, streamed or not: how its requests ended and how long they took.

    Attributes:
        codes: Requests by HTTP status, 499 if the client left.
        durations: From a request's first byte to its answer's last; paths of one operation share
            them.
        first_tokens: Seconds to the first byte of a stream.
        answers: Shared by all engines of the model.
    """

    __slots__ = ("answers", "codes", "durations", "first_tokens")

    def __init__(
        self,
        durations: Histogram,
        first_tokens: Histogram,
        answers: Answers,
        codes: Iterable[int] = (),
    ) -> None:
        self.codes = dict.fromkeys(codes, 0)
        self.durations, self.first_tokens, self.answers = durations, first_tokens, answers


class Metrics:
    """What the gateway counts. Label values come from configuration, never from a request.

    Attributes:
        rate_limited: Requests that a limit of their key kept out, by what was limited.
        refusals: Requests refused because of who asked, by why.
        places: Models with their engines.
        kinds: Of engines, by model.
        attempts: How requests ended at an engine, by backend.
        retries: Requests that a backend could not take and that were sent again, by backend.
        fallbacks: Requests that another model answered, by the model asked and the other.
        queue_waits: How long requests waited for a free engine, by model.
        tokens: In the order of `DIRECTIONS`, by model, backend and key.
        pieces: Of answers, counted while they come, by model and backend.
        costs_usd: Of models that have a price, by model, backend and key.
        requests: By path, model, backend and whether they stream.
        durations: Seconds, by operation, model, backend and whether they stream.
        first_tokens: Seconds, by operation, model and backend.
        answers: By operation and model.
    """

    def __init__(self) -> None:
        self.reload_failures = 0
        self.rate_limited: dict[Scope, int] = dict.fromkeys(SCOPES, 0)
        self.refusals: dict[Refusal, int] = dict.fromkeys(REFUSALS, 0)
        self.places: dict[tuple[str, str], None] = {}
        self.kinds: dict[str, str] = {}
        self.attempts: dict[str, dict[Outcome, int]] = {}
        self.retries: dict[str, int] = {}
        self.fallbacks: dict[tuple[str, str], int] = {}
        self.queue_waits: dict[str, Histogram] = {}
        self.tokens: dict[tuple[str, str, str], list[int]] = {}
        self.pieces: dict[tuple[str, str], list[int]] = {}
        self.costs_usd: dict[tuple[str, str, str], float] = {}
        self.requests: dict[tuple[str, str, str, bool], Series] = {}
        self.durations: dict[tuple[str, str, str, bool], Histogram] = {}
        self.first_tokens: dict[tuple[str, str, str], Histogram] = {}
        self.answers: dict[tuple[str, str], Answers] = {}
        self._keys: tuple[str, ...] = (NOBODY,)
        self._prices: dict[str, Price] = {}

    def declare(self, table: Table) -> None:
        """Create every label set that *table* makes possible, with value 0.

        What was counted stays, but for the proofs of a new engine.
        """
        if PROOF in self.kinds and all(target.name != PROOF for target in table.targets):
            self._forget(PROOF)
        for path in OPERATIONS:
            self._declare(path, OTHER, NO_BACKEND, stream=False, codes=_OTHER_CODES)
        for target in table.targets:
            self.kinds[target.name] = target.backend
            self.queue_waits.setdefault(target.name, Histogram())
            self._declare_target(target, target.label)
            for backend in target.backends:
                self.attempts.setdefault(backend.name, dict.fromkeys(_OUTCOMES, 0))
                self.retries.setdefault(backend.name, 0)
                self.places[target.name, backend.name] = None
                self.pieces_of(target.name, backend.name)
                self._declare_target(target, backend.name)
        self._prices = {t.name: t.price for t in table.targets if t.price is not None}
        for route in table.routes.values():
            for fallback in route.fallbacks:
                self.fallbacks.setdefault((route.target.name, fallback.target.name), 0)
        self._declare_tokens()

    def _forget(self, model: str) -> None:
        """Drop all that was counted of *model*."""
        self.kinds.pop(model, None)
        self.queue_waits.pop(model, None)
        self.places = {k: None for k in self.places if k[0] != model}
        self.tokens = {k: v for k, v in self.tokens.items() if k[0] != model}
        self.pieces = {k: v for k, v in self.pieces.items() if k[0] != model}
        self.costs_usd = {k: v for k, v in self.costs_usd.items() if k[0] != model}
        self.requests = {k: v for k, v in self.requests.items() if k[1] != model}
        self.durations = {k: v for k, v in self.durations.items() if k[1] != model}
        self.first_tokens = {k: v for k, v in self.first_tokens.items() if k[1] != model}
        self.answers = {k: v for k, v in self.answers.items() if k[1] != model}

    def _declare_target(self, target: Target, backend: str) -> None:
        for path, operation in OPERATIONS.items():
            for stream in (False, True) if operation.streams else (False,):
                self._declare(path, target.name, backend, stream=stream, codes=_CODES)

    def _declare(
        self, path: str, model: str, backend: str, *, stream: bool, codes: Iterable[int] = ()
    ) -> Series:
        key = (path, model, backend, stream)
        if (found := self.requests.get(key)) is None:
            operation = OPERATIONS[path].name
            found = self.requests[key] = Series(
                _found(self.durations, (operation, model, backend, stream), _DURATIONS_S),
                _found(self.first_tokens, (operation, model, backend), _FIRST_TOKENS_S),
                self.answers.setdefault((operation, model), Answers()),
                codes,
            )
        return found

    def declare_keys(self, keys: tuple[str, ...]) -> None:
        """Create every label set that the ids *keys* make possible."""
        self._keys = keys
        self._declare_tokens()

    def _declare_tokens(self) -> None:
        for model, backend in self.places:
            for key in self._keys:
                if len(self.tokens) < _MOST_DECLARED:
                    self.tokens.setdefault((model, backend, key), [0] * len(DIRECTIONS))
                    if model in self._prices:
                        self.costs_usd.setdefault((model, backend, key), 0.0)

    def count_tokens(
        self, model: str, backend: str, key: str, tokens: tuple[int, int, int]
    ) -> None:
        """Add the usage of one answer, in the order of `DIRECTIONS`."""
        found = self.tokens.get((model, backend, key))
        if found is None:
            found = self.tokens[model, backend, key] = [0] * len(DIRECTIONS)
        found[0] += tokens[0]
        found[1] += tokens[1]
        found[2] += tokens[2]
        if (price := self._prices.get(model)) is not None:
            costs, labels = self.costs_usd, (model, backend, key)
            costs[labels] = costs.get(labels, 0.0) + price.usd(tokens)

    def pieces_of(self, model: str, backend: str) -> list[int]:
        """Return where pieces of answers are counted: a list of one number."""
        found = self.pieces.get((model, backend))
        if found is None:
            found = self.pieces[model, backend] = [0]
        return found

    def waited(self, model: str, waited_s: float) -> None:
        """Count how long a request waited for a free engine."""
        if (waits := self.queue_waits.get(model)) is not None:
            waits.observe(waited_s)

    def refused(self, reason: Refusal) -> None:
        """Count a request that was refused because of who asked."""
        self.refusals[reason] += 1

    def series(self, path: str, model: str, backend: str, *, stream: bool) -> Series:
        """Return the counters of one kind of request."""
        found = self.requests.get((path, model, backend, stream))
        return found or self._declare(path, model, backend, stream=stream)


def _found(known: dict[_Key, Histogram], key: _Key, bounds: tuple[float, ...]) -> Histogram:
    if (found := known.get(key)) is None:
        found = known[key] = Histogram(bounds)
    return found
