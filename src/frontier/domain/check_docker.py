"""What Docker and Git must be, as judgements of what they say."""

from collections.abc import Callable, Mapping
from typing import Final

from frontier.domain.check import Finding, State, of_error, passed, skipped, warned
from frontier.domain.docker import OLDEST_COMPOSE, OLDEST_ENGINE, DockerFacts, version_of
from frontier.domain.errors import FrontierError
from frontier.domain.gpu_obstacle import TOOLKIT
from frontier.domain.machine import DockerDesktop, Machine
from frontier.domain.units import size

OLDEST_GIT: Final = (2, 30)
_GOOD_MEMORY: Final = 4 * 2**30
_INSTALL: Final = "https://docs.docker.com/engine/install/; or go without: --runtime native"
_LEAST_DISK: Final = 5 * 2**30


def dotted(version: tuple[int, ...]) -> str:
    """Return *version* as people write it."""
    return ".".join(map(str, version))


def absent(is_needed: bool) -> State:
    """Return the state of what is missing: nobody fails for what nothing here needs."""
    return "fail" if is_needed else "warn"


def program(said: str | None, *, is_needed: bool) -> Finding:
    """Judge ``docker --version``; None where there is no such program."""
    if said is None:
        return Finding(
            state=absent(is_needed),
            seen="there is no program named docker",
            expected="Docker, for the stacks that run in containers and for monitoring",
            mend=f"Install it: {_INSTALL}",
        )
    return passed(said)


def daemon(ask: Callable[[], DockerFacts], *, is_there: bool, is_needed: bool) -> Finding:
    """Judge whether the daemon answers, and this user may ask it."""
    if not is_there:
        return skipped("there is no program named docker")
    try:
        facts = ask()
    except FrontierError as error:
        if _is_of_compose(error):
            return passed("it answers")
        return of_error(error, state=absent(is_needed), expected="it answers this user")
    traits = (
        " (Docker Desktop or the like)" if facts.is_desktop else "",
        " (rootless)" if facts.is_rootless else "",
        f", context {facts.context}" if facts.context not in ("", "default") else "",
    )
    return passed("it answers" + "".join(traits))


def engine(said: str | None, *, is_needed: bool) -> Finding:
    """Judge the daemon's version; None where it does not tell."""
    if not said:
        return skipped("the daemon does not tell")
    seen, expected = f"Docker Engine {said}", f"{dotted(OLDEST_ENGINE)} or newer"
    if version_of(said) < OLDEST_ENGINE:
        mend = "Upgrade it: https://docs.docker.com/engine/install/"
        return Finding(state=absent(is_needed), seen=seen, expected=expected, mend=mend)
    return passed(seen)


def compose(said: str | None, *, is_there: bool, is_needed: bool) -> Finding:
    """Judge ``docker compose version --short``; None where the plugin is missing."""
    if not is_there:
        return skipped("there is no program named docker")
    mend = f"Install the plugin docker-compose-plugin: {_INSTALL}"
    expected = f"{dotted(OLDEST_COMPOSE)} or newer"
    if said is None:
        return Finding(
            state=absent(is_needed), seen="Docker tells of no Compose", expected=expected, mend=mend
        )
    version = said.strip().removeprefix("v")
    if version_of(version) < OLDEST_COMPOSE:
        return Finding(
            state=absent(is_needed),
            seen=f"Compose {version or 'of unknown version'}",
            expected=expected,
            mend=mend,
        )
    return passed(f"Compose {version}")


def memory(ask: Callable[[], DockerFacts]) -> Finding:
    """Judge the memory that containers share."""
    try:
        facts = ask()
    except FrontierError:
        return skipped("Docker does not work")
    said = f"{size(facts.memory_bytes)} and {facts.cpus} CPUs for containers"
    if facts.memory_bytes < _GOOD_MEMORY:
        where = "Docker Desktop > Settings > Resources" if facts.is_desktop else "the machine"
        return warned(said, expected=size(_GOOD_MEMORY), mend=f"Give it more memory: {where}")
    return passed(said)


def gpu(ask: Callable[[], DockerFacts], machine: Machine, cdi: tuple[str, ...]) -> Finding:
    """Judge whether containers can be given the GPUs of *machine*; *cdi* are specification files.

    AMD's need no more than their device files.
    """
    if machine.apple:
        return skipped("no GPU reaches the Linux containers of a Mac: engines run natively")
    if not any(g.vendor == "nvidia" for g in machine.gpus):
        return skipped("there is no NVIDIA GPU")
    try:
        facts = ask()
    except FrontierError:
        return skipped("Docker does not work")
    if facts.has_nvidia or cdi:
        return passed("containers can be given NVIDIA GPUs")
    return warned(
        "Docker has no NVIDIA runtime and no CDI devices",
        expected="the NVIDIA Container Toolkit, so that engines in containers can use the GPU",
        mend=TOOLKIT,
    )


def host(environ: Mapping[str, str], exists: Callable[[str], bool]) -> Finding:
    """Judge DOCKER_HOST, which sends Docker's commands elsewhere."""
    given = environ.get("DOCKER_HOST", "")
    if not given:
        return passed("DOCKER_HOST is not set")
    if given.startswith("unix://"):
        path = given.removeprefix("unix://")
        if exists(path):
            return passed(f"DOCKER_HOST={given}")
        return warned(
            f"DOCKER_HOST={given}, and there is no such socket",
            expected="a socket that is there",
            mend="unset DOCKER_HOST",
        )
    return warned(
        f"DOCKER_HOST={given}: another machine",
        expected="this machine: containers mount folders of the workspace",
        mend="unset DOCKER_HOST",
    )


def disk(free_bytes: int | None, desktop: DockerDesktop | None = None) -> Finding:
    """Judge the room for images and volumes; None where it cannot be read.

    *desktop* keeps them in one file, which may grow up to a limit.
    """
    left = desktop.disk_left_bytes if desktop and free_bytes is None else free_bytes
    if left is None:
        return skipped("Docker keeps its files where this user cannot look")
    where = "where Docker keeps images" if free_bytes is not None else "in Docker Desktop's disk"
    said = f"{size(left)} free {where}"
    if left < _LEAST_DISK:
        return warned(
            said, expected=size(_LEAST_DISK), mend="docker system df shows what takes space"
        )
    return passed(said)


def git(said: str | None) -> Finding:
    """Judge ``git --version``; None where there is none."""
    expected = f"{dotted(OLDEST_GIT)} or newer, for aider and for a checkout of Frontier"
    mend = "Install it: https://git-scm.com/downloads"
    if said is None:
        return warned("there is no program named git", expected=expected, mend=mend)
    if version_of(said) < OLDEST_GIT:
        return warned(said, expected=expected, mend=mend)
    return passed(said)


def _is_of_compose(error: FrontierError) -> bool:
    return "Compose" in error.message
