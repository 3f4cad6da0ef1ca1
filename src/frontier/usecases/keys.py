"""Making, changing and revoking API keys."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from frontier.domain.errors import RefusedError, UsageError
from frontier.domain.keys import Key, State, digest, find, is_name, new_id, new_secret
from frontier.ports import KeyStore

Verb = Literal["create", "rotate", "revoke"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One key as it is shown.

    Attributes:
        models: None for all.
        budget: Such as ``500000/day``, "" for none.
        expires: RFC 3339, "" for never.
    """

    id: str
    name: str
    state: State
    models: tuple[str, ...] | None
    rpm: int | None
    tpm: int | None
    budget: str
    created: str
    expires: str
    revoked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyList:
    """What `keys list` shows."""

    keys: tuple[Shown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What became of one key.

    Attributes:
        secret: What clients send, told this once; "" where there is no new one.
    """

    verb: Verb
    key: Shown
    applied: bool
    secret: str = field(default="", repr=False)


def listed(store: KeyStore, now: datetime, *, everything: bool = False) -> KeyList:
    """Return the keys; with *everything* those that are revoked, too."""
    keys = [key for key in store.load() if everything or key.revoked is None]
    return KeyList(keys=tuple(shown(key, now) for key in keys))


def create(store: KeyStore, wanted: Key, now: datetime, *, dry_run: bool = False) -> Changed:
    """Add the key *wanted*; its id and its digest are made here.

    Raises:
        UsageError: its name is not one.
        RefusedError: a key of that name is in use.
    """
    if not is_name(wanted.name):
        raise UsageError(
            f"{wanted.name!r} cannot be a key's name",
            hint="Up to 64 letters, digits and . _ @ -, for instance `alice-laptop`.",
        )
    keys, secret = store.load(), new_secret()
    if any(key.name == wanted.name and key.revoked is None for key in keys):
        raise RefusedError(
            f"there is a key {wanted.name!r} already",
            hint=f"frontier keys rotate {wanted.name}, or revoke it first.",
        )
    key = replace(wanted, id=new_id(), sha256=digest(secret), created=now)
    if not dry_run:
        store.save((*keys, key))
    return _changed("create", key, now, secret=secret, dry_run=dry_run)


def rotate(store: KeyStore, name: str, now: datetime, *, dry_run: bool = False) -> Changed:
    """Give a key another secret; id and limits stay, the old secret is refused from now on.

    Raises:
        NotFoundError: there is no such key.
        RefusedError: it is revoked.
    """
    keys, secret = store.load(), new_secret()
    old = find(keys, name)
    if old.revoked is not None:
        raise RefusedError(
            f"the key {old.name!r} is revoked", hint=f"frontier keys create {old.name}"
        )
    key = replace(old, sha256=digest(secret))
    if not dry_run:
        store.save(_with(keys, key))
    return _changed("rotate", key, now, secret=secret, dry_run=dry_run)


def revoke(store: KeyStore, name: str, now: datetime, *, dry_run: bool = False) -> Changed:
    """Have a key refused from now on; its entry stays, so that the log tells whose it was.

    Raises:
        NotFoundError: there is no such key.
    """
    keys = store.load()
    old = find(keys, name)
    key = old if old.revoked is not None else replace(old, revoked=now)
    if not dry_run and key is not old:
        store.save(_with(keys, key))
    return _changed("revoke", key, now, dry_run=dry_run)


def shown(key: Key, now: datetime) -> Shown:
    """Return *key* as it is shown."""
    return Shown(
        id=key.id,
        name=key.name,
        state=key.state(now),
        models=key.models,
        rpm=key.rpm,
        tpm=key.tpm,
        budget=str(key.budget) if key.budget else "",
        created=_text(key.created),
        expires=_text(key.expires),
        revoked=_text(key.revoked),
    )


def _with(keys: tuple[Key, ...], changed: Key) -> tuple[Key, ...]:
    return tuple(changed if key.id == changed.id else key for key in keys)


def _changed(verb: Verb, key: Key, now: datetime, *, secret: str = "", dry_run: bool) -> Changed:
    told = "" if dry_run else secret
    return Changed(verb=verb, key=shown(key, now), applied=not dry_run, secret=told)


def _text(time: datetime | None) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z") if time else ""
