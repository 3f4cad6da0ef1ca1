"""Stacks as people look at them: listed, explained, compared, and pinned."""

import difflib
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from frontier.domain.containers import Containers
from frontier.domain.difference import differences
from frontier.domain.docker import Endpoint, endpoints
from frontier.domain.errors import ConfigError
from frontier.domain.plan import reconcile
from frontier.domain.project import Project
from frontier.domain.stack import Fragment, Image, Stack, Variable
from frontier.ports import ImageDigests, StackSource
from frontier.renderers.compose_text import to_yaml

CONTEXT: Final = "gateway-image"
"""Where an ejected folder keeps what the gateway's image is built from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackLine:
    """One stack of a list.

    Attributes:
        is_own: It comes from the workspace.
        accelerators: What its engine has images for.
        problem: Why it cannot be read, "" where it can.
    """

    name: str
    title: str
    summary: str
    engine: str
    runtimes: tuple[str, ...]
    accelerators: tuple[str, ...]
    is_own: bool
    is_current: bool
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackDescription:
    """All that there is to know about a stack before it runs.

    Attributes:
        images: Service to accelerator to image.
        shared: The same of the services that every stack can have.
        settings: What replaces an image, by service.
    """

    stack: StackLine
    origin: str
    provides: tuple[str, ...]
    needs: tuple[str, ...]
    model_format: str
    model_setting: str
    port: int
    images: Mapping[str, Mapping[str, str]]
    shared: Mapping[str, Mapping[str, str]]
    settings: Mapping[str, str]
    variables: tuple[Variable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceChange:
    """What would happen to one service, and why."""

    action: str
    service: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackDiff:
    """What another rendering would change.

    Attributes:
        changes: Service by service, removals first.
        texts: Unified diff by file, only those that differ.
    """

    stack: str
    changes: tuple[ServiceChange, ...]
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What `stack lock` wrote.

    Attributes:
        digests: Image reference to digest.
        missing: Images that are not on this machine.
        local: Images that were built here: their name is their digest already.
    """

    path: str
    digests: Mapping[str, str]
    missing: tuple[str, ...]
    local: tuple[str, ...]
    applied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ejected:
    """A folder that was written.

    Attributes:
        image: The gateway's image, to be built from `CONTEXT` on `base_image`.
        has_context: `CONTEXT` is in the folder.
        project: The Compose project that it is.
        taken: Ports that it publishes and what runs here listens on.
    """

    stack: str
    folder: str
    files: tuple[str, ...]
    image: str
    base_image: str
    has_context: bool
    project: str = ""
    taken: tuple[int, ...] = ()

    @property
    def commands(self) -> tuple[str, ...]:
        """Return what starts it, typed anywhere."""
        folder = shlex.quote(self.folder)
        build = (
            f"docker build -t {self.image} --build-arg BASE={self.base_image} {folder}/{CONTEXT}"
        )
        start = f"docker compose --project-directory {folder} up -d --wait"
        return (build, start) if self.has_context else (start,)


def project_name(folder: str, stack: str, *, taken: str) -> str:
    """Return the name of an ejected Compose project: its folder's, unless that is *taken*."""
    slug = re.sub(r"[^a-z0-9_-]+", "-", folder.lower()).strip("-_")[:40] or stack
    return slug if slug != taken else f"{slug}-{stack}"


def ports_of(project: Project) -> dict[Endpoint, str]:
    """Map where *project* listens on this machine to its service."""
    listening = {Endpoint(project.address, port): "gateway" for port in project.ports}
    return {**listening, **(endpoints(project.containers) if project.containers else {})}


def collisions(project: Project, running: Project | None) -> tuple[int, ...]:
    """Return the ports that *project* wants and *running* has."""
    held = ports_of(running) if running else {}
    wanted = ports_of(project)
    return tuple(sorted({w.port for w in wanted if any(w.collides(h) for h in held)}))


def listed(stacks: StackSource, is_own: Callable[[str], bool], current: str) -> Iterator[StackLine]:
    """Yield every stack by name, those that cannot be read with the reason."""
    for name in stacks.names():
        own, chosen = is_own(name), name == current
        try:
            yield line(stacks.load(name), is_own=own, is_current=chosen)
        except ConfigError as error:
            yield StackLine(
                name=name,
                title=name,
                summary="",
                engine="",
                runtimes=(),
                accelerators=(),
                is_own=own,
                is_current=chosen,
                problem=error.message.splitlines()[0],
            )


def line(stack: Stack, *, is_own: bool, is_current: bool) -> StackLine:
    """Return *stack* as one line of a list."""
    return StackLine(
        name=stack.name,
        title=stack.title,
        summary=stack.summary,
        engine=stack.engine,
        runtimes=stack.runtimes,
        accelerators=stack.accelerators,
        is_own=is_own,
        is_current=is_current,
    )


def describe(
    stack: Stack, fragments: Mapping[str, Fragment], *, is_own: bool, is_current: bool
) -> StackDescription:
    """Return all that there is to know about *stack*."""
    shared = {name: image for part in fragments.values() for name, image in part.images.items()}
    return StackDescription(
        stack=line(stack, is_own=is_own, is_current=is_current),
        origin=stack.origin,
        provides=stack.provides,
        needs=stack.needs,
        model_format=stack.model_format,
        model_setting=stack.model_setting,
        port=stack.port,
        images=_references(stack.images),
        shared=_references(shared),
        settings={n: i.setting for n, i in {**stack.images, **shared}.items() if i.setting},
        variables=tuple(stack.variables.values()),
    )


def _references(images: Mapping[str, Image]) -> dict[str, Mapping[str, str]]:
    return {name: image.references for name, image in images.items()}


def compose_text(project: Project) -> str:
    """Return ``compose.yaml`` of *project*, "" where Docker has no part in it."""
    return to_yaml(project.containers) if project.containers else ""


def diff(before: Project | None, after: Project) -> StackDiff:
    """Return what *after* would change in *before*, and why; None is an empty project."""
    old = before.containers if before else None
    new = after.containers
    steps = reconcile(after.digests, before.digests if before else {})
    return StackDiff(
        stack=after.stack,
        changes=tuple(
            ServiceChange(
                action=step.action,
                service=step.service,
                reasons=differences(step.service, before, after) or (step.reason,),
            )
            for step in steps
        ),
        texts=dict(_differences(old, new)),
    )


def _differences(old: Containers | None, new: Containers | None) -> Iterator[tuple[str, str]]:
    was, now = _texts(old), _texts(new)
    for path in sorted(was.keys() | now.keys()):
        rows = difflib.unified_diff(
            was.get(path, "").splitlines(),
            now.get(path, "").splitlines(),
            path if path in was else "/dev/null",
            path if path in now else "/dev/null",
            lineterm="",
        )
        if text := "\n".join(rows):
            yield path, text


def _texts(containers: Containers | None) -> dict[str, str]:
    if containers is None:
        return {}
    return {"compose.yaml": to_yaml(containers), **containers.files}


def digests(
    project: Project, images: ImageDigests
) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
    """Return digests by reference, references that are missing here, and those built here."""
    services = project.containers.services.values() if project.containers else ()
    found: dict[str, str] = {}
    missing: list[str] = []
    local: list[str] = []
    for reference in sorted({str(s["image"]).partition("@")[0] for s in services}):
        digest = images.digest(reference)
        if digest is None:
            missing.append(reference)
        elif digest:
            found[reference] = digest
        else:
            local.append(reference)
    return found, tuple(missing), tuple(local)
