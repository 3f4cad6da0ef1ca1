"""From nothing to a streamed token: the use-case behind `frontier up`."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from frontier.domain import fit
from frontier.domain.chat import Answer, Message
from frontier.domain.errors import ConfigError, FrontierError
from frontier.domain.machine import Machine
from frontier.domain.model import Model
from frontier.domain.plan import Step, reconcile
from frontier.domain.project import Project
from frontier.domain.stack import Stack
from frontier.domain.state import DaemonState
from frontier.domain.units import size
from frontier.domain.wanted import Listening, Wanted
from frontier.ports import (
    ChatClient,
    Clock,
    HeaderReader,
    MachineProbe,
    ProjectFile,
    Reporter,
    Runtime,
    SnapshotStore,
    StackSource,
)
from frontier.usecases.chat import ask
from frontier.usecases.models import PullPlan

_QUESTION = Message("user", "Say hello in one short sentence.")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackUp:
    """What `up` did, or with a dry run would do.

    Attributes:
        runtime: ``native``.
        urls: Where the gateway answers, without a path.
        decisions: What was decided, each with its reason.
        pull: The download that a dry run found to be missing; None where the model is there.
        steps: What changed; empty when all ran already.
        answer: The proof; None in a dry run.
        clients: One line to paste per client, by its name.
    """

    stack: str
    model: str
    runtime: str
    urls: tuple[str, ...]
    decisions: tuple[str, ...]
    pull: PullPlan | None
    steps: tuple[Step, ...]
    applied: bool
    answer: Answer | None
    clients: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Up:
    """One run of `up`, with all it asks of the outside.

    Attributes:
        stacks: Where the stack comes from.
        machine: Probes the machine.
        plan_model: Tells whether the model is there, and its size.
        obtain: Returns the model, downloading it where it is not there.
        memory: Resident bytes of a process id, None if it cannot be read.
        header: Reads what the model says about itself.
        engine: Says which engine will compute, and why that one.
        build: Renders the project for a model, a machine and a context in tokens.
        free_ports: Raises PortTakenError when the gateway could not listen; the given process
            ids may hold its ports.
        runtime: Runs the project.
        project: What ran before.
        snapshots: Take one before anything changes.
        chat: The gateway, as users reach it.
        clock: Measures the answer.
        clients: Returns the lines to paste for a model name.
        changing: Holds the workspace's lock; a long download needs none.
        reporter: Hears every decision and shows progress.
        on_text: Receives the proof's text as it streams.
        decisions: Filled as they are made.
    """

    stacks: StackSource
    machine: MachineProbe
    plan_model: Callable[[str], PullPlan]
    obtain: Callable[[str], Model]
    memory: Callable[[int], int | None]
    header: HeaderReader
    engine: Callable[[], str]
    build: Callable[[Model, Machine, int], Project]
    free_ports: Callable[[Listening, Collection[int]], None]
    runtime: Runtime
    project: ProjectFile
    snapshots: SnapshotStore
    chat: ChatClient
    clock: Clock
    clients: Callable[[str], Mapping[str, str]]
    changing: Callable[[str], AbstractContextManager[None]]
    reporter: Reporter
    on_text: Callable[[str], None]
    decisions: list[str] = field(default_factory=list[str])

    def run(self, wanted: Wanted, *, dry_run: bool = False) -> StackUp:
        """Bring *wanted* up and prove it by streaming a token through the gateway.

        Raises:
            RefusedError: unsafe or too large; nothing was changed.
            RuntimeFailedError: a service did not start or no token came; what ran before runs
                again.
        """
        stack = self.stacks.load(wanted.stack)
        self._decide(_runtime(stack))
        machine = self.machine()
        self._decide(describe(machine))
        self._decide(f"engine: {self.engine()}")
        state = self.runtime.state()
        free = fit.free_bytes(machine, held_bytes=self._held(state))
        plan = self._plan_model(wanted.model, free)
        chosen = self._choose(wanted, plan, download=not dry_run)
        project = self.build(chosen.model, machine, chosen.context)
        steps = reconcile(project.digests, state.digests if state else {})
        settled = state is not None and state.is_ready(project.digests)
        if not settled:
            fit.require(chosen.model.name, chosen.needed_bytes, free)
        self._decide(*map(str, steps or ["everything runs already, unchanged"]))
        answer = None
        if dry_run and not settled:
            self.free_ports(wanted.listening, state.pids if state else frozenset())
        if not dry_run:
            if not settled or self._saved() is None:
                self._bring_up(project, wanted.listening)
            answer = self._prove(chosen.model.name, wanted)
        return StackUp(
            stack=stack.name,
            model=chosen.model.name,
            runtime="native",
            urls=wanted.listening.urls,
            decisions=tuple(self.decisions),
            pull=None if plan.is_present else plan,
            steps=steps,
            applied=not dry_run,
            answer=answer,
            clients=self.clients(chosen.model.name),
        )

    def _decide(self, *texts: str) -> None:
        for text in texts:
            self.decisions.append(text)
            self.reporter.say(text)

    def _plan_model(self, name: str, free: int | None) -> PullPlan:
        """Refuse a model that memory cannot hold before its first byte is downloaded."""
        plan = self.plan_model(name)
        if not plan.is_present:
            length = size(plan.download_bytes) if plan.download_bytes else "size unknown"
            self._decide(f"model: {plan.name} is to be downloaded from {plan.source}, {length}")
            fit.require(plan.name, fit.needed_bytes(plan.size_bytes or 0, None, 0), free)
        return plan

    def _choose(self, wanted: Wanted, plan: PullPlan, *, download: bool) -> "_Chosen":
        if not plan.is_present and not download:
            return _Chosen(_planned(plan), wanted.context, 0)
        model = self.obtain(wanted.model)
        header = self.header(model.path)
        context = min(wanted.context, header.context_length or wanted.context)
        needed = fit.needed_bytes(model.size_bytes, header, context * wanted.parallel)
        self._decide(
            f"model: {model.name}, {context:,} tokens of context, about {size(needed)} of memory"
        )
        return _Chosen(model, context, needed)

    def _bring_up(self, project: Project, listening: Listening) -> None:
        with self.changing("up"):
            state = self.runtime.state()
            before = self._saved()
            self.free_ports(listening, state.pids if state else frozenset())
            self.snapshots.take("up")
            try:
                self.runtime.apply(project)
                self.runtime.wait_ready(project, self.reporter)
            except (FrontierError, KeyboardInterrupt):
                self._go_back(before, was_running=state is not None)
                raise

    def _saved(self) -> Project | None:
        try:
            return self.project.load()
        except ConfigError:
            return None  # damaged: rendered anew

    def _go_back(self, before: Project | None, *, was_running: bool) -> None:
        if before and was_running:
            self._decide("going back to what ran before")
            self.runtime.apply(before)
            self.runtime.wait_ready(before, self.reporter)
            return
        self.runtime.stop(self.reporter)
        if before:
            self.project.save(before)
        else:
            self.project.clear()

    def _held(self, state: DaemonState | None) -> int:
        """Return the memory that gives way when what runs is replaced."""
        return sum(self.memory(pid) or 0 for pid in state.pids) if state else 0

    def _prove(self, model: str, wanted: Wanted) -> Answer:
        return ask(
            model,
            [_QUESTION],
            chat=self.chat,
            clock=self.clock,
            on_text=self.on_text,
            sampling=wanted.proof,
        )


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The model to run, its context in tokens and the memory for both."""

    model: Model
    context: int
    needed_bytes: int


def describe(machine: Machine) -> str:
    """Return one line: what computes, and how much fits."""
    memory = machine.memory
    parts = [
        f"machine: {machine.os} {machine.arch}",
        machine.apple.name if machine.apple else f"{machine.cpu.usable} usable CPUs",
        f"{size(memory.available_bytes)} of {size(memory.ceiling_bytes)} memory free"
        if memory
        else "memory unknown",
        ", ".join(gpu.name for gpu in machine.gpus) or ("Metal" if machine.apple else "no GPU"),
    ]
    return ", ".join(parts)


def _planned(plan: PullPlan) -> Model:
    """Return the model of a dry run, which is not there yet."""
    return Model(
        name=plan.name,
        digest="",
        size_bytes=plan.size_bytes or 0,
        source=plan.source,
        file_name="",
        path=Path("not-downloaded-yet"),
    )


def _runtime(stack: Stack) -> str:
    stack.require_native()
    return f"runtime: native, because {stack.title} ships with Frontier and needs no image"
