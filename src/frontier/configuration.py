"""The workspace's variables: loaded, explained, and changed one at a time."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from frontier.adapters import env_file
from frontier.domain.errors import ConfigError, NotFoundError
from frontier.domain.setting import Setting
from frontier.settings import Settings


class Configuration:
    """Settings of one workspace, each with its origin.

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
        self._set = {key.upper() for key, value in environ.items() if value}

    def load(self) -> Settings:
        """Return all settings, validated.

        Raises:
            ConfigError: the first wrong value: where it stands, its name, what is wanted.
        """
        lines = env_file.read(self._path)
        try:
            return Settings(_env_file=self._path, **self._overrides)  # type: ignore[call-arg,arg-type]
        except ValidationError as error:
            first = error.errors()[0]
            raise self._wrong(str(first["loc"][0]).upper(), first["msg"], lines) from error

    def describe(self) -> tuple[Setting, ...]:
        """Return every variable with its value, where it came from and what it does."""
        settings, lines = self.load(), env_file.read(self._path)
        return tuple(
            Setting(
                name=field.upper(),
                value=_shown(getattr(settings, field)),
                origin=self._origin(field.upper(), lines),
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
            reason = next(e["msg"] for e in error.errors())
            raise ConfigError(f"{name.upper()}={value}: {reason}") from error
        return _shown(getattr(checked, name.lower()))

    def set(self, name: str, value: str) -> None:
        """Write ``NAME=value`` to ``.env``.

        Raises:
            ConfigError: *value* is not what the setting wants; nothing was written.
        """
        self.check(name, value)
        env_file.assign(self._path, name.upper(), value)

    def unset(self, name: str) -> bool:
        """Remove *name* from ``.env``; False if it was not set there."""
        removed = env_file.unassign(self._path, name.upper())
        if not removed:
            _require_known(name)
        return removed

    def _origin(self, name: str, lines: Mapping[str, int]) -> str:
        if name.lower() in self._overrides:
            return "command line"
        if name in self._set:
            return "environment"
        return ".env" if name in lines else "default"

    def _wrong(self, name: str, reason: str, lines: Mapping[str, int]) -> ConfigError:
        source = self._origin(name, lines)
        where = f"{self._path}:{lines[name]}" if source == ".env" else source
        if name.lower() not in Settings.model_fields:
            return ConfigError(f"{where}: {name}: no such setting", hint=_nearest(name))
        return ConfigError(
            f"{where}: {name}: {reason}", hint=f"`.env.example` explains {name} and its default."
        )


def _require_known(name: str) -> None:
    if name.lower() not in Settings.model_fields:
        raise NotFoundError(f"there is no setting named {name!r}", hint=_nearest(name))


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
