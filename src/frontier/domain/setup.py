"""What the wizard asks for, as data: answers, and what they change in ``.env``."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from frontier.domain.errors import UsageError
from frontier.domain.keys import is_name

VARIABLES: Final = {
    "stack": "CURRENT_STACK",
    "model": "DEFAULT_MODEL",
    "context": "MAX_CONTEXT_LENGTH",
    "monitoring": "ENABLE_MONITORING",
    "bind": "BIND_ADDRESS",
    "port": "API_PORT",
}
"""The setting behind each question; that for a key has none."""

LEAST_CONTEXT: Final = 256
MOST_PORT: Final = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a person wants; None is not answered.

    Attributes:
        stack: Folder name of the stack.
        model: A catalog name or a source.
        context: Tokens of one request slot.
        monitoring: Prometheus and Grafana beside containers.
        bind: Address the gateway listens on.
        port: TCP port of the gateway.
        key: Name of an API key to be made, "" for none.
    """

    stack: str | None = None
    model: str | None = None
    context: int | None = None
    monitoring: bool | None = None
    bind: str | None = None
    port: int | None = None
    key: str | None = None

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings that the answers mean, by variable, as text."""
        found = {variable: getattr(self, field) for field, variable in VARIABLES.items()}
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in found.items()
            if value is not None
        }


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One line of ``.env`` before and after; "" where it is not there."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.after:
            return f"{self.name} is removed: {self.before} gives way to the default"
        return f"{self.name}={self.after}" + (f" (was {self.before})" if self.before else "")


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose.

    Attributes:
        value: What is meant; "" asks for another one in words.
        note: Why, or why not.
        is_possible: It can be chosen.
    """

    value: str
    note: str = ""
    is_possible: bool = True


def changes(
    wanted: Mapping[str, str],
    written: Callable[[str], str | None],
    default: Callable[[str], str],
) -> tuple[SettingChange, ...]:
    """Return what has to change in ``.env`` so that *wanted* holds and no default stands there.

    Args:
        wanted: Values by variable.
        written: Returns what the file says, None for nothing.
        default: Returns what holds where nothing is said.
    """
    found: list[SettingChange] = []
    for name, value in wanted.items():
        before = written(name) or ""
        after = "" if value == default(name) else value
        if before != after:
            found.append(SettingChange(name, before, after))
    return tuple(found)


def context(text: str) -> int:
    """Return the number of tokens that *text* means: ``8192``, ``8,192`` or ``8k``.

    Raises:
        UsageError: it is none, or too small to be of use.
    """
    plain = text.strip().replace(",", "").replace("_", "").lower()
    tokens = plain.removesuffix("k")
    if not tokens.isascii() or not tokens.isdigit():
        raise UsageError(f"{text!r} is no number of tokens", hint="For instance 8192, or 8k.")
    found = int(tokens) * (1024 if plain != tokens else 1)
    if found < LEAST_CONTEXT:
        raise UsageError(f"{found} tokens are too few", hint=f"At least {LEAST_CONTEXT}.")
    return found


def address(text: str) -> str:
    """Return the address that *text* is.

    Raises:
        UsageError: it is none.
    """
    if text == "localhost":
        return text
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no address", hint="127.0.0.1 for this machine, 0.0.0.0 for all."
        ) from error


def port(text: str) -> int:
    """Return the TCP port that *text* is.

    Raises:
        UsageError: it is none.
    """
    found = int(text) if text.isascii() and text.strip().isdigit() else 0
    if not 0 < found <= MOST_PORT:
        raise UsageError(f"{text!r} is no port", hint=f"A number from 1 to {MOST_PORT}.")
    return found


def key_name(text: str) -> str:
    """Return the name of a key, "" for none.

    Raises:
        UsageError: it cannot be one.
    """
    if text and not is_name(text):
        raise UsageError(
            f"{text!r} cannot be a key's name",
            hint="Up to 64 letters, digits and . _ @ -, for instance `alice-laptop`.",
        )
    return text
