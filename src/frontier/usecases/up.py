"""From nothing to a streamed token: the use-case behind `frontier up`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from frontier.domain import fit
from frontier.domain.accelerator import Choice
from frontier.domain.candidates import Format
from frontier.domain.chat import Answer
from frontier.domain.difference import explained
from frontier.domain.errors import ModelNotFoundError
from frontier.domain.machine import Machine
from frontier.domain.model import Model
from frontier.domain.placement import Placement
from frontier.domain.plan import Step, reconcile
from frontier.domain.project import Project
from frontier.domain.shape import Shape, Weights
from frontier.domain.stack import Stack
from frontier.domain.state import DaemonState
from frontier.domain.units import size
from frontier.domain.wanted import Wanted
from frontier.ports import ChatClient, Clock, HeaderReader, MachineProbe, Reporter, StackSource
from frontier.usecases.change import Change
from frontier.usecases.chat import prove
from frontier.usecases.models import PullPlan
from frontier.usecases.room import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class StackUp:
    """What `up` did, or with a dry run would do.

    Attributes:
        runtime: ``native``, ``docker`` or ``hybrid``.
        urls: Where the gateway answers, without a path.
        decisions: What was decided, each with its reason.
        pull: The download that a dry run found to be missing; None where the model is there.
        steps: What changed; empty when all ran already.
        answer: The proof; None in a dry run, and where the engine has no model yet.
        clients: One line to paste per client, by its name.
        pull_command: What brings an engine that has no model the one that was asked for; "" where
            the proof succeeded.
        pages: What people open in a browser, by service.
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
    pull_command: str = ""
    pages: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Up:
    """One run of `up`, `start` or `stack select`, with all it asks of the outside.

    Attributes:
        stacks: Where the stack comes from.
        machine: Probes the machine.
        place: Decides what runs the stack and where it computes.
        plan_model: Tells whether the model is there; with True it may ask for its size.
        obtain: Returns the model, downloading it where it is not there.
        own_model: Returns the model that the engine of a stack gets by itself; None where it
            takes one of the store.
        memory: Resident bytes of a process id, None if it cannot be read.
        header: Reads what the model says about itself.
        build: Renders the project for a stack, its place, a model, a machine and a context in
            tokens.
        images: Brings the images that a project needs to this machine; with True it only tells
            which are missing.
        change: Carries the project out.
        require_used: Raises where the engines of a project do not compute where it was chosen;
            returns what the person should know, "" for nothing.
        chat: The gateway, as users reach it.
        clock: Measures the answer.
        clients: Returns the lines to paste for a model name.
        reporter: Hears every decision and shows progress.
        on_text: Receives the proof's text as it streams.
        on_answer: Receives the proof once it is whole, before anything else is said.
        known: What is known of a model's memory before it is here, None for nothing.
        decisions: Filled as they are made.
    """

    stacks: StackSource
    machine: MachineProbe
    place: Callable[[Stack, Machine], Placement]
    plan_model: Callable[[str, bool], PullPlan]
    obtain: Callable[[str], Model]
    own_model: Callable[[Stack, str], Model | None]
    memory: Callable[[int], int | None]
    header: HeaderReader
    build: Callable[[Stack, Placement, Model, Machine, int], Project]
    images: Callable[[Project, bool], tuple[str, ...]]
    change: Change
    require_used: Callable[[Project, Choice], str]
    chat: ChatClient
    clock: Clock
    clients: Callable[[str], Mapping[str, str]]
    reporter: Reporter
    on_text: Callable[[str], None]
    on_answer: Callable[[Answer], None]
    known: Callable[[str, Format], tuple[Weights, Shape] | None] = lambda _name, _kind: None
    decisions: list[str] = field(default_factory=list[str])

    def run(self, wanted: Wanted, *, dry_run: bool = False) -> StackUp:
        """Bring *wanted* up and prove it by streaming a token through the gateway.

        Raises:
            StalePlanError: another command came between plan and change; nothing was changed.
            RefusedError: unsafe or too large; nothing was changed.
            ModelNotFoundError: the model is not here, and *wanted* says not to download it.
            RuntimeFailedError: a service did not start or no token came; what ran before runs
                again.
        """
        plan = self._plan(wanted, dry_run=dry_run)
        if dry_run:
            self._foresee(plan)
        answer = None if dry_run else self._carry_out(plan, wanted)
        name, lacks_model = plan.chosen.model.name, not dry_run and answer is None
        return StackUp(
            stack=plan.stack.name,
            model=name,
            runtime=plan.project.runtime,
            urls=wanted.listening.urls,
            decisions=tuple(self.decisions),
            pull=plan.chosen.plan,
            steps=plan.steps,
            applied=not dry_run,
            answer=answer,
            clients=self.clients(name),
            pull_command=_pull_command(plan, wanted.model) if lacks_model else "",
            pages=plan.project.pages,
        )

    def _plan(self, wanted: Wanted, *, dry_run: bool) -> "_Plan":
        """Decide what runs where, from what runs now; brings nothing but the model."""
        stack = self.stacks.load(wanted.stack)
        machine = self.machine()
        self._decide(describe(machine))
        place = self.place(stack, machine)
        self._decide(*place.reasons)
        state = self.change.runtime.state()
        held = self._held(state)
        room = Room(engine=stack.backend, machine=machine, place=place, held_bytes=held)
        chosen = self._choose(stack, wanted, room, dry_run=dry_run)
        project = self.build(stack, place, chosen.model, machine, chosen.context)
        observed = state.digests if state else {}
        steps = explained(
            reconcile(project.digests, observed), self.change.declared(), project, observed
        )
        self._decide(*map(str, steps or ["everything runs already, unchanged"]))
        is_settled = state is not None and state.is_ready(project.digests)
        if not is_settled and chosen.verdict:
            fit.require(chosen.model.name, chosen.verdict)
        return _Plan(
            stack=stack,
            place=place,
            chosen=chosen,
            project=project,
            steps=steps,
            state=state,
            is_settled=is_settled,
            fits_beside=chosen.fits_beside,
        )

    def _carry_out(self, plan: "_Plan", wanted: Wanted) -> Answer | None:
        proof = partial(self._prove, plan, wanted)
        if plan.is_settled and self.change.declared() is not None:
            self.change.redeclare(plan.project)
            return proof(plan.chosen.model.name)
        self.images(plan.project, False)
        return self.change.carry_out(plan.project, proof, fits_beside=plan.fits_beside)

    def _decide(self, *texts: str) -> None:
        for text in texts:
            self.decisions.append(text)
            self.reporter.say(text)

    def _choose(self, stack: Stack, wanted: Wanted, room: Room, *, dry_run: bool) -> "_Chosen":
        """Return the model to run; one that memory cannot hold is refused before its download."""
        if own := self.own_model(stack, wanted.model):
            self._decide(f"model: {own.name}, which {stack.title} gets by itself")
            self._warn(own.name, stack, wanted, room)
            return _Chosen(own, wanted.context)
        plan = self.plan_model(wanted.model, wanted.fetch)
        if not plan.is_present:
            self._require_fetch(plan, wanted)
            length = size(plan.download_bytes) if plan.download_bytes else "size unknown"
            self._decide(f"model: {plan.name} is to be downloaded from {plan.source}, {length}")
            self._require_room(plan, wanted, room)
            if dry_run:
                return _Chosen(_planned(plan), wanted.context, plan=plan)
        model = self.obtain(wanted.model)
        header = self.header(model.path)
        context = min(wanted.context, header.context_length or wanted.context)
        weights = header.weights or Weights(total_bytes=model.size_bytes)
        shape, load = header.shape or Shape(), wanted.load(context)
        verdict = room.judge(weights, shape, load)
        beside = room.judge(weights, shape, load, beside=True)
        needed = f", about {size(verdict.estimate.needed_bytes)} of memory" if verdict else ""
        self._decide(f"model: {model.name}, {context:,} tokens of context{needed}")
        if verdict and (warning := fit.prompt_warning(verdict)):
            self._decide(f"warning: {warning}")
        return _Chosen(
            model,
            context,
            verdict,
            fits_beside=beside is not None and beside.status == "fits",
            plan=None if plan.is_present else plan,
        )

    def _require_room(self, plan: PullPlan, wanted: Wanted, room: Room) -> None:
        """Refuse what memory cannot hold, before it is downloaded."""
        weights, shape = self.known(wanted.model, "gguf") or (None, Shape())
        context = min(wanted.context, shape.context or wanted.context)
        weights = weights or Weights(total_bytes=plan.size_bytes or 0)
        if verdict := room.judge(weights, shape, wanted.load(context)):
            fit.require(plan.name, verdict)

    def _warn(self, name: str, stack: Stack, wanted: Wanted, room: Room) -> None:
        """Tell where a model that the engine gets by itself seems too large.

        It is no reason to refuse: settings of the engine that nobody here reads may make it fit.
        """
        kind: Format = "ollama" if stack.model_format == "ollama" else "hub"
        found = self.known(name, kind)
        verdict = room.judge(*found, wanted.load(wanted.context)) if found else None
        if verdict and verdict.status == "no":
            needed, free = size(verdict.estimate.needed_bytes), size(verdict.free_bytes)
            self._decide(
                f"warning: {name} seems too large: it needs about {needed}, {free} are there "
                f"(frontier models fit {wanted.model} --stack {stack.name})"
            )

    def _require_fetch(self, plan: PullPlan, wanted: Wanted) -> None:
        if not wanted.fetch:
            raise ModelNotFoundError(
                f"the model {plan.name} is not on this machine",
                hint=f"Download it: frontier models pull {plan.name}, or begin with: frontier up",
            )

    def _foresee(self, plan: "_Plan") -> None:
        """Find what would stop a real run, and tell the images it would bring."""
        if not plan.is_settled:
            is_here = plan.chosen.plan is None
            project = plan.project if is_here else plan.project.without_models
            self.change.require_possible(project, plan.state)
        missing = self.images(plan.project, True)
        self._decide(*(f"image: {name} is to be brought" for name in missing))

    def _held(self, state: DaemonState | None) -> int:
        """Return the memory that gives way when what runs is replaced."""
        return sum(self.memory(pid) or 0 for pid in state.pids) if state else 0

    def _prove(self, plan: "_Plan", wanted: Wanted, model: str) -> Answer | None:
        try:
            answer = prove(
                model,
                chat=self.chat,
                clock=self.clock,
                on_text=self.on_text,
                sampling=wanted.proof,
            )
        except ModelNotFoundError:
            if plan.stack.model_format != "ollama":
                raise
            self._decide(f"{plan.stack.title} has no model {wanted.model} yet")
            return None
        self.on_answer(answer)
        if warning := self.require_used(plan.project, plan.place.choice):
            self._decide(f"warning: {warning}")
        return answer


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The model to run, its context in tokens, how both fit, and how it came here."""

    model: Model
    context: int
    verdict: fit.Verdict | None = None
    fits_beside: bool = False
    plan: PullPlan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is to run, and what was found when that was decided.

    Attributes:
        state: What ran.
        is_settled: That is what is to run already.
        fits_beside: Memory holds the old and the new engine at the same time.
    """

    stack: Stack
    place: Placement
    chosen: _Chosen
    project: Project
    steps: tuple[Step, ...]
    state: DaemonState | None
    is_settled: bool
    fits_beside: bool


def describe(machine: Machine) -> str:
    """Return one line: what computes, and how much fits."""
    memory = machine.memory
    parts = [
        f"machine: {machine.os} {machine.arch}",
        machine.apple.name if machine.apple else f"{machine.cpu.usable} usable CPUs",
        f"{size(memory.available_bytes)} of {size(memory.ceiling_bytes)} memory free"
        if memory
        else "memory unknown",
        ", ".join(gpu.name for gpu in machine.gpus if not gpu.hidden_by)
        or ("Metal" if machine.apple else "no GPU"),
    ]
    return ", ".join(parts)


def _pull_command(plan: _Plan, model: str) -> str:
    if plan.project.containers is None:
        return f"ollama pull {model}"
    name = plan.project.containers.name
    return f"docker exec {name}-{plan.stack.engine}-1 ollama pull {model}"


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
