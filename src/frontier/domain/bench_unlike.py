"""What makes two benchmarks incomparable, one by one, and what a person may allow."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from frontier.domain.bench import Result
from frontier.domain.errors import UnlikeError
from frontier.domain.source import is_loopback
from frontier.domain.units import size

Kind = Literal["machine", "api", "model", "engine", "settings", "load", "cases"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_TARGET: Final[Mapping[str, Kind]] = {
    "api": "api",
    "operation": "api",
    "model": "model",
    "model_digest": "model",
    "engine": "engine",
    "engine_version": "engine",
}
_LEFT: Final = 4
"""So many cases are named, then counted."""


@dataclass(frozen=True, slots=True)
class Unlike:
    """One difference.

    Attributes:
        kind: What to allow for it.
        what: Its name for people.
        base: What the first result has.
        new: What the second has.
    """

    kind: Kind
    what: str
    base: str
    new: str

    def __str__(self) -> str:
        return f"{self.what}: {self.base or '(none)'} / {self.new or '(none)'}"


def unlike(base: Result, new: Result) -> tuple[Unlike, ...]:
    """Return all that should be equal and is not, in the order of `KINDS`."""
    found = (
        *_between("machine", "machine", _machine(base), _machine(new)),
        *_servers(base, new),
        *_targets(base, new),
        *_between("settings", "setting", base.settings, new.settings),
        *_between("load", "load", _load(base), _load(new)),
        *_cases(base, new),
    )
    return tuple(sorted(found, key=lambda one: KINDS.index(one.kind)))


def require_alike(base: Result, new: Result, allowed: Collection[str]) -> tuple[Unlike, ...]:
    """Return what differs and is *allowed*.

    Raises:
        UnlikeError: something else differs, each named, with what to type to allow it.
        UnlikeError: no case is in both.
    """
    found = unlike(base, new)
    if refused := [one for one in found if one.kind not in allowed]:
        kinds = dict.fromkeys(one.kind for one in found)
        raise UnlikeError(
            f"these results differ in more than speed: {_counted(refused)}",
            hint="Measure again under the same circumstances, or add "
            + " ".join(f"--allow {kind}" for kind in kinds),
            details="\n".join(f"{one.kind}: {one}" for one in refused),
        )
    if not {case.id for case in base.cases} & {case.id for case in new.cases}:
        raise UnlikeError(
            "these results have no case in common", hint="Measure both with the same --preset."
        )
    return found


def _counted(refused: Sequence[Unlike]) -> str:
    return ", ".join(dict.fromkeys(one.kind for one in refused))


def _machine(result: Result) -> Mapping[str, Any]:
    machine = dict(result.machine)
    if isinstance(total := machine.pop("memory_bytes", None), int | float):
        machine["memory"] = size(total)  # a new kernel keeps some pages more
    return machine


def _servers(base: Result, new: Result) -> Iterator[Unlike]:
    was, now = (_server(result.target.get("url", "")) for result in (base, new))
    if was != now:
        yield Unlike("machine", "server", was, now)


def _server(url: str) -> str:
    """Return host and port of *url*; this machine is one, whatever the port."""
    try:
        if not url or is_loopback(url):
            return "this machine"
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:  # from a foreign file
        return url


def _load(result: Result) -> Mapping[str, Any]:
    # another seed asks other questions of the same kind
    return {"preset": result.preset, **result.load, "seed": 0}


def _targets(base: Result, new: Result) -> Iterator[Unlike]:
    for name, kind in _TARGET.items():
        was, now = base.target.get(name, ""), new.target.get(name, "")
        if was != now:
            yield Unlike(kind, name.replace("_", " "), was, now)


def _between(
    kind: Kind, word: str, base: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Unlike]:
    for name in sorted(base.keys() | new.keys()):
        was, now = base.get(name), new.get(name)
        if was != now:
            yield Unlike(kind, f"{word} {name}", _shown(was), _shown(now))


def _shown(value: object) -> str:
    return "" if value is None else str(value)


def _cases(base: Result, new: Result) -> Iterator[Unlike]:
    was, now = ({case.id: case for case in result.cases} for result in (base, new))
    if was.keys() != now.keys():
        yield Unlike("cases", "cases", _only(was, now), _only(now, was))
    for case in was.keys() & now.keys():
        if was[case] != now[case]:
            yield Unlike("cases", f"case {case}", str(was[case]), str(now[case]))


def _only(mine: Collection[str], others: Collection[str]) -> str:
    ids = [case for case in mine if case not in others]
    more = f" and {len(ids) - _LEFT} more" if len(ids) > _LEFT else ""
    return f"only here: {', '.join(ids[:_LEFT])}{more}" if ids else "nothing else"
