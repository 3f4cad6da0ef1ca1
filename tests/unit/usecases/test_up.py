import contextlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import pytest

from fakes import (
    FakeChat,
    FakeGateway,
    FakeJournal,
    FakeProjectFile,
    FakeReporter,
    FakeRuntime,
    FakeSnapshots,
    project,
)
from frontier.domain.accelerator import Choice
from frontier.domain.chat import Piece
from frontier.domain.containers import Containers
from frontier.domain.errors import (
    DoesNotFitError,
    ModelNotFoundError,
    PortTakenError,
    RuntimeFailedError,
    StackNotFoundError,
)
from frontier.domain.machine import AppleChip, Cpu, Gpu, Machine, Memory
from frontier.domain.model import GgufHeader, Model
from frontier.domain.placement import Placement
from frontier.domain.project import Project
from frontier.domain.shape import Cache, Shape, Weights
from frontier.domain.stack import Stack
from frontier.domain.wanted import Listening, Wanted
from frontier.usecases.change import Change
from frontier.usecases.models import PullPlan
from frontier.usecases.up import StackUp, Up, describe

GIB = 2**30
LOOPBACK = Listening(address="127.0.0.1", ports=(11434, 8081))
MACHINE = Machine(
    os="linux",
    os_version="Debian 12",
    arch="x86_64",
    cpu=Cpu(model="EPYC", physical=2, logical=2, usable=2),
    memory=Memory(total_bytes=24 * GIB, available_bytes=20 * GIB),
    disk=None,
)


HEADER = GgufHeader(
    version=3,
    architecture="llama",
    name="m",
    parameters=1,
    quantisation="Q4_1",
    context_length=8192,
    embedding_length=576,
    block_count=30,
    head_count=9,
    head_count_kv=(3,),
    key_length=64,
    value_length=64,
    vocab_size=49152,
    expert_count=0,
    has_chat_template=True,
    tensor_count=272,
    shape=Shape(
        context=8192,
        layers=30,
        width=576,
        vocabulary=49152,
        heads=9,
        caches=(Cache(layers=30, elements=384),),
    ),
)


class OneStack:
    def __init__(self, model_format: Literal["gguf", "ollama", "hub"] = "gguf") -> None:
        self.model_format: Literal["gguf", "ollama", "hub"] = model_format

    def names(self) -> tuple[str, ...]:
        return ("llamacpp",)

    def load(self, name: str) -> Stack:
        if name != "llamacpp":
            raise StackNotFoundError(f"there is no stack named {name!r}")
        return Stack(name=name, title="t", engine="llamacpp", model_format=self.model_format)


@dataclass
class World:
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    chat: FakeChat = field(default_factory=lambda: FakeChat([Piece(text="Hi")]))
    snapshots: FakeSnapshots = field(default_factory=FakeSnapshots)
    stacks: OneStack = field(default_factory=OneStack)
    journal: FakeJournal = field(default_factory=FakeJournal)
    machine: Machine = MACHINE
    memory_bytes: int | None = None
    missing_images: tuple[str, ...] = ()
    size_bytes: int = 100_000_000
    taken: bool = False
    containers: Containers | None = None
    is_present: bool = True
    obtained: list[str] = field(default_factory=list)
    contexts: list[int] = field(default_factory=list)
    ours: list[Collection[int]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    known: tuple[Weights, Shape] | None = None
    warning: str = ""
    is_on_cpu: bool = False

    def require_used(self, project: Project, choice: Choice) -> str:
        if self.is_on_cpu:
            raise RuntimeFailedError("cuda was chosen, and llamacpp computes on the CPU")
        return self.warning

    @cached_property
    def file(self) -> FakeProjectFile:
        return FakeProjectFile(self.runtime)

    def free_ports(self, listening: Listening, ours: Collection[int]) -> None:
        self.ours.append(ours)
        if self.taken:
            raise PortTakenError(f"port {listening.ports[0]} is taken by nginx")

    def obtain(self, name: str) -> Model:
        self.obtained.append(name)
        return Model(
            name=name, digest="d", size_bytes=self.size_bytes, source="file:", file_name="f",
            path=Path("/m.gguf"),
        )  # fmt: skip

    def header(self, path: Path) -> GgufHeader:
        return HEADER

    def images(self, project: Project, dry_run: bool) -> tuple[str, ...]:
        self.runtime.calls.extend(() if dry_run else (f"pull {i}" for i in self.missing_images))
        return self.missing_images

    def plan(self, name: str, may_ask: bool) -> PullPlan:
        return PullPlan(
            name=name,
            source="" if self.is_present else "https://example.org/m.gguf",
            is_present=self.is_present,
            size_bytes=self.size_bytes,
            download_bytes=0 if self.is_present else self.size_bytes,
            disk_bytes=0,
            free_bytes=0,
        )

    def up(
        self,
        model: str = "m:1",
        *,
        stack: str = "llamacpp",
        dry_run: bool = False,
        context: int = 4096,
        fetch: bool = True,
    ) -> StackUp:
        def build(
            stack: Stack, place: Placement, model: Model, machine: Machine, context: int
        ) -> Project:
            self.contexts.append(context)
            return replace(project(model.name), containers=self.containers)

        change = Change(
            command="up",
            runtime=self.runtime,
            project=self.file,
            snapshots=self.snapshots,
            journal=self.journal,
            gateway=lambda _: FakeGateway(self.runtime.calls),
            free_ports=self.free_ports,
            changing=contextlib.nullcontext,
            reporter=FakeReporter(),
        )

        use_case = Up(
            stacks=self.stacks,
            machine=lambda: self.machine,
            place=lambda stack, machine: Placement(
                runtime="native", reasons=("runtime: a fake",), memory_bytes=self.memory_bytes
            ),
            plan_model=self.plan,
            obtain=self.obtain,
            own_model=lambda stack, name: (
                None if stack.model_format == "gguf" else replace(self.obtain(name), size_bytes=0)
            ),
            memory=lambda pid: 3 * GIB,
            header=self.header,
            build=build,
            images=self.images,
            change=change,
            require_used=self.require_used,
            chat=self.chat,
            clock=self.chat.clock,
            clients=lambda model: {"curl": model},
            reporter=FakeReporter(),
            on_text=self.heard.append,
            on_answer=lambda answer: self.heard.append(f"[{answer.completion_tokens}]"),
            known=lambda name, kind: self.known,
        )
        wanted = Wanted(stack=stack, model=model, listening=LOOPBACK, context=context, fetch=fetch)
        return use_case.run(wanted, dry_run=dry_run)


def test_up_ends_with_a_streamed_answer_and_where_to_find_it() -> None:
    world = World()

    result = world.up()

    assert world.heard == ["Hi", "[1]"]
    assert result.answer is not None
    assert result.urls == ("http://127.0.0.1:11434", "http://127.0.0.1:8081")
    assert [str(s) for s in result.steps] == [
        "start llamacpp: not running",
        "start gateway: not running",
    ]
    assert [s.before for s in world.snapshots.taken] == ["up"]


def test_up_twice_changes_nothing_and_proves_again() -> None:
    world = World()
    world.up()

    again = world.up()

    assert again.steps == ()
    assert again.answer is not None
    assert world.runtime.calls == ["apply m:1"]
    assert len(world.snapshots.taken) == 1


def test_another_model_restarts_only_the_engine_and_may_keep_the_ports() -> None:
    world = World()
    world.up()

    result = world.up("m:2")

    assert world.ours == [frozenset(), frozenset({7})]

    assert [str(s) for s in result.steps] == ["restart llamacpp: command changed"]


def test_a_dry_run_decides_and_changes_nothing() -> None:
    world = World()

    result = world.up(dry_run=True)

    assert not result.applied
    assert result.answer is None
    assert [s.action for s in result.steps] == ["start", "start"]
    assert (world.runtime.calls, world.snapshots.taken, world.heard) == ([], [], [])


def test_services_that_are_not_ready_are_waited_for_although_nothing_changed() -> None:
    world = World()
    world.up()
    world.runtime.phase = "backoff"

    world.up()

    assert world.runtime.calls == ["apply m:1", "apply m:1"]


def test_a_failed_start_leaves_nothing_running() -> None:
    world = World()
    world.runtime.failing = {"m:1"}

    with pytest.raises(RuntimeFailedError) as caught:
        world.up()

    assert caught.value.details == "out of memory"
    assert world.runtime.running is None


def test_a_failed_start_keeps_what_was_stopped_before() -> None:
    world = World()
    world.runtime.failing = {"m:2"}
    world.file.project = project("m:1")

    with pytest.raises(RuntimeFailedError):
        world.up("m:2")

    assert world.runtime.running is None
    assert world.file.project == project("m:1")


def test_a_damaged_project_is_rendered_anew_even_where_all_runs() -> None:
    world = World()
    world.up()
    world.file.is_damaged = True

    world.up()

    assert world.runtime.calls == ["apply m:1", "apply m:1"]


def test_a_failed_change_goes_back_to_what_ran() -> None:
    world = World()
    world.up()
    world.runtime.failing = {"m:2"}

    with pytest.raises(RuntimeFailedError):
        world.up("m:2")

    assert world.runtime.running == project("m:1")


def test_a_taken_port_is_found_before_anything_starts() -> None:
    world = World(taken=True)

    with pytest.raises(PortTakenError, match="nginx"):
        world.up()

    assert world.runtime.calls == []


def test_a_dry_run_finds_a_taken_port_too() -> None:
    with pytest.raises(PortTakenError):
        World(taken=True).up(dry_run=True)


def test_a_model_that_memory_cannot_hold_is_refused_in_bytes_before_the_download() -> None:
    world = World(size_bytes=20 * GIB, is_present=False)

    with pytest.raises(DoesNotFitError, match="21,512,585,216 bytes, 21,474,836,480 are there"):
        world.up()

    assert (world.obtained, world.runtime.calls) == ([], [])


def test_a_context_that_memory_cannot_hold_is_refused_before_anything_starts() -> None:
    tight = replace(MACHINE, memory=Memory(total_bytes=24 * GIB, available_bytes=400_000_000))
    world = World(machine=tight)

    with pytest.raises(DoesNotFitError) as caught:
        world.up()

    # weights, 4096 x 23,040 bytes, the engine and its buffers
    assert "453,370,112 bytes" in caught.value.message
    assert "MAX_CONTEXT_LENGTH" in caught.value.hint
    assert world.runtime.calls == []


def test_the_context_is_never_longer_than_the_model_was_trained_for() -> None:
    world = World()

    world.up(context=100_000)

    assert world.contexts == [8192]


def test_a_dry_run_of_a_missing_model_downloads_nothing() -> None:
    world = World(is_present=False)

    result = world.up(dry_run=True)

    assert result.pull is not None
    assert result.pull.download_bytes == 100_000_000
    assert world.obtained == []


def test_a_dry_run_of_a_missing_model_asks_for_no_file_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = {"name": "p", "services": {}}
    containers = Containers(document=document, links={"models/m": "not-downloaded-yet"})
    world = World(is_present=False, containers=containers)
    asked: list[Project] = []
    monkeypatch.setattr(
        world.runtime, "require_possible", lambda project, _: asked.append(project), raising=False
    )

    world.up(dry_run=True)

    assert [p.containers for p in asked] == [replace(containers, links={})]


def test_what_runs_gives_way_to_what_replaces_it() -> None:
    world = World()
    world.up()
    world.size_bytes = 21 * GIB

    assert world.up("m:2").answer is not None


def test_a_machine_whose_memory_is_unknown_is_given_a_try() -> None:
    world = World(machine=replace(MACHINE, memory=None), size_bytes=2**50)

    assert world.up().answer is not None


def test_start_never_downloads_and_says_how_to() -> None:
    world = World(is_present=False)

    with pytest.raises(ModelNotFoundError) as caught:
        world.up(fetch=False)

    assert "frontier models pull m:1" in caught.value.hint
    assert world.obtained == []


def test_dockers_memory_is_the_limit_where_docker_runs_it() -> None:
    world = World(size_bytes=3 * GIB, memory_bytes=2 * GIB)

    with pytest.raises(DoesNotFitError, match="2,147,483,648 are there"):
        world.up()


def test_images_are_brought_before_anything_changes() -> None:
    world = World(missing_images=("engine:1",))

    world.up()

    assert world.runtime.calls == ["pull engine:1", "apply m:1"]


def test_a_dry_run_tells_which_images_are_missing() -> None:
    result = World(missing_images=("engine:1",)).up(dry_run=True)

    assert "image: engine:1 is to be brought" in result.decisions


def test_a_model_that_the_engine_gets_itself_is_not_looked_for_in_the_store() -> None:
    world = World(stacks=OneStack("hub"), is_present=False)

    result = world.up("org/m")

    assert result.answer is not None
    assert "model: org/m, which t gets by itself" in result.decisions


def test_an_ollama_without_the_model_is_up_and_says_so() -> None:
    world = World(stacks=OneStack("ollama"))
    world.chat.error = ModelNotFoundError("no m:1")

    result = world.up()

    assert result.answer is None
    assert result.applied
    assert "t has no model m:1 yet" in result.decisions
    assert result.pull_command == "ollama pull m:1"


def test_a_model_that_an_engine_fetches_is_warned_of_where_it_seems_too_large() -> None:
    huge = (Weights(total_bytes=100 * GIB), Shape())

    result = World(stacks=OneStack("hub"), known=huge).up()

    assert [text for text in result.decisions if "m:1 seems too large" in text]
    assert result.applied


def test_what_the_catalog_knows_is_refused_before_the_download_with_its_context() -> None:
    shape = Shape(context=8192, caches=(Cache(layers=1, elements=3 * 2**20),))
    world = World(is_present=False, known=(Weights(total_bytes=GIB), shape))

    with pytest.raises(DoesNotFitError):
        world.up()  # 4,096 tokens of 6 MiB

    assert world.obtained == []


def test_another_engine_that_does_not_know_its_model_fails() -> None:
    world = World()
    world.chat.error = ModelNotFoundError("no m:1")

    with pytest.raises(ModelNotFoundError):
        world.up()


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (MACHINE, "2 usable CPUs, 20.0 GiB of 24.0 GiB memory free, no GPU"),
        (replace(MACHINE, gpus=(Gpu(vendor="nvidia", name="H200"),)), "H200"),
        (
            replace(
                MACHINE,
                apple=AppleChip(name="Apple M2", gpu_cores=10, unified_memory_bytes=24 * GIB),
            ),
            "Apple M2, 20.0 GiB of 24.0 GiB memory free, Metal",
        ),
        (replace(MACHINE, memory=None), "memory unknown"),
    ],
)
def test_the_machine_is_one_line(machine: Machine, words: str) -> None:
    assert words in describe(machine)


def test_an_engine_that_does_not_use_the_chosen_gpu_gives_way_to_what_ran() -> None:
    world = World()
    world.up("m:1")
    world.is_on_cpu = True

    with pytest.raises(RuntimeFailedError, match="computes on the CPU"):
        world.up("m:2")

    assert world.runtime.running == project("m:1")


def test_an_engine_that_uses_the_gpu_in_part_is_told_and_stays_up() -> None:
    result = World(warning="llamacpp computes partly on the CPU").up()

    assert result.decisions[-1] == "warning: llamacpp computes partly on the CPU"
    assert result.answer is not None


def test_an_engine_that_stopped_using_the_gpu_is_found_by_an_up_that_changes_nothing() -> None:
    world = World()
    world.up()
    world.is_on_cpu = True

    with pytest.raises(RuntimeFailedError, match="computes on the CPU"):
        world.up()
