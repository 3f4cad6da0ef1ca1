"""The gate: whether a request's origin and key let it in, and what it may use up."""

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from frontier.gateway.keys import (
    ADMIN,
    API,
    BAD_KEY,
    FORBIDDEN,
    METRICS,
    Caller,
    Fixed,
    Keyring,
    KeySource,
    build,
    expired,
    wrong_model,
)
from frontier.gateway.ledger import Ledger
from frontier.gateway.limits import Limits, over
from frontier.gateway.origins import Origins, is_preflight

if TYPE_CHECKING:
    from frontier.gateway.clock import Clock
    from frontier.gateway.errors import Problem
    from frontier.gateway.metrics import Metrics
    from frontier.gateway.routes import Target
    from frontier.gateway.wire.request import Request

_NEEDS: Final = {
    "/": 0,
    "/api/hello": 0,
    "/healthz": 0,
    "/readyz": 0,
    "/health": 0,
    "/api/version": 0,
    "/metrics": METRICS,
}
_ADMIN_PATHS: Final = "/admin/"
# What text costs where an engine does not tell: four bytes of a prompt, or of an answer, are
# about a token; an event that carries one has some 200 bytes.
_BYTES_PER_TOKEN: Final = 4
_BYTES_PER_EVENT: Final = 200


class Gate:
    """Judges requests by their head, then by the model that they ask for.

    Args:
        fixed: Keys that do not change while the gateway runs.
        origins: Which pages may ask.
        ledger: What keys have used.
        clock: Tells the time.
        metrics: Counts refusals.
        source: Keys that may change.
    """

    def __init__(
        self,
        *,
        fixed: Fixed,
        origins: Origins,
        ledger: Ledger,
        clock: "Clock",
        metrics: "Metrics",
        source: KeySource | None = None,
    ) -> None:
        self._fixed, self._origins = fixed, origins
        self._ledger, self._limits = ledger, Limits(ledger)
        self._clock, self._metrics = clock, metrics
        self.use(source)

    def use(self, source: KeySource | None) -> None:
        """Know the keys of *source* from the next request on, and no others that may change.

        Raises:
            ConfigError: there were too many different keys since the start.
        """
        self.keyring: Keyring = build(self._fixed, source, self._ledger)
        self._metrics.declare_keys(self.keyring.ids)

    def judge(self, request: "Request") -> "Problem | None":
        """Return why *request* is not let in by its head; note whose it is."""
        if (problem := self._origins.judge(request)) is not None:
            self._metrics.refused("origin")
            return problem
        caller = request.caller = self.keyring.find(request.headers)
        request.key_id = caller.id
        path = request.path
        needs = _NEEDS.get(path)
        if needs is None:
            needs = _needs(path)
        if caller.rights & needs == needs and caller.until > self._clock.epoch:
            return None
        return self._refuse(request, caller, needs)

    def _refuse(self, request: "Request", caller: Caller, needs: int) -> "Problem | None":
        """Return what to tell *caller*; nothing needs a key that asks for nothing."""
        if not needs or (not caller.id and is_preflight(request)):
            return None
        if not caller.id:
            self._metrics.refused("no_key")
            return BAD_KEY
        if caller.until <= self._clock.epoch:
            self._metrics.refused("expired" if caller.until else "revoked")
            return expired(caller)
        self._metrics.refused("forbidden")
        return FORBIDDEN

    def admit(self, request: "Request", asked: str, target: "Target | None") -> "Problem | None":
        """Return why *request* may not ask for *asked*; else count it against its key's limits."""
        caller = request.caller
        if caller is None:
            return None
        if caller.models is not None and target is not None and not caller.may_use(target):
            self._metrics.refused("model")
            return wrong_model(asked)
        if not caller.is_limited:
            return None
        scope, wait_s = self._limits.admit(caller, self._clock.epoch)
        request.extra += self._limits.headers(caller)
        if scope is None:
            return None
        self._metrics.rate_limited[scope] += 1
        return over(scope, wait_s)

    def charge(self, request: "Request") -> None:
        """Count the tokens of an answer that is over against its key's limits."""
        caller = request.caller
        if caller is None or not (caller.token_gap_s or caller.budget) or not request.first_at:
            return
        found = request.tokens
        tokens = found[0] + found[1] if found is not None else _estimate(request)
        self._limits.charge(caller, tokens, self._clock.epoch)


def _needs(path: str) -> int:
    """Return the rights for *path*; its route is found by what its percent-encoding means."""
    path = unquote(path) if "%" in path else path
    return _NEEDS.get(path, ADMIN if path.startswith(_ADMIN_PATHS) else API)


def _estimate(request: "Request") -> int:
    per_token = _BYTES_PER_EVENT if request.stream else _BYTES_PER_TOKEN
    return request.size // _BYTES_PER_TOKEN + request.sent_bytes // per_token
