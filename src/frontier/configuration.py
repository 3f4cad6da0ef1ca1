"""The workspace's variables: loaded, explained, and changed one at a time."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import cast, get_args

from pydantic import SecretStr, ValidationError

from frontier.adapters import env_file
from frontier.domain.errors import ConfigError, NotFoundError
from frontier.domain.setting import Setting
from frontier.settings import Settings


class Configuration:
    """Settings of one workspace, each with its origin.

    Highest first: command line, process environment, ``.env``, default; an empty value sets
    nothing. Unknown variables of the environment are none of our business; an unknown variable
    in ``.env`` is an error.

    Args:
        path: The workspace's ``.env``.
        overrides: Values of the command line, by field name.
        environ: The process environment.
    """

    def __init__(
        self, path: Path, overrides: Mapping[str, object], environ: Mapping[str, str]
    ) -> None:
        self._path = path
        self._overrides = overrides
        self._environ = {
            key.upper(): os.fsencode(value).decode(errors="replace")
            for key, value in environ.items()
            if value and key.lower() in Settings.model_fields
        }

    def load(self) -> Settings:
        """Return all settings, validated.

        Raises:
            ConfigError: the first wrong value: where it stands, its name, what is wanted.
        """
        return self._load(self._entries())

    def describe(self) -> tuple[Setting, ...]:
        """Return every variable with its value, where it came from and what it does."""
        entries = self._entries()
        settings = self._load(entries)
        return tuple(
            Setting(
                name=field.upper(),
                value=_shown(getattr(settings, field)),
                origin=self._origin(field.upper(), entries),
                description=info.description or "",
                no_effect=cast("dict[str, str]", info.json_schema_extra)["no_effect"],
            )
            for field, info in Settings.model_fields.items()
        )

    def get(self, name: str) -> Setting:
        """Return one variable.

        Raises:
            NotFoundError: there is no such setting; the hint offers the nearest names.
        """
        _require_known(name)
        return next(s for s in self.describe() if s.name == name.upper())

    def check(self, name: str, value: str) -> str:
        """Return *value* as it would be shown: normalised, secrets masked.

        Raises:
            ConfigError: it is not what the setting *name* wants.
        """
        _require_known(name)
        try:
            checked = Settings.model_validate({name.lower(): value})
        except ValidationError as error:
            given = name.upper() if _is_secret(name) else f"{name.upper()}={value}"
            raise ConfigError(f"{given}: {error.errors()[0]['msg']}") from error
        return _shown(getattr(checked, name.lower()))

    def set(self, name: str, value: str) -> None:
        """Write ``NAME=value`` to ``.env``.

        Raises:
            ConfigError: *value* is not what the setting wants; nothing was written.
        """
        self.check(name, value)
        env_file.assign(self._path, name.upper(), value)

    def note(self, name: str) -> str:
        """Return why a value of *name* in ``.env`` does nothing, empty when it does."""
        if name.upper() in self._environ:
            return f"the environment's {name.upper()} wins: unset it there"
        extra = cast("dict[str, str]", Settings.model_fields[name.lower()].json_schema_extra)
        return f"no effect: {extra['no_effect']}" if extra["no_effect"] else ""

    def written(self, name: str) -> str | None:
        """Return what ``.env`` says for *name*, secrets masked; None if it is not set there.

        The file is not validated: a wrong value can be replaced or removed.

        Raises:
            NotFoundError: neither a setting nor a line of the file has that name.
        """
        entry = env_file.read(self._path).get(name.upper())
        if entry is None:
            _require_known(name)
            return None
        return _shown(SecretStr(entry.value)) if _is_secret(name) else entry.value

    def default(self, name: str) -> str:
        """Return the value of *name* where no source sets it.

        Raises:
            NotFoundError: there is no such setting.
        """
        _require_known(name)
        return _shown(Settings.model_fields[name.lower()].default)

    def unset(self, name: str) -> bool:
        """Remove *name* from ``.env``; False if it was not set there."""
        return env_file.unassign(self._path, name.upper())

    def _entries(self) -> dict[str, env_file.Entry]:
        """Return the file's assignments; an empty value means that it sets nothing."""
        return {name: entry for name, entry in env_file.read(self._path).items() if entry.value}

    def _load(self, entries: Mapping[str, env_file.Entry]) -> Settings:
        values = {
            **{name.lower(): entry.value for name, entry in entries.items()},
            **{name.lower(): value for name, value in self._environ.items()},
            **self._overrides,
        }
        try:
            return Settings.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise self._wrong(str(first["loc"][0]).upper(), first["msg"], entries) from error

    def _origin(self, name: str, entries: Mapping[str, env_file.Entry]) -> str:
        if name.lower() in self._overrides:
            return "command line"
        if name in self._environ:
            return "environment"
        return ".env" if name in entries else "default"

    def _wrong(self, name: str, reason: str, entries: Mapping[str, env_file.Entry]) -> ConfigError:
        source = self._origin(name, entries)
        where = f"{self._path}:{entries[name].line}" if source == ".env" else source
        if name.lower() not in Settings.model_fields:
            return ConfigError(f"{where}: {name}: no such setting", hint=_nearest(name))
        return ConfigError(
            f"{where}: {name}: {reason}", hint=f"`.env.example` explains {name} and its default."
        )


def _require_known(name: str) -> None:
    if name.lower() not in Settings.model_fields:
        raise NotFoundError(f"there is no setting named {name!r}", hint=_nearest(name))


def _is_secret(name: str) -> bool:
    """Tell whether values of *name* are masked: those of unknown variables are, too."""
    info = Settings.model_fields.get(name.lower())
    return info is None or SecretStr in get_args(info.annotation)


def _nearest(name: str) -> str:
    known = [field.upper() for field in Settings.model_fields]
    if near := get_close_matches(name.upper(), known, n=3):
        return f"Did you mean {' or '.join(near)}?"
    return "`frontier config show --all` lists them."


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)
