"""From nothing to a streamed token: the use-case behind `frontier up`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from frontier.domain.chat import Answer, Message
from frontier.domain.errors import DoesNotFitError, FrontierError, UsageError
from frontier.domain.machine import Machine
from frontier.domain.model import Model
from frontier.domain.plan import Step, reconcile
from frontier.domain.project import Project
from frontier.domain.stack import Stack
from frontier.domain.wanted import Listening, Wanted
from frontier.ports import (
    ChatClient,
    Clock,
    MachineProbe,
    ProjectFile,
    Reporter,
    Runtime,
    SnapshotStore,
    StackSource,
)
from frontier.usecases.chat import ask

# Memory that llama.cpp takes besides weights and KV cache: buffers for one batch, the vocabulary.
_OVERHEAD_BYTES = 256 * 2**20
_QUESTION = Message("user", "Say hello in one short sentence.")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackUp:
    """What `up` did, or with a dry run would do.

    Attributes:
        runtime: ``native``.
        urls: Where the gateway answers, without a path.
        decisions: What was decided, each with its reason.
        steps: What changed; empty when all ran already.
        answer: The proof; None in a dry run.
        clients: One line to paste per client, by its name.
    """

    stack: str
    model: str
    runtime: str
    urls: tuple[str, ...]
    decisions: tuple[str, ...]
    steps: tuple[Step, ...]
    applied: bool
    answer: Answer | None
    clients: Mapping[str, str]


class Narrator:
    """Says each decision once and remembers it for the result."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.decisions: list[str] = []

    def decide(self, text: str) -> None:
        """Say *text* and keep it."""
        self.decisions.append(text)
        self._reporter.say(text)


def up(
    wanted: Wanted,
    *,
    stacks: StackSource,
    machine: MachineProbe,
    obtain: Callable[[str], Model],
    build: Callable[[Model, Machine], Project],
    free_ports: Callable[[Listening], None],
    runtime: Runtime,
    project: ProjectFile,
    snapshots: SnapshotStore,
    chat: ChatClient,
    clock: Clock,
    clients: Callable[[str], Mapping[str, str]],
    narrator: Narrator,
    reporter: Reporter,
    on_text: Callable[[str], None],
    dry_run: bool = False,
) -> StackUp:
    """Bring *wanted* up and prove it by streaming a token through the gateway.

    Args:
        wanted: Stack, model and values.
        stacks: Where the stack comes from.
        machine: Probes the machine.
        obtain: Returns the model, downloading it where it is not there.
        build: Renders the project for a model on a machine.
        free_ports: Raises PortTakenError when the gateway could not listen.
        runtime: Runs the project.
        project: What ran before.
        snapshots: Take one before anything changes.
        chat: The gateway, as users reach it.
        clock: Measures the answer.
        clients: Returns the lines to paste for a model name.
        narrator: Hears every decision.
        reporter: Shows progress.
        on_text: Receives the proof's text as it streams.
        dry_run: Decide and print, change nothing.

    Raises:
        RefusedError: unsafe or too large; nothing was changed.
        RuntimeFailedError: a service did not start or no token came; what ran before runs again.
    """
    stack = stacks.load(wanted.stack)
    narrator.decide(_runtime(stack))
    found = machine()
    narrator.decide(describe(found))
    model = obtain(wanted.model)
    rendered = build(model, found)
    state = runtime.state()
    steps = reconcile(rendered.digests, state.digests if state else {})
    settled = state is not None and state.is_ready(rendered.digests)
    if not settled:
        require_fit(model, found, running=state is not None)
    for step in steps:
        narrator.decide(str(step))
    answer = None
    if not dry_run:
        if state is None:
            free_ports(wanted.listening)
        if not settled:
            _bring_up(rendered, runtime, project, snapshots, reporter, keep=state is not None)
        else:
            narrator.decide("everything runs already, unchanged")
        answer = ask(
            rendered.routes[0].model, [_QUESTION], chat=chat, clock=clock, on_text=on_text,
            sampling=wanted.proof,
        )  # fmt: skip
    return StackUp(
        stack=stack.name,
        model=model.name,
        runtime="native",
        urls=wanted.listening.urls,
        decisions=tuple(narrator.decisions),
        steps=steps,
        applied=not dry_run,
        answer=answer,
        clients=clients(model.name),
    )


def require_fit(model: Model, machine: Machine, *, running: bool) -> None:
    """Refuse a model that memory cannot hold, before an engine tries.

    Args:
        model: Its file size stands for its weights.
        machine: Its available memory, or all of it where *running*: what runs gives way.
        running: A stack runs that the new one replaces.

    Raises:
        DoesNotFitError: needed and present, in bytes.
    """
    if machine.memory is None:
        return
    there = machine.memory.ceiling_bytes if running else machine.memory.available_bytes
    needed = model.size_bytes + _OVERHEAD_BYTES
    if needed > there:
        raise DoesNotFitError(
            f"{model.name} does not fit: it needs about {needed:,} bytes, {there:,} are there",
            hint="Choose a smaller one: `frontier models list` and `frontier up --model NAME`.",
        )


def describe(machine: Machine) -> str:
    """Return one line: what computes, and how much fits."""
    gib = 2**30
    memory = machine.memory
    parts = [
        f"machine: {machine.os} {machine.arch}",
        machine.apple.name if machine.apple else f"{machine.cpu.usable} usable CPUs",
        f"{memory.available_bytes / gib:.1f} of {memory.ceiling_bytes / gib:.1f} GiB memory free"
        if memory
        else "memory unknown",
        ", ".join(gpu.name for gpu in machine.gpus) or ("Metal" if machine.apple else "no GPU"),
    ]
    return ", ".join(parts)


def _runtime(stack: Stack) -> str:
    if "native" not in stack.runtimes:
        raise UsageError(
            f"the stack {stack.name!r} cannot run natively, and this version runs nothing else",
            hint="Stacks that can: `runtimes: [native]` in their stack.yaml.",
        )
    return f"runtime: native, because {stack.title} ships with Frontier and needs no image"


def _bring_up(
    wanted: Project,
    runtime: Runtime,
    project: ProjectFile,
    snapshots: SnapshotStore,
    reporter: Reporter,
    *,
    keep: bool,
) -> None:
    before = project.load() if keep else None
    snapshots.take("up")
    try:
        runtime.apply(wanted)
        runtime.wait_ready(wanted, reporter)
    except (FrontierError, KeyboardInterrupt):
        _undo(before, runtime, project, reporter)
        raise


def _undo(
    before: Project | None, runtime: Runtime, project: ProjectFile, reporter: Reporter
) -> None:
    if before is None:
        runtime.stop(reporter)
        project.clear()
        return
    reporter.say("going back to what ran before")
    runtime.apply(before)
    runtime.wait_ready(before, reporter)
