"""Who asks: callers by the SHA-256 of their secret, and what each may do."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from frontier.adapters import key_file
from frontier.domain.errors import ConfigError
from frontier.domain.keys import Budget, Key
from frontier.gateway.errors import Problem

if TYPE_CHECKING:
    from frontier.gateway.ledger import Ledger
    from frontier.gateway.route_file import Content
    from frontier.gateway.routes import Target

API: Final = 1
"""May ask models."""

METRICS: Final = 2
"""May read the metrics."""

ADMIN: Final = 4
"""May see how the gateway is set up."""

NOBODY: Final = "none"
"""The ``key`` label of requests without a key."""

_MINUTE_S: Final = 60.0
_FOREVER: Final = float("inf")
_BEARER: Final = b"bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A key as requests meet it, or whoever has none.

    Attributes:
        id: In logs and metrics; "" without a key.
        rights: Sum of `API`, `METRICS` and `ADMIN`.
        until: Unix time from which on it is refused; 0.0 for a revoked one.
        models: Names and aliases that it may ask for, None for all.
        request_gap_s: Seconds until one more request is allowed; 0.0 for no limit.
        token_gap_s: The same for a token.
        slot: Where the ledger counts for it.
        is_limited: Any limit is set: what it uses is counted.
    """

    id: str
    rights: int
    until: float = _FOREVER
    models: frozenset[str] | None = None
    request_gap_s: float = 0.0
    token_gap_s: float = 0.0
    budget: Budget | None = None
    slot: int = 0
    is_limited: bool = False

    def may_use(self, target: "Target") -> bool:
        """Tell whether it may ask for *target*, by whichever of its names."""
        models = self.models
        return models is None or target.name in models or not models.isdisjoint(target.aliases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """The keys that the gateway was started with; what is None is not given.

    Attributes:
        default: The one key of API_KEY.
        admin: For whoever runs the gateway.
        metrics: For Prometheus.
        is_required: Without a key nothing is answered, even while there is none.
        rpm: Requests per minute of every key that names no other; 0 for no limit.
    """

    default: bytes | None = None
    admin: bytes | None = None
    metrics: bytes | None = None
    is_required: bool = False
    rpm: int = 0


@dataclass(frozen=True, slots=True)
class KeySource:
    """One ``keys.yaml``, read and found right.

    Attributes:
        sha256: Of the bytes that it was read from, hex.
        is_there: The file exists: from then on a key is needed, if only a revoked one is in it.
    """

    path: Path
    sha256: str
    is_there: bool
    keys: tuple[Key, ...]

    @property
    def is_empty(self) -> bool:
        """Tell whether it says nothing."""
        return not self.keys


def parse(content: "Content") -> KeySource:
    """Return *content* checked.

    Raises:
        ConfigError: it is wrong; the message names file, line and field.
    """
    if content.error:
        raise ConfigError(f"{content.path}: cannot be read: {content.error}")
    keys = key_file.parse(content.path, content.data)
    return KeySource(content.path, content.sha256, bool(content.data.strip()), keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Every caller; swapped whole on reload.

    Attributes:
        anonymous: Who presents no key, or one that is not known.
        callers: By the SHA-256 of the secret.
        digests: SHA-256 of the file that it was built from, hex, by path.
    """

    anonymous: Caller
    callers: Mapping[bytes, Caller] = field(default_factory=dict[bytes, Caller])
    digests: Mapping[str, str] = field(default_factory=dict[str, str])

    def find(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Return whose key *headers* present.

        A lookup by digest: what its time tells is about digests, and from those no secret of
        256 bits can be approached.
        """
        callers = self.callers
        if not callers:
            return self.anonymous
        given = headers.get(b"x-api-key")
        if given is not None:
            caller = callers.get(hashlib.sha256(given).digest())
            if caller is not None:
                return caller
        given = headers.get(b"authorization", b"")
        if given[:7].lower() != _BEARER:
            return self.anonymous
        return callers.get(hashlib.sha256(given[7:].strip()).digest(), self.anonymous)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ``key`` labels that metrics may have."""
        return (NOBODY, *(caller.id for caller in self.callers.values()))


def build(fixed: Fixed, source: KeySource | None, ledger: "Ledger") -> Keyring:
    """Return the callers of *fixed* and *source*.

    Raises:
        ConfigError: the ledger has no room for another key.
    """
    rest = 0 if fixed.admin else ADMIN
    has_keys = source is not None and source.is_there
    is_open = not (fixed.is_required or fixed.default or has_keys)
    gap_s = _MINUTE_S / fixed.rpm if fixed.rpm else 0.0

    def everyone(key_id: str, rights: int) -> Caller:
        slot = ledger.slot(key_id or NOBODY)
        return Caller(
            id=key_id, rights=rights, request_gap_s=gap_s, slot=slot, is_limited=gap_s > 0
        )

    callers = {_digest(key): caller for key, caller in _of_file(source, gap_s, ledger)}
    if fixed.default:
        default = everyone("default", API | METRICS | rest)
        callers[hashlib.sha256(fixed.default).digest()] = default
    if fixed.metrics:
        callers[hashlib.sha256(fixed.metrics).digest()] = Caller(id="metrics", rights=METRICS)
    if fixed.admin:
        admin = Caller(id="admin", rights=API | METRICS | ADMIN)
        callers[hashlib.sha256(fixed.admin).digest()] = admin
    return Keyring(
        anonymous=everyone("", API | METRICS | rest if is_open else 0),
        callers=callers,
        digests={str(source.path): source.sha256} if source else {},
    )


def _of_file(
    source: KeySource | None, gap_s: float, ledger: "Ledger"
) -> Iterable[tuple[Key, Caller]]:
    for key in source.keys if source else ():
        yield (
            key,
            Caller(
                id=key.id,
                rights=API,
                until=0.0 if key.revoked else key.expires.timestamp() if key.expires else _FOREVER,
                models=None if key.models is None else frozenset(key.models),
                request_gap_s=_MINUTE_S / key.rpm if key.rpm else gap_s,
                token_gap_s=_MINUTE_S / key.tpm if key.tpm else 0.0,
                budget=key.budget,
                slot=ledger.slot(key.id),
                is_limited=bool(key.rpm or gap_s or key.tpm or key.budget),
            ),
        )


def _digest(key: Key) -> bytes:
    return bytes.fromhex(key.sha256)


BAD_KEY: Final = Problem(
    401,
    "Incorrect API key provided. Send a key of this gateway as `Authorization: Bearer KEY`.",
    code="invalid_api_key",
    headers=((b"www-authenticate", b"Bearer"),),
)
REVOKED: Final = Problem(
    401, "This API key was revoked.", code="invalid_api_key", headers=BAD_KEY.headers
)
FORBIDDEN: Final = Problem(403, "This API key may not do that.", code="permission_denied")


def expired(caller: Caller) -> Problem:
    """Return the 401 for a key that is over."""
    if not caller.until:
        return REVOKED
    when = datetime.fromtimestamp(caller.until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = f"This API key expired at {when}."
    return Problem(401, message, code="invalid_api_key", headers=BAD_KEY.headers)


def wrong_model(name: str) -> Problem:
    """Return the 403 for a model that the key may not use."""
    message = f"This API key may not use the model `{name}`."
    return Problem(403, message, code="permission_denied", param="model")
