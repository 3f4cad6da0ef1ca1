"""What runs a stack: host processes, containers, or an engine on the host behind containers."""

from dataclasses import dataclass
from typing import Literal

from frontier.domain.errors import RuntimeFailedError, UsageError
from frontier.domain.gpu import Accelerator, Asked, Place, Surroundings
from frontier.domain.gpu_obstacle import find_obstacle
from frontier.domain.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeChoice:
    """What runs a stack.

    Attributes:
        runtime: ``hybrid`` is an engine on the host, the rest in Docker.
        reason: Why, for people.
    """

    runtime: Literal["native", "docker", "hybrid"]
    reason: str

    @property
    def engine(self) -> Place:
        """Tell where the engine runs."""
        return "docker" if self.runtime == "docker" else "native"

    def __str__(self) -> str:
        """Return the decision with its reason, as one line."""
        return f"runtime: {self.runtime}, because {self.reason}"


def choose_runtime(
    stack: Stack,
    around: Surroundings,
    *,
    wanted: Literal["auto", "native", "docker", "hybrid"],
    asked: Asked = "auto",
    docker_problem: str = "",
) -> RuntimeChoice:
    """Return what runs *stack* on this machine.

    Args:
        stack: `Stack.runtimes` says where it can run, preferred first.
        around: Machine, Docker and the engine on the host; None where it has none of both.
        wanted: What the person asked for.
        asked: The accelerator that the person asked for.
        docker_problem: Why Docker does not work, where `Surroundings.docker` is None.

    Raises:
        UsageError: the stack cannot run where *wanted* says.
        RuntimeFailedError: nothing on this machine can run it; the hint says what to install.
    """
    if wanted == "native":
        _require(stack, "native")
        if around.native is None:
            raise _not_at_hand(stack, around)
        return RuntimeChoice(runtime="native", reason="it was asked for")
    if wanted == "docker":
        _require(stack, "docker")
        if around.docker is None:
            raise _no_docker(stack, docker_problem)
        return RuntimeChoice(runtime="docker", reason=_asked_docker(around))
    if wanted == "hybrid":
        return _asked_hybrid(stack, around, docker_problem)
    return _automatic(stack, around, asked) or _fail(stack, around, docker_problem)


def _automatic(stack: Stack, around: Surroundings, asked: Asked) -> RuntimeChoice | None:
    is_native = "native" in stack.runtimes and around.native is not None
    is_docker = "docker" in stack.runtimes and around.docker is not None
    if around.machine.os == "macos" and is_native:
        return _on_a_mac(stack, around, is_docker=is_docker)
    gpu = _usable_gpu(stack, around, asked, "docker") if is_docker else None
    if gpu and not (is_native and _usable_gpu(stack, around, asked, "native")):
        return RuntimeChoice(runtime="docker", reason=f"containers can use the GPU ({gpu})")
    if is_native and (stack.runtimes[0] == "native" or not is_docker):
        engine = around.native.name if around.native else ""
        return RuntimeChoice(runtime="native", reason=f"{engine} is at hand and needs no image")
    if is_docker:
        reason = (
            f"{stack.title} prefers containers"
            if is_native
            else f"the engine of {stack.title} is not installed on this machine"
        )
        return RuntimeChoice(runtime="docker", reason=reason + _no_metal(around))
    return None


def _on_a_mac(stack: Stack, around: Surroundings, *, is_docker: bool) -> RuntimeChoice:
    """Return the engine on the host: a Linux container reaches no Metal."""
    why = "Linux containers on a Mac cannot use its GPU"
    if not is_docker or stack.runtimes[0] == "native":
        engine = around.native.name if around.native else ""
        return RuntimeChoice(runtime="native", reason=f"{engine} is at hand, and {why}")
    return RuntimeChoice(runtime="hybrid", reason=f"{why}; all but the engine runs in Docker")


def _usable_gpu(
    stack: Stack, around: Surroundings, asked: Asked, place: Place
) -> Accelerator | None:
    every: tuple[Accelerator, ...] = ("cuda", "rocm", "metal", "vulkan")
    for name in every:
        is_meant = asked in ("auto", name)
        if is_meant and not find_obstacle(stack, around, name, place):
            return name
    return None


def _asked_hybrid(stack: Stack, around: Surroundings, problem: str) -> RuntimeChoice:
    """Return the engine on the host behind containers, where those can reach it.

    The engine listens on loopback, which Docker's virtual machine on a Mac sends containers to;
    on Linux nothing does, and an engine that listened wider would be open to the network.
    """
    _require(stack, "native")
    _require(stack, "docker")
    if around.native is None:
        raise _not_at_hand(stack, around)
    if around.docker is None:
        raise _no_docker(stack, problem)
    if not around.docker.is_desktop:
        raise UsageError(
            "containers reach an engine on this machine's loopback only with Docker Desktop",
            hint=f"frontier up {stack.name} --runtime docker",
        )
    return RuntimeChoice(runtime="hybrid", reason="it was asked for")


def _asked_docker(around: Surroundings) -> str:
    return "it was asked for" + _no_metal(around)


def _no_metal(around: Surroundings) -> str:
    return ", though no container can use the Mac's GPU" if around.machine.apple else ""


def _require(stack: Stack, place: Place) -> None:
    if place in stack.runtimes:
        return
    other = next((name for name in ("native", "docker") if name in stack.runtimes), "auto")
    how = "natively" if place == "native" else "in Docker"
    raise UsageError(
        f"the stack {stack.name!r} cannot run {how}",
        hint=f"frontier up {stack.name} --runtime {other}",
    )


def _fail(stack: Stack, around: Surroundings, docker_problem: str) -> RuntimeChoice:
    """Raise what is missing, Docker first where the stack can run in it."""
    if "docker" in stack.runtimes:
        raise _no_docker(stack, docker_problem)
    raise _not_at_hand(stack, around)


def _no_docker(stack: Stack, problem: str) -> RuntimeFailedError:
    native = f"; or {_install(stack)}" if "native" in stack.runtimes else ""
    return RuntimeFailedError(
        f"the stack {stack.name!r} needs Docker, which does not work here"
        + (f": {problem}" if problem else ""),
        hint=f"Install and start it: https://docs.docker.com/engine/install{native}",
    )


def _not_at_hand(stack: Stack, around: Surroundings) -> RuntimeFailedError:
    is_docker = around.docker is not None and "docker" in stack.runtimes
    in_docker = f"; or frontier up {stack.name} --runtime docker" if is_docker else ""
    return RuntimeFailedError(
        f"the engine of the stack {stack.name!r} is not installed on this machine",
        hint=_install(stack) + in_docker,
    )


def _install(stack: Stack) -> str:
    known = {
        "mistral": "frontier stack build mistral",
        "ollama": "install Ollama: https://ollama.com/download",
        "vllm": "uv tool install vllm",
    }
    return known.get(stack.backend, f"install {stack.title}")
