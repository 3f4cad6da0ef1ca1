import contextlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

import pytest

from fakes import (
    FakeGateway,
    FakeJournal,
    FakeProjectFile,
    FakeReporter,
    FakeRuntime,
    FakeSnapshots,
    containers,
    project,
)
from frontier.domain.chat import Answer
from frontier.domain.errors import HalfDoneError, PortTakenError, RuntimeFailedError
from frontier.domain.project import Project
from frontier.domain.wanted import Listening
from frontier.usecases.change import Change


@dataclass
class World:
    """What a change is made in; `proof` answers, or fails where it is an error."""

    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    snapshots: FakeSnapshots = field(default_factory=FakeSnapshots)
    journal: FakeJournal = field(default_factory=FakeJournal)
    reporter: FakeReporter = field(default_factory=FakeReporter)
    proof: Answer | BaseException | None = None
    is_taken: bool = False
    told: list[str] = field(default_factory=list)

    @cached_property
    def file(self) -> FakeProjectFile:
        return FakeProjectFile(FakeRuntime())

    @cached_property
    def gateway(self) -> FakeGateway:
        return FakeGateway(self.runtime.calls)

    def free_ports(self, listening: Listening, ours: Collection[int]) -> None:
        if self.is_taken:
            raise PortTakenError("port 11434 is taken")

    def prove(self, model: str) -> Answer | None:
        self.runtime.calls.append(f"prove {model}")
        if isinstance(self.proof, BaseException):
            raise self.proof
        return self.proof

    def use_case(self) -> Change:
        return Change(
            command="select",
            runtime=self.runtime,
            project=self.file,
            snapshots=self.snapshots,
            journal=self.journal,
            gateway=lambda _: self.gateway,
            free_ports=self.free_ports,
            changing=lambda _: contextlib.nullcontext(),
            reporter=self.reporter,
            declared_now=lambda: self.told.append("declared"),
        )

    def change(self, to: Project, *, fits_beside: bool = False) -> Answer | None:
        return self.use_case().carry_out(to, self.prove, fits_beside=fits_beside)

    def running(self, now: Project) -> "World":
        self.runtime.running = self.file.project = now
        return self


def test_a_first_start_is_declared_only_after_its_token() -> None:
    world = World()

    world.change(containers())

    assert world.runtime.calls == ["apply m:1", "prove m:1"]
    assert world.file.project == containers()
    assert world.journal.noted == ["select -> llamacpp"]
    assert not world.journal.is_open
    assert world.snapshots.good == 1
    assert world.told == ["declared"]


def test_another_engine_that_fits_is_proved_beside_the_old_one_and_no_request_waits() -> None:
    world = World().running(containers())

    world.change(containers("mistral", "m:2"), fits_beside=True)

    assert world.runtime.calls == [
        "beside mistral",
        "routes m:1, frontier-proof",
        "loaded",
        "prove frontier-proof",
        "routes m:2",
        "loaded",
        "drain llamacpp",
        "apply m:2",
    ]
    assert world.file.project == containers("mistral", "m:2")


def test_another_engine_that_does_not_fit_beside_lets_requests_for_both_models_wait() -> None:
    world = World().running(containers())

    world.change(containers("mistral", "m:2"))

    assert world.runtime.calls == [
        "routes m:1 held, m:2 held",
        "loaded",
        "drain llamacpp",
        "apply m:2",
        "loaded",
        "prove frontier-proof",
        "routes m:2",
        "loaded",
    ]


def test_another_model_of_the_same_engine_lets_requests_wait() -> None:
    world = World().running(containers())

    world.change(containers(model="m:2"), fits_beside=True)

    assert world.runtime.calls[0] == "routes m:1 held, m:2 held"
    assert world.runtime.calls[-3:] == ["prove frontier-proof", "routes m:2", "loaded"]


def test_another_gateway_is_simply_started_anew() -> None:
    world = World().running(containers())

    world.change(containers("mistral", gateway="2"), fits_beside=True)

    assert world.runtime.calls == ["apply m:1", "prove m:1"]


def test_answers_that_take_too_long_are_broken_off_and_told() -> None:
    world = World().running(containers())
    world.gateway.left = 2

    world.change(containers("mistral"))

    assert "2 answers under way take too long and are broken off" in world.reporter.said


def test_an_engine_beside_that_does_not_get_ready_changes_nothing() -> None:
    world = World().running(containers())
    world.runtime.failing = {"m:2"}

    with pytest.raises(RuntimeFailedError):
        world.change(containers("mistral", "m:2"), fits_beside=True)

    assert world.runtime.calls == ["beside mistral", "routes m:1", "loaded", "apply m:1"]
    assert world.file.project == containers()
    assert world.snapshots.good == 0


def test_an_engine_beside_that_gives_no_token_is_never_reached_by_a_request() -> None:
    world = World(proof=RuntimeFailedError("no token")).running(containers())

    with pytest.raises(RuntimeFailedError):
        world.change(containers("mistral", "m:2"), fits_beside=True)

    assert world.runtime.calls[-3:] == ["routes m:1", "loaded", "apply m:1"]
    assert world.runtime.running
    assert world.runtime.running.digests == containers().digests


def test_a_new_engine_that_gives_no_token_makes_way_for_the_old_one_while_requests_wait() -> None:
    world = World(proof=RuntimeFailedError("no token")).running(containers())

    with pytest.raises(RuntimeFailedError, match="no token"):
        world.change(containers("mistral", "m:2"))

    assert world.runtime.running
    assert world.runtime.running.digests == containers().digests
    assert world.runtime.calls[-3:] == ["apply m:1", "routes m:1", "loaded"]
    assert world.file.project == containers()
    assert "going back to what ran before: llamacpp" in world.reporter.said


def test_ctrl_c_goes_back_too() -> None:
    world = World(proof=KeyboardInterrupt()).running(containers())

    with pytest.raises(KeyboardInterrupt):
        world.change(containers("mistral"))

    assert world.file.project == containers()
    assert not world.journal.is_open


def test_a_failed_first_start_leaves_nothing() -> None:
    world = World(proof=RuntimeFailedError("no token"))

    with pytest.raises(RuntimeFailedError):
        world.change(containers())

    assert world.runtime.running is None
    assert world.file.project is None


def test_from_the_host_to_containers_and_back() -> None:
    world = World().running(project())

    world.change(containers())
    world.change(project())

    assert world.runtime.calls == ["apply m:1", "prove m:1", "apply m:1", "prove m:1"]


@pytest.mark.parametrize("to", [project(), containers()])
def test_a_taken_port_is_found_before_anything_is_touched(to: Project) -> None:
    world = World(is_taken=True)
    world.runtime.refusal = PortTakenError("port 9090 is taken")

    with pytest.raises(PortTakenError):
        world.change(to)

    assert (world.runtime.calls, world.snapshots.taken, world.journal.noted) == ([], [], [])


def test_a_damaged_declaration_is_written_anew() -> None:
    world = World()
    world.file.is_damaged = True

    world.change(containers())

    assert world.file.project == containers()


def test_what_runs_already_is_declared_with_what_was_asked_for_now() -> None:
    world = World().running(containers())

    world.use_case().redeclare(replace(containers(), asked={"default_model": "m:1"}))

    assert world.file.project
    assert world.file.project.asked == {"default_model": "m:1"}
    assert world.told == ["declared"]
    assert world.runtime.calls == []


def test_what_another_command_had_declared_is_declared_anew() -> None:
    world = World()
    world.runtime.running, world.file.project = containers("mistral"), containers()

    world.use_case().redeclare(containers("mistral"))

    assert world.file.project == containers("mistral")


def test_what_a_killed_exchange_left_waiting_is_let_through_though_all_runs_already() -> None:
    world = World().running(containers())
    world.journal.kill()

    world.use_case().redeclare(containers())

    assert world.runtime.calls == ["apply m:1"]
    assert world.journal.interrupted() is None


def test_after_a_killed_command_nothing_is_taken_to_run_as_declared() -> None:
    world = World().running(containers())
    world.journal.kill()

    world.change(containers("mistral", "m:2"), fits_beside=True)

    assert world.runtime.calls == ["apply m:2", "prove m:2"]
    assert world.journal.interrupted() is None


def test_behind_a_gateway_that_does_not_run_engines_are_simply_started_anew() -> None:
    world = World().running(containers())
    world.runtime.pid = None

    world.change(containers("mistral", "m:2"), fits_beside=True)

    assert world.runtime.calls == ["apply m:2", "prove m:2"]


def test_a_gateway_that_is_only_late_with_its_health_check_still_stays() -> None:
    world = World().running(containers())
    world.runtime.phase = "backoff"

    world.change(containers("mistral", "m:2"), fits_beside=True)

    assert world.runtime.calls[0] == "beside mistral"


def test_what_is_declared_is_brought_back_after_a_killed_command() -> None:
    world = World().running(containers())
    world.runtime.running = containers("mistral", "m:2")
    world.journal.kill()

    world.use_case().recover()

    assert world.runtime.running == containers()
    assert world.journal.interrupted() is None
    assert "bringing back what is declared: llamacpp" in world.reporter.said


def test_without_a_killed_command_nothing_is_brought_back() -> None:
    world = World().running(containers())

    world.use_case().recover()

    assert world.runtime.calls == []


def test_where_nothing_runs_nothing_is_brought_back_and_the_note_goes() -> None:
    world = World()
    world.file.project = containers()
    world.journal.kill()

    world.use_case().recover()

    assert world.runtime.calls == []
    assert world.journal.interrupted() is None


def test_what_runs_though_nothing_is_declared_is_stopped() -> None:
    world = World()
    world.runtime.running = containers()
    world.journal.kill()

    world.use_case().recover()

    assert world.runtime.running is None


def test_what_cannot_be_brought_back_is_still_told_later() -> None:
    world = World().running(containers())
    world.runtime.failing = {"m:1"}
    world.journal.kill()

    with pytest.raises(RuntimeFailedError):
        world.use_case().recover()

    assert world.journal.interrupted()


def test_a_bug_goes_back_like_any_failure() -> None:
    world = World(proof=ValueError("a bug")).running(containers())

    with pytest.raises(ValueError, match="a bug"):
        world.change(containers("mistral", "m:2"))

    assert world.runtime.running
    assert world.runtime.running.digests == containers().digests
    assert not world.journal.is_open


def test_where_going_back_fails_both_failures_are_told_and_the_note_stays() -> None:
    world = World(proof=RuntimeFailedError("no token", details="last words")).running(containers())
    world.runtime.failing = {"m:1"}

    with pytest.raises(HalfDoneError) as caught:
        world.change(containers("mistral", "m:2"))

    assert caught.value.message == "no token; and going back failed: llamacpp died"
    assert caught.value.details == "last words\nout of memory"
    assert world.journal.is_open
