"""Where a stack will run and compute: settings, machine and Docker become one decision."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from frontier.domain.accelerator import Choice, choose
from frontier.domain.docker import DockerFacts
from frontier.domain.errors import FrontierError
from frontier.domain.gpu import NativeEngine, Surroundings, gpus_of
from frontier.domain.machine import Machine
from frontier.domain.placement import Placement
from frontier.domain.runtime_choice import RuntimeChoice, choose_runtime
from frontier.domain.stack import Stack
from frontier.settings import Settings

_DOCKERED = ("docker", "hybrid")


@dataclass
class Placing:
    """Decides for one command.

    Attributes:
        native: Returns the engine of a stack that is at hand on the host, None without one.
        check: Looks at Docker; raises where it does not work.
        running: Returns the runtime that runs something now, "" for none.
    """

    settings: Settings
    native: Callable[[Stack, Machine], NativeEngine | None]
    check: Callable[[], DockerFacts]
    running: Callable[[], Literal["native", "docker", "hybrid", ""]]

    @cached_property
    def _docker(self) -> DockerFacts | FrontierError:
        try:
            return self.check()
        except FrontierError as error:
            return error

    @property
    def docker(self) -> DockerFacts | None:
        """The Docker of this machine, None where none works."""
        return self._docker if isinstance(self._docker, DockerFacts) else None

    def place(self, stack: Stack, machine: Machine) -> Placement:
        """Decide what runs *stack* and where it computes.

        Raises:
            UsageError: the stack cannot run where the settings say.
            RefusedError: the accelerator that was asked for cannot be used.
            RuntimeFailedError: nothing here can run it, or Docker, where something may run, does
                not answer; Docker's own words where they are why.
        """
        asked = self.settings.accelerator
        around = self._surroundings(stack, machine)
        if self.settings.runtime in _DOCKERED and isinstance(self._docker, FrontierError):
            raise self._docker
        problem = "" if around.docker or not self._needs_docker(stack, machine) else self._problem
        runtime = self._staying(stack, around) or choose_runtime(
            stack, around, wanted=self.settings.runtime, asked=asked, docker_problem=problem
        )
        choice = choose(stack, around, asked=asked, place=runtime.engine)
        reasons = [str(runtime), str(choice)]
        if runtime.engine == "native" and around.native:
            reasons.insert(1, f"engine: {around.native.name}")
        if runtime.runtime == "native" and self.settings.enable_monitoring:
            reasons += self._left_out()
        memory = (
            around.docker.memory_bytes if around.docker and runtime.engine == "docker" else None
        )
        return Placement(
            runtime=runtime.runtime, choice=choice, reasons=tuple(reasons), memory_bytes=memory
        )

    @cached_property
    def _running(self) -> Literal["native", "docker", "hybrid", ""]:
        """Return the runtime to stay on if it can be; Docker is asked only where it matters."""
        return self.running() if self.settings.runtime == "auto" else ""

    def _staying(self, stack: Stack, around: Surroundings) -> RuntimeChoice | None:
        """Return the runtime that runs, None where nothing does or it cannot run *stack*."""
        asked = self.settings.accelerator
        if not self._running:
            return None
        try:
            found = choose_runtime(stack, around, wanted=self._running, asked=asked)
            choose(stack, around, asked=asked, place=found.engine)
        except FrontierError:
            return None
        return replace(found, reason="that is what runs (another: --runtime)")

    def in_docker(self, stack: Stack, machine: Machine) -> Choice:
        """Decide where *stack* would compute in containers, even where there is no Docker.

        Raises:
            RefusedError: the accelerator that was asked for cannot be used there.
        """
        from frontier.adapters.compute_host import read_devices

        around = Surroundings(machine=machine, docker=self.docker, devices=read_devices())
        return choose(stack, around, asked=self.settings.accelerator, place="docker")

    def _surroundings(self, stack: Stack, machine: Machine) -> Surroundings:
        from frontier.adapters.compute_host import read_devices

        return Surroundings(
            machine=machine,
            native=self.native(stack, machine) if "native" in stack.runtimes else None,
            docker=self.docker if self._needs_docker(stack, machine) else None,
            devices=read_devices(),
        )

    def _needs_docker(self, stack: Stack, machine: Machine) -> bool:
        """Tell whether Docker has a say: asking it takes longer than all else."""
        if self.settings.runtime != "auto":
            return self.settings.runtime != "native"
        if self._running in _DOCKERED:
            return True
        is_native_first = stack.runtimes[:1] == ("native",)
        has_gpu = bool(gpus_of(machine, "cuda") or gpus_of(machine, "rocm"))
        return "docker" in stack.runtimes and (has_gpu or not is_native_first)

    @property
    def _problem(self) -> str:
        return self._docker.message if isinstance(self._docker, FrontierError) else ""

    @staticmethod
    def _left_out() -> list[str]:
        return [
            "monitoring: left out, it runs in Docker (add it: --runtime docker; or to a Prometheus"
            " of your own: frontier stack monitoring)"
        ]
