"""``keys.yaml``: the keys as a person can read them, every complaint with file, line and field."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import yaml

from frontier.adapters.yaml_lines import YamlFile
from frontier.domain.errors import ConfigError
from frontier.domain.keys import Budget, Key, Period, is_id, is_name

MOST_KEYS: Final = 4096
"""So many keys may stand in one file."""

_HEADER: Final = """\
# API keys of the gateway: hashes, never secrets. Written by `frontier keys`, which keeps values
# that you change but no comments; the running gateway reads it again when it changes.
"""
_HINT: Final = "Correct it, or undo the last change: frontier rollback"
_PATH: Final = re.compile(r" - at `\$\.?(.*?)`$")
_UNKNOWN: Final = re.compile(r"unknown field `(.+?)`")
_STEP: Final = re.compile(r"[^.\[\]]+")

_Count = Annotated[int, msgspec.Meta(ge=1, le=10**15)]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_Model = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
_Strict: Final[Any] = {"frozen": True, "forbid_unknown_fields": True, "omit_defaults": True}


class _Budget(msgspec.Struct, **_Strict):
    tokens: _Count
    per: Period


class _Entry(msgspec.Struct, **_Strict):
    id: str
    name: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    created: _Time
    models: tuple[_Model, ...] | None = None
    rpm: _Count | None = None
    tpm: _Count | None = None
    budget: _Budget | None = None
    expires: _Time | None = None
    revoked: _Time | None = None


class _Document(msgspec.Struct, **_Strict):
    version: Literal[1]
    keys: Annotated[tuple[_Entry, ...], msgspec.Meta(max_length=MOST_KEYS)] = ()


def parse(path: Path, data: bytes) -> tuple[Key, ...]:
    """Return the keys of *data*, read from *path*; nothing but blanks and comments has none.

    Raises:
        ConfigError: no YAML, a wrong field, or a key that is given twice.
    """
    file = YamlFile(path, hint=_HINT, data=data)
    if file.content is None:
        return ()
    try:
        document = msgspec.convert(file.content, _Document)
    except msgspec.ValidationError as error:
        raise _invalid(file, str(error)) from error
    _check(file, document.keys)
    return tuple(_key(entry) for entry in document.keys)


def render(keys: Iterable[Key]) -> str:
    """Return the file with *keys*."""
    document = {"version": 1, "keys": [_plain(key) for key in keys]}
    text: str = yaml.safe_dump(document, sort_keys=False, default_flow_style=False, width=100)
    return _HEADER + text


def _invalid(file: YamlFile, message: str) -> ConfigError:
    found = _PATH.search(message)
    reason = message[: found.start()] if found else message
    place = _STEP.findall(found[1]) if found else []
    if unknown := _UNKNOWN.search(reason):
        return file.error([*place, unknown[1]], "unknown field")
    return file.error(place, reason)


def _check(file: YamlFile, entries: tuple[_Entry, ...]) -> None:
    seen: set[str] = set()
    for i, entry in enumerate(entries):
        place: list[str | int] = ["keys", i]
        if not is_id(entry.id):
            raise file.error([*place, "id"], f"{entry.id!r} is not of the form key_3f9a1c2b7d04")
        if not is_name(entry.name):
            raise file.error([*place, "name"], f"{entry.name!r}: letters, digits and . _ @ - only")
        name = entry.name if entry.revoked is None else ""
        for field, value in (("id", entry.id), ("name", name), ("sha256", entry.sha256)):
            if value in seen:
                raise file.error([*place, field], f"{value!r} is given twice")
            seen.add(value)
        seen.discard("")


def _key(entry: _Entry) -> Key:
    return Key(
        id=entry.id,
        name=entry.name,
        sha256=entry.sha256,
        created=entry.created,
        models=entry.models,
        rpm=entry.rpm,
        tpm=entry.tpm,
        budget=Budget(entry.budget.tokens, entry.budget.per) if entry.budget else None,
        expires=entry.expires,
        revoked=entry.revoked,
    )


def _plain(key: Key) -> dict[str, object]:
    fields: dict[str, object] = {
        "id": key.id,
        "name": key.name,
        "sha256": key.sha256,
        "created": _stamp(key.created),
        "models": list(key.models) if key.models is not None else None,
        "rpm": key.rpm,
        "tpm": key.tpm,
        "budget": {"tokens": key.budget.tokens, "per": key.budget.per} if key.budget else None,
        "expires": _stamp(key.expires),
        "revoked": _stamp(key.revoked),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _stamp(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC).replace(microsecond=0)
