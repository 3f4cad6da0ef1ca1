"""A line of a log: when it was written, how bad it is, and what it says; pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Any, Final, Literal

from frontier.domain.errors import UsageError

Level = Literal["debug", "info", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "warning", "error")

# Docker's stamps have nine digits of a second, the guard's three; both are UTC
_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})\d*Z ")
# also C1, what reorders the words that people see, and halves of characters, out of JSON
_ESCAPES: Final = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-z]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_STATED: Final = re.compile(
    r"^\d+\.\d\d\.\d{3}\.\d{3} ([DIWE]) "  # llama.cpp
    r"|^(?:\S+=\S+ )*?(?:level|lvl)=(\w+)"  # Ollama, Prometheus, Grafana, node exporter
    r"|^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(\w+)\]"  # nginx
    r"|^(?:\([^)]*\) )?(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b"  # vLLM, uvicorn
    r"|^\d{4}-\d\d-\d\dT\S+ +(TRACE|DEBUG|INFO|WARN|ERROR) "  # mistral.rs
    r"|^(?:[\w.-]+: )?(warning|error|fatal)\b:"  # programs that end
)
_STATUS: Final = re.compile(
    r'HTTP/[\d.]+" (\d{3})\b'  # uvicorn and nginx
    r"|^\[GIN\] .*? \| +(\d{3}) \|"  # Ollama
)
_PYTHON_FAILURE: Final = re.compile(
    r"^(?:Traceback \(most recent|(?:\w+\.)*\w+(?:Error|Exception)\b)"
)
_BY_LETTER: Final[Mapping[str, Level]] = {
    **dict.fromkeys(("d", "debug", "t", "trace"), "debug"),
    **dict.fromkeys(("i", "info", "notice"), "info"),
    **dict.fromkeys(("w", "warn", "warning"), "warning"),
    **dict.fromkeys(("e", "error", "eror", "crit", "critical", "alert", "emerg"), "error"),
    **dict.fromkeys(("fatal", "panic"), "error"),
}
_LEADS: Final = ("message", "msg", "event", "route")
_AGO: Final = re.compile(r"(\d+)\s*([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FAILED, _REFUSED = 500, 400
_CODE: Final = re.compile(r"\d{1,9}")  # Python makes no numbers of thousands of digits
_DEPTH: Final = 50


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line.

    Attributes:
        time: When it was written, UTC, ``2026-11-21T09:12:00.118Z``; that of the line before
            where this one has none; None where nobody knows.
        service: Who wrote it.
        level: As far as it states one; a continued line has that of the line before.
        line: What was written, without the stamp of whoever collected it.
        fields: Of a JSON line.
    """

    time: str | None
    service: str
    level: Level | None
    line: str
    fields: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Return it for people: JSON as words, and nothing that a terminal would act on."""
        return _ESCAPES.sub("", _words(self.fields) if self.fields else self.line)


class Reading:
    """Understands the lines of one service, which come in their order."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._time: str | None = None
        self._level: Level | None = None

    def __call__(self, raw: str) -> LogLine:
        """Return what *raw* says."""
        stamp, line = unstamped(raw)
        fields = _fields(line)
        self._time = stamp or _own_time(fields) or self._time
        if not line.startswith((" ", "\t")):
            self._level = _level(line, fields)
        return LogLine(self._time, self._service, self._level, line, fields)


def unstamped(raw: str) -> tuple[str, str]:
    """Return when whoever collected *raw* had it, "" where unknown, and the line itself."""
    found = _stamp(raw)
    if not found:
        return "", raw
    # Docker puts its stamp before every 16 KiB of a long line
    return f"{found[1]}Z", raw.replace(found[0], "")


def _fields(line: str) -> dict[str, Any]:
    if line.startswith("{"):
        try:
            found: object = json.loads(line)
        except (ValueError, RecursionError):
            return {}
        if isinstance(found, dict) and not _is_deeper(found, _DEPTH):
            return {str(name): value for name, value in found.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return {}


def _is_deeper(value: Any, depth: int) -> bool:
    """Tell whether *value* nests further than *depth*: who writes it again may fail at it."""
    is_object, is_several = isinstance(value, dict), isinstance(value, dict | list)
    parts: Iterable[Any] = value.values() if is_object else value if is_several else ()
    return depth < 0 or any(_is_deeper(part, depth - 1) for part in parts)


def _own_time(fields: Mapping[str, Any]) -> str:
    found = _stamp(f"{fields.get('time', '')} ")
    return f"{found[1]}Z" if found else ""


def _stamp(text: str) -> re.Match[str] | None:
    """Return the stamp that *text* begins with; the first and last year have no time zones."""
    if not (found := _STAMP.match(text)):
        return None
    try:
        return found if MINYEAR < datetime.fromisoformat(found[1]).year < MAXYEAR else None
    except ValueError:
        return None


def _level(line: str, fields: Mapping[str, Any]) -> Level | None:
    if fields:
        stated = str(fields.get("level", "")).lower()
        return _BY_LETTER.get(stated) or _of_status(fields.get("status"))
    if access := _STATUS.search(line):
        return _of_status(access[access.lastindex or 0])
    plain = _ESCAPES.sub("", line)
    if found := _STATED.match(plain):
        return _BY_LETTER.get(found[found.lastindex or 0].lower())
    return "error" if _PYTHON_FAILURE.match(plain) else None


def _of_status(status: object) -> Level | None:
    if not _CODE.fullmatch(str(status)):
        return None
    code = int(str(status))
    return "error" if code >= _FAILED else "warning" if code >= _REFUSED else "info"


def _words(fields: Mapping[str, Any]) -> str:
    """Return ``/v1/models status=200 duration_ms=1.2`` for an access line, and so on."""
    leads = [name for name in _LEADS if name in fields][:1]
    rest = [name for name in fields if name not in (*leads, "time", "level")]
    words = [str(fields[name]) for name in leads]
    return " ".join([*words, *(f"{name}={_value(fields[name])}" for name in rest)])


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines somebody wants.

    Attributes:
        since: Earliest time, as in `LogLine`; "" for all.
        level: The least; a line that states none counts as ``info``.
        pattern: Found in the line as it was written, or as it is shown.
    """

    since: str = ""
    level: Level = "debug"
    pattern: re.Pattern[str] | None = None

    @property
    def is_all(self) -> bool:
        """Tell whether every line is wanted."""
        return self == Wanted()

    def takes(self, line: LogLine) -> bool:
        """Tell whether *line* is one of them."""
        return (
            (line.time or "") >= self.since
            and LEVELS.index(line.level or "info") >= LEVELS.index(self.level)
            and (self.pattern is None or self._is_found(self.pattern, line))
        )

    @staticmethod
    def _is_found(pattern: re.Pattern[str], line: LogLine) -> bool:
        return bool(pattern.search(line.line) or pattern.search(line.text))


def moment(text: str, now: datetime) -> str:
    """Return as in `LogLine.time` what a person means: ``10m``, ``2h``, ``2026-11-21 09:12``.

    Args:
        text: Seconds, minutes, hours or days before *now*, or a time in ISO 8601; without a zone
            it is what the clock of this machine showed then, in summer as in winter.
        now: With a zone.

    Raises:
        UsageError: it is neither.
    """
    try:
        if ago := _AGO.fullmatch(text.strip()):
            found = now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
        else:
            found = datetime.fromisoformat(text.strip())
        return f"{found.astimezone(UTC).isoformat(timespec='milliseconds')[:23]}Z"
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is no time", hint="For instance 10m, 2h, 1d or 2026-11-21T09:12."
        ) from error
