"""The workspace's variables: loaded, explained, and changed one at a time."""

import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import cast, get_args

from pydantic import SecretStr, ValidationError

from frontier.adapters import env_file
from frontier.domain.errors import ConfigError, NotFoundError
from frontier.domain.setting import Setting
from frontier.domain.stack import Stack, Value, Variable
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
        variables: Returns the variables of all stacks by name; asked only where a name is no
            setting.
    """

    def __init__(
        self,
        path: Path,
        overrides: Mapping[str, object],
        environ: Mapping[str, str],
        variables: Callable[[], Mapping[str, Variable]] = dict,
    ) -> None:
        self._path = path
        self._overrides = overrides
        self._everything = {
            key.upper(): os.fsencode(value).decode(errors="replace")
            for key, value in environ.items()
            if value
        }
        self._environ = {
            key: value
            for key, value in self._everything.items()
            if key.lower() in Settings.model_fields
        }
        self._find_variables = variables

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
        ) + tuple(
            Setting(
                name=name,
                value=_shown(self._value(variable, entries)),
                origin=self._origin_of_variable(name, entries),
                description=variable.help,
                no_effect="",
            )
            for name, variable in self._variables.items()
        )

    def variables_of(self, stack: Stack) -> dict[str, Value]:
        """Return the values of the variables that *stack* declares, images' settings included.

        Raises:
            ConfigError: a value is not of the variable's kind, or it has the name of a setting.
        """
        if taken := [name for name in stack.variables if name.lower() in Settings.model_fields]:
            raise ConfigError(f"{stack.origin}: variables: {taken[0]} is a setting already")
        entries = self._entries()
        images = {
            image.setting: Variable(name=image.setting, kind="text", default="", help="")
            for image in stack.images.values()
            if image.setting and image.setting.lower() not in Settings.model_fields
        }
        return {
            name: self._value(variable, entries)
            for name, variable in {**images, **stack.variables}.items()
        }

    def get(self, name: str) -> Setting:
        """Return one variable.

        Raises:
            NotFoundError: there is no such setting; the hint offers the nearest names.
        """
        self._require_known(name)
        return next(s for s in self.describe() if s.name == name.upper())

    def check(self, name: str, value: str) -> str:
        """Return *value* as it would be shown: normalised, secrets masked.

        Raises:
            ConfigError: it is not what the setting *name* wants.
        """
        self._require_known(name)
        if variable := self._variable(name):
            return _shown(_parsed(variable, value, variable.name))
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
        if name.upper() in self._environ or (
            self._variable(name) and name.upper() in self._everything
        ):
            return f"the environment's {name.upper()} wins: unset it there"
        if self._variable(name):
            return ""
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
            self._require_known(name)
            return None
        is_secret = _is_secret(name) and not self._variable(name)
        return _shown(SecretStr(entry.value)) if is_secret else entry.value

    def default(self, name: str) -> str:
        """Return the value of *name* where no source sets it.

        Raises:
            NotFoundError: there is no such setting.
        """
        self._require_known(name)
        if variable := self._variable(name):
            return _shown(variable.default)
        return _shown(Settings.model_fields[name.lower()].default)

    def unset(self, name: str) -> bool:
        """Remove *name* from ``.env``; False if it was not set there."""
        return env_file.unassign(self._path, name.upper())

    def _entries(self) -> dict[str, env_file.Entry]:
        """Return the file's assignments; an empty value means that it sets nothing."""
        return {name: entry for name, entry in env_file.read(self._path).items() if entry.value}

    @cached_property
    def _variables(self) -> dict[str, Variable]:
        """The stacks' variables by name; a setting of the same name wins."""
        found = self._find_variables()
        return {k: v for k, v in found.items() if k.lower() not in Settings.model_fields}

    def _variable(self, name: str) -> Variable | None:
        if name.lower() in Settings.model_fields:
            return None
        return self._variables.get(name.upper())

    def _value(self, variable: Variable, entries: Mapping[str, env_file.Entry]) -> Value:
        name = variable.name
        origin = self._origin_of_variable(name, entries)
        if origin == "environment":
            return _parsed(variable, self._everything[name], f"environment: {name}")
        if origin == ".env":
            entry = entries[name]
            return _parsed(variable, entry.value, f"{self._path}:{entry.line}: {name}")
        return variable.default

    def _origin_of_variable(self, name: str, entries: Mapping[str, env_file.Entry]) -> str:
        if name in self._everything:
            return "environment"
        return ".env" if name in entries else "default"

    def _load(self, entries: Mapping[str, env_file.Entry]) -> Settings:
        values = {
            **{n.lower(): e.value for n, e in entries.items() if not self._variable(n)},
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
            hint = self._nearest(name)
            if source == ".env":  # a stack that is gone may have had it
                hint = (
                    f"{hint} Or remove it: frontier config unset {name}. "
                    "Is it of a stack that cannot be read? frontier stack list"
                )
            return ConfigError(f"{where}: {name}: no such setting", hint=hint)
        meaning = Settings.model_fields[name.lower()].description
        default = self.default(name) or "empty"
        return ConfigError(
            f"{where}: {name}: {reason}", hint=f"{name}: {meaning} Default: {default}."
        )

    def _require_known(self, name: str) -> None:
        if name.lower() not in Settings.model_fields and not self._variable(name):
            raise NotFoundError(f"there is no setting named {name!r}", hint=self._nearest(name))

    def _nearest(self, name: str) -> str:
        known = [*(field.upper() for field in Settings.model_fields), *self._variables]
        if near := get_close_matches(name.upper(), known, n=3):
            return f"Did you mean {' or '.join(near)}?"
        return "`frontier config show --all` lists them."


def _parsed(variable: Variable, text: str, where: str) -> Value:
    try:
        return variable.parse(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}", hint=variable.help) from error


def _is_secret(name: str) -> bool:
    """Tell whether values of *name* are masked: those of unknown variables are, too."""
    info = Settings.model_fields.get(name.lower())
    return info is None or SecretStr in get_args(info.annotation)


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
