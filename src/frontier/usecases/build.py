"""`frontier stack build`: compile an engine for this machine, or find one that is compiled."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from frontier.domain import toolchain
from frontier.domain.binary import Binary
from frontier.domain.build import (
    CUDA_BASE_IMAGE,
    MISTRAL,
    Method,
    Recipe,
    Wish,
    accelerator_of,
    decide,
)
from frontier.domain.errors import NotFoundError, UsageError
from frontier.domain.machine import Machine
from frontier.domain.stack import Stack
from frontier.domain.toolchain import Check, Toolchain
from frontier.ports import MachineProbe, Reporter

ENGINE: Final = "mistral"


class Builds(Protocol):
    """What was compiled in the workspace."""

    def find(self, recipe: Recipe) -> Binary | None:
        """Return what was compiled from the same inputs, None if nothing was."""
        ...

    def make(self, recipe: Recipe, cargo: str, search: str, reporter: Reporter) -> Binary:
        """Compile *recipe*, verify the result and keep it; all or nothing."""
        ...


class Images(Protocol):
    """Images of what was compiled."""

    def reference(self, binary: Binary, base: str) -> str:
        """Return the name of the image of *binary* on *base*."""
        ...

    def exists(self, reference: str) -> bool:
        """Tell whether the image is on this machine."""
        ...

    def make(self, binary: Binary, base: str, reporter: Reporter) -> str:
        """Build the image, run it once, and return its name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StackBuilt:
    """What `stack build` did, or with a dry run would do.

    Attributes:
        binary: The program; None where only an image is used, and in a dry run.
        image: The image; "" where there is none.
        decisions: What was decided, each with its reason.
        checks: Prerequisites, met or not.
        is_cached: Nothing had to be compiled or built.
    """

    stack: str
    method: Method
    version: str
    accelerator: str
    features: tuple[str, ...] = ()
    binary: Path | None = None
    image: str = ""
    decisions: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    is_cached: bool = False
    applied: bool = False


@dataclass(frozen=True, kw_only=True)
class Build:
    """One run of `stack build`, with all it asks of the outside.

    Attributes:
        machine: Probes the machine, and the disk that builds lie on.
        tools: Looks for compilers.
        search: Returns the PATH for the compilers.
        builds: What was compiled.
        images: Images of it.
        on_path: Returns the mistralrs on PATH, None if there is none.
        base: The base image of an image for the processor.
        given_image: MISTRAL_IMAGE, "" for the stack's own choice.
        reporter: Hears every decision and shows progress.
        decisions: Filled as they are made.
    """

    machine: MachineProbe
    tools: Callable[[], Toolchain]
    search: Callable[[], str]
    builds: Builds
    images: Images
    on_path: Callable[[], Binary | None]
    base: str
    given_image: str
    reporter: Reporter
    decisions: list[str] = field(default_factory=list[str])

    def run(
        self, stack: Stack, wish: Wish, method: Method, *, base: str = "", dry_run: bool = False
    ) -> StackBuilt:
        """Make the engine of *stack* ready to start.

        Args:
            stack: Must have an engine that is compiled.
            wish: What it should compute on.
            method: Compile it, make an image of it, or find one that somebody else compiled.
            base: Base image of *method* ``image``; "" for the one that suits.
            dry_run: Decide and look, change nothing.

        Raises:
            UsageError: *stack* is not built, or the wish contradicts itself.
            RefusedError: a prerequisite is missing, or the hardware is not fit.
            RuntimeFailedError: it does not compile or does not run.
        """
        _require_built(stack)
        if method == "prebuilt":
            return self._prebuilt(stack, wish)
        return self._compiled(stack, wish, method, base=base, dry_run=dry_run)

    def _compiled(
        self, stack: Stack, wish: Wish, method: Method, *, base: str, dry_run: bool
    ) -> StackBuilt:
        machine, tools = self.machine(), self.tools()
        recipe = decide(wish, machine, tools)
        self._decide(f"mistral.rs {recipe.version}, the newest on crates.io", *recipe.reasons)
        checks = _checks(recipe, machine, tools)
        binary, image = self.builds.find(recipe), ""
        is_cached = binary is not None
        if not dry_run:
            binary = binary or self._make(recipe, tools, checks)
            if method == "image":
                image, was_there = self._image(binary, recipe, base)
                is_cached = is_cached and was_there
        return StackBuilt(
            stack=stack.name,
            method=method,
            version=recipe.version,
            accelerator=recipe.accelerator,
            features=recipe.features,
            binary=binary.path if binary else None,
            image=image,
            decisions=tuple(self.decisions),
            checks=checks,
            is_cached=is_cached,
            applied=not dry_run,
        )

    def _make(self, recipe: Recipe, tools: Toolchain, checks: tuple[Check, ...]) -> Binary:
        toolchain.require(f"mistral.rs for {recipe.accelerator}", checks)
        return self.builds.make(recipe, tools.cargo_path, self.search(), self.reporter)

    def _decide(self, *texts: str) -> None:
        for text in texts:
            self.decisions.append(text)
            self.reporter.say(text)

    def _image(self, binary: Binary, recipe: Recipe, base: str) -> tuple[str, bool]:
        """Return the image of *binary*, and whether it was there."""
        if recipe.accelerator == "metal":
            raise UsageError(
                "Metal does not reach containers",
                hint="Build it natively: frontier stack build mistral --method cargo",
            )
        chosen = base or self.base
        if not base and recipe.accelerator == "cuda":
            chosen = CUDA_BASE_IMAGE.format(toolkit=recipe.toolkit)
        self._decide(f"base image: {chosen}")
        reference = self.images.reference(binary, chosen)
        if self.images.exists(reference):
            return reference, True
        return self.images.make(binary, chosen, self.reporter), False

    def _prebuilt(self, stack: Stack, wish: Wish) -> StackBuilt:
        """Return what others have compiled: on PATH first, else the stack's released image."""
        machine = self.machine()
        accelerator, why = accelerator_of(wish, machine)
        self._decide(f"accelerator: {accelerator}, because {why}")
        found = self.on_path()
        if found and found.report.accelerator == accelerator:
            self._decide(f"{found.path}: mistral.rs {found.report.version}, for {accelerator}")
            return self._found(stack, found, accelerator)
        if found:
            self._decide(f"{found.path} is passed over: made for {found.report.accelerator}")
        else:
            self._decide(f"there is no {MISTRAL.binary} on PATH")
        image = self.given_image or _released(stack, accelerator, machine)
        if not image:
            raise NotFoundError(
                f"there is no ready-made mistral.rs for {accelerator}",
                hint="frontier stack build mistral --method cargo",
            )
        self._decide(f"the released image {image}; `frontier start` pulls it where it is missing")
        return self._found(stack, None, accelerator, image)

    def _found(
        self, stack: Stack, binary: Binary | None, accelerator: str, image: str = ""
    ) -> StackBuilt:
        return StackBuilt(
            stack=stack.name,
            method="prebuilt",
            version=binary.report.version if binary else image.rpartition(":")[2],
            accelerator=accelerator,
            features=binary.report.features if binary else (),
            binary=binary.path if binary else None,
            image=image,
            decisions=tuple(self.decisions),
            is_cached=True,
            applied=True,
        )


def _require_built(stack: Stack) -> None:
    if stack.engine != ENGINE:
        raise UsageError(
            f"the stack {stack.name!r} is not built: {stack.engine} comes ready-made",
            hint="frontier stack build mistral",
        )


def _checks(recipe: Recipe, machine: Machine, tools: Toolchain) -> tuple[Check, ...]:
    return toolchain.checks(
        tools,
        machine,
        accelerator=recipe.accelerator,
        rust=MISTRAL.rust,
        capability=recipe.capability,
    )


def _released(stack: Stack, accelerator: str, machine: Machine) -> str:
    """Return the image that *stack* pins for *accelerator*, "" if there is none."""
    image = stack.images.get(ENGINE)
    if image is None or accelerator not in image.references:
        return ""
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine.arch, machine.arch)
    nvidia = [gpu.compute_capability for gpu in machine.gpus if gpu.vendor == "nvidia"]
    return image.reference(accelerator, arch, nvidia[0] if nvidia else "")
