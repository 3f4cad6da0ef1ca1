"""What differs between two projects, service by service, in the words that people read."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Final

from frontier.domain.containers import Containers
from frontier.domain.plan import Step
from frontier.domain.project import Project, Service

_UNSEEN: Final = frozenset({"labels"})  # the digest itself, and whose container it is
_WORDS: Final = {"argv": "command", "env": "environment"}
"""What people read for a field of `Service`."""


def explained(
    steps: Iterable[Step], before: Project | None, after: Project, observed: Mapping[str, str]
) -> tuple[Step, ...]:
    """Return *steps* with what differs in each service as its reason, as far as it is known.

    Args:
        steps: From *observed* to *after*.
        before: What was declared.
        after: What is to run.
        observed: Service name to the digest of what runs; *before* tells nothing of another one.
    """
    known = before.digests if before else {}
    return tuple(
        replace(step, reason=", ".join(differences(step.service, before, after)) or step.reason)
        if before and known.get(step.service) == observed.get(step.service)
        else step
        for step in steps
    )


def differences(service: str, before: Project | None, after: Project) -> tuple[str, ...]:
    """Return what differs in *service*; nothing where only one of both has it."""
    if before is None:
        return ()
    return (
        *_moved(service, before, after),
        *_in_container(service, before.containers, after.containers),
        *_on_host(_process(service, before), _process(service, after)),
    )


def _process(name: str, project: Project) -> Service | None:
    return next((s for s in project.services if s.name == name), None)


def _contained(name: str, project: Project) -> bool:
    return project.containers is not None and name in project.containers.services


def _moved(service: str, before: Project, after: Project) -> Iterator[str]:
    if _process(service, before) and _contained(service, after):
        yield "moves into Docker"
    if _contained(service, before) and _process(service, after):
        yield "moves to the host"


def _on_host(old: Service | None, new: Service | None) -> Iterator[str]:
    if old is None or new is None:
        return
    was, now = ({**asdict(s), "generation": 0} for s in (old, new))
    yield from (f"{_WORDS.get(key, key)} changed" for key in was if was[key] != now[key])


def _in_container(service: str, old: Containers | None, new: Containers | None) -> Iterator[str]:
    if not (old and new) or service not in old.services or service not in new.services:
        return
    was, now = old.services[service], new.services[service]
    for key in sorted((was.keys() | now.keys()) - _UNSEEN):
        if was.get(key) != now.get(key):
            yield f"{key} changed"
    held, holds = old.mounted(service), new.mounted(service)
    for path in sorted(held.keys() | holds.keys()):
        if held.get(path) != holds.get(path) and not path.startswith("live/"):
            yield f"{path} changed"
