"""Templates of stacks become text and data: strict, sandboxed, mistakes with their line; pure."""

import re
import traceback
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, cast

import yaml
from jinja2 import FunctionLoader, StrictUndefined, Template, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from frontier.domain.errors import ConfigError, FrontierError

_TRY: Final = "Correct it, then look at what it gives: frontier stack render NAME"
_UNDEFINED = re.compile(r"'(\w+)' is undefined|has no attribute '(\w+)'")
# libyaml is eight times quicker; the pure loader is the same language where it is missing.
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Macros = tuple[tuple[str, str], ...]
"""Names and texts of templates that others import, sorted."""


def fill(name: str, text: str, macros: Macros, values: Mapping[str, object]) -> str:
    """Return the template *text* filled with *values*.

    Raises:
        ConfigError: a variable is missing or the template is wrong; the message names the
            template *name*, the line and the variable.
    """
    try:
        return _compiled(name, text, macros).render(values)
    except TemplateSyntaxError as error:
        raise _wrong(error.filename or name, error.lineno, error.message or "") from error
    except FrontierError:
        raise
    except Exception as error:  # a template is a program: it can divide by zero, too
        where, line = _place(error, name, macros)
        raise _wrong(where, line, str(error)) from error


def parsed(name: str, text: str) -> Mapping[str, Any]:
    """Return the YAML mapping *text*, which the template *name* gave; not to be changed.

    What Compose would take for a variable of its own is plain text here.

    Raises:
        ConfigError: it is no YAML mapping.
    """
    try:
        content = _loaded(text)
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        rows = text.splitlines()
        shown = rows[mark.line] if mark and mark.line < len(rows) else ""
        reason = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
        raise ConfigError(f"{name}: gives no YAML: {reason}", hint=_TRY, details=shown) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{name}: gives {type(content).__name__}, not a YAML mapping", hint=_TRY)
    return cast("dict[str, Any]", content)


@lru_cache(maxsize=8)
def _environment(macros: Macros) -> SandboxedEnvironment:
    texts = dict(macros)

    def load(name: str) -> tuple[str, str, None] | None:
        return (texts[name], f"templates/compose/{name}", None) if name in texts else None

    return SandboxedEnvironment(
        loader=FunctionLoader(load),  # a DictLoader would not tell names to tracebacks
        undefined=StrictUndefined,
        autoescape=False,  # YAML and configuration files, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@lru_cache(maxsize=256)
def _compiled(name: str, text: str, macros: Macros) -> Template:
    environment = _environment(macros)
    code = environment.compile(text, name, name)
    return Template.from_code(environment, code, environment.make_globals(None))


@lru_cache(maxsize=256)
def _loaded(text: str) -> object:
    return _escaped(yaml.load(text, Loader=_Loader))  # noqa: S506 - a safe loader


def _escaped(value: object) -> object:
    """Return *value* with every ``$`` doubled, which Compose reads as one."""
    match value:
        case str():
            return value.replace("$", "$$")
        case dict():
            pairs = cast("dict[object, object]", value).items()
            return {_escaped(key): _escaped(item) for key, item in pairs}
        case list():
            return [_escaped(item) for item in cast("list[object]", value)]
        case _:
            return value


def _place(error: Exception, name: str, macros: Macros) -> tuple[str, int]:
    """Return the template and line that *error* came from, as Jinja's traceback has them."""
    ours = {name, *(f"templates/compose/{macro}" for macro, _ in macros)}
    frames = traceback.extract_tb(error.__traceback__)
    found = [(f.filename, f.lineno or 0) for f in frames if f.filename in ours]
    return found[-1] if found else (name, 0)


def _wrong(name: str, line: int, reason: str) -> ConfigError:
    found = _UNDEFINED.search(reason)
    variable = (found[1] or found[2]) if found else ""
    what = f"{variable} is not defined" if variable else reason
    hint = "Variables are the settings, those of stack.yaml and the names in the how-to on stacks."
    return ConfigError(f"{name}:{line}: {what}", hint=hint if variable else _TRY)
