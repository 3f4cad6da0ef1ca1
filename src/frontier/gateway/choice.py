"""Which of several engines takes a request: by weight, by load, or by session."""

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

Balance = Literal["weights", "least_busy", "session"]

_BITS: Final = 52  # so that every value is exact, and below 1


class Candidate(NamedTuple):
    """An engine that can take the request.

    Attributes:
        weight: Its share among the others, above zero.
        busy: Requests that it works on.
    """

    name: str
    weight: int
    busy: int


class Turns:
    """Smooth weighted round robin: exact shares, evenly spread, nothing random.

    Source: the algorithm of nginx's upstream module.
    """

    def __init__(self) -> None:
        self._credits: dict[str, int] = {}

    def next(self, candidates: Sequence[Candidate]) -> int:
        """Return the index of whose turn it is; at least one candidate."""
        total, best, most = 0, 0, -math.inf
        for i, candidate in enumerate(candidates):
            total += candidate.weight
            credit = self._credits.get(candidate.name, 0) + candidate.weight
            self._credits[candidate.name] = credit
            if credit > most:
                best, most = i, credit
        self._credits[candidates[best].name] -= total
        return best


def least_busy(candidates: Sequence[Candidate], turns: Turns) -> int:
    """Return the index of the one with the least work per weight; among equals they take turns."""
    least = min(c.busy / c.weight for c in candidates)
    equals = [i for i, c in enumerate(candidates) if c.busy / c.weight == least]
    return equals[turns.next([candidates[i] for i in equals])]


def of_session(session: bytes, candidates: Sequence[Candidate]) -> int:
    """Return the index of the one that *session* belongs to.

    The same in every process. When a candidate goes, only its own sessions move; when it is
    back, they come back.

    Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998
    (rendezvous hashing), with the weights of Schindelhauer and Schomaker, 2005.
    """
    scores = [_score(session, candidate) for candidate in candidates]
    return scores.index(max(scores))


def _score(session: bytes, candidate: Candidate) -> float:
    digest = blake2b(session, digest_size=8, key=candidate.name.encode()[:64]).digest()
    uniform = ((int.from_bytes(digest, "big") >> (64 - _BITS)) + 0.5) / (1 << _BITS)
    return candidate.weight / -math.log(uniform)
