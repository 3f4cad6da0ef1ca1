"""API keys: who may ask the gateway for what, and how much."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from frontier.domain.errors import NotFoundError, UsageError

Period = Literal["day", "month"]
State = Literal["active", "expired", "revoked"]

PREFIX: Final = "sk-frontier-"
"""What every secret begins with, so that scanners of repositories know it."""

_ID: Final = re.compile(r"key_[0-9a-f]{12}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SECRET_BYTES: Final = 32
_DURATION: Final = re.compile(r"(\d{1,6})\s*([mhdwy])")
_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
_BUDGET: Final = re.compile(r"(\d+(?:\.\d+)?)([kKmMgG]?)\s*/\s*(day|month)")
_FACTORS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens, input and output together, a key may use in a calendar day or month, UTC."""

    tokens: int
    per: Period

    def __str__(self) -> str:
        return f"{self.tokens}/{self.per}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One API key; its secret is nowhere.

    Attributes:
        id: Public: it stands in logs and metrics.
        name: Whose it is, for people; no two keys in use share one.
        sha256: Of the secret, hex.
        models: Names or aliases that it may ask for, None for all.
        rpm: Requests per minute, None for the gateway's default.
        tpm: Tokens per minute, input and output together.
        expires: From when on it is refused.
        revoked: Since when it is refused.
    """

    id: str
    name: str
    sha256: str
    created: datetime
    models: tuple[str, ...] | None = None
    rpm: int | None = None
    tpm: int | None = None
    budget: Budget | None = None
    expires: datetime | None = None
    revoked: datetime | None = None

    def state(self, now: datetime) -> State:
        """Return what it is at *now*."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "active"


def new_secret() -> str:
    """Return a secret of 256 random bits, printable."""
    return PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def new_id() -> str:
    """Return an id that no other key has."""
    return f"key_{secrets.token_hex(6)}"


def digest(secret: str) -> str:
    """Return what is stored of *secret*: its SHA-256, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_id(text: str) -> bool:
    """Tell whether *text* has the form of an id."""
    return _ID.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Tell whether a key may be called *text*."""
    return _NAME.fullmatch(text) is not None and not is_id(text)


def find(keys: Iterable[Key], text: str) -> Key:
    """Return the key with the id *text*, or the one of that name: the one in use before others.

    Raises:
        NotFoundError: there is none.
    """
    found = [key for key in keys if text in (key.id, key.name)]
    if not found:
        raise NotFoundError(
            f"there is no key {text!r}", hint="`frontier keys list --all` shows every key."
        )
    return min(found, key=lambda key: key.revoked is not None)


def until(text: str, now: datetime) -> datetime:
    """Return the time that *text* means: a duration from *now* such as 30d, or a date, UTC.

    Raises:
        UsageError: it is neither, or it is past.
    """
    if match := _DURATION.fullmatch(text.strip().lower()):
        try:
            return now + int(match[1]) * _UNITS[match[2]]
        except OverflowError as error:
            raise UsageError(f"{text!r} is beyond the calendar") from error
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is neither a duration nor a date", hint="Such as 12h, 30d, 1y, 2027-01-31."
        ) from error
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    if time <= now:
        raise UsageError(f"{text!r} is past")
    return time.astimezone(UTC)


def budget(text: str) -> Budget:
    """Return the budget that *text* means, such as ``500k/day`` or ``10000000/month``.

    Raises:
        UsageError: it means none.
    """
    match = _BUDGET.fullmatch(text.strip())
    tokens = round(float(match[1]) * _FACTORS[match[2].lower()]) if match else 0
    if match is None or tokens < 1:
        raise UsageError(
            f"{text!r} is no budget", hint="Tokens per day or month, such as 500k/day, 10m/month."
        )
    return Budget(tokens, "day" if match[3] == "day" else "month")
