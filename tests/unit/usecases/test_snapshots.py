import contextlib
from dataclasses import dataclass, field, replace

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
from frontier.domain.errors import ConfigError, NotFoundError, RuntimeFailedError
from frontier.domain.project import Project
from frontier.domain.snapshot import FileChanges, Snapshot
from frontier.usecases.change import Change
from frontier.usecases.snapshots import RolledBack, last_good, rollback

ANSWER = Answer(
    text="Hi", completion_tokens=1, time_to_first_token_s=0.1, rate_tokens_per_s=0.0, is_cut=False
)


@dataclass
class World:
    """What a rollback is made in; `proof` answers, or fails where it is an error."""

    snapshots: FakeSnapshots = field(default_factory=FakeSnapshots)
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    file: FakeProjectFile = field(default_factory=lambda: FakeProjectFile(FakeRuntime()))
    journal: FakeJournal = field(default_factory=FakeJournal)
    reporter: FakeReporter = field(default_factory=FakeReporter)
    proof: Answer | BaseException | None = ANSWER

    def __post_init__(self) -> None:
        self.snapshots.on_restore = self.restore
        self.states: dict[str, Project | None] = {}

    def restore(self, snapshot: Snapshot) -> None:
        """Declare what was declared when *snapshot* was taken."""
        self.file.project = self.states[snapshot.before]

    def running(self, now: Project, *, before: Project | None) -> "World":
        """Have *now* run; one snapshot, of an `up`, holds *before*."""
        self.snapshots.take("up")
        self.runtime.running = self.file.project = now
        self.states = {"up": before, "rollback": now}
        return self

    def prove(self, model: str) -> Answer | None:
        self.runtime.calls.append(f"prove {model}")
        if isinstance(self.proof, BaseException):
            raise self.proof
        return self.proof

    def rollback(self, snapshot: str | None = None, *, dry_run: bool = False) -> RolledBack:
        change = Change(
            command="rollback",
            runtime=self.runtime,
            project=self.file,
            snapshots=self.snapshots,
            journal=self.journal,
            gateway=lambda _: FakeGateway(self.runtime.calls),
            free_ports=lambda listening, ours: None,
            changing=lambda _: contextlib.nullcontext(),
            reporter=self.reporter,
        )
        return rollback(snapshot, change=change, prove=self.prove, dry_run=dry_run)


def stopped(*befores: str) -> World:
    """Nothing runs; there is a snapshot before each command."""
    world = World()
    for before in befores:
        world.snapshots.take(before)
        world.states[before] = project()
    return world


def test_a_rollback_restores_the_newest_and_saves_the_present_first() -> None:
    world = stopped("config set")

    result = world.rollback()

    assert world.snapshots.restored == ["0-config set"]
    assert [s.before for s in world.snapshots.taken] == ["config set", "rollback"]
    assert not result.restarted
    assert result.answer is None
    assert world.runtime.calls == []
    assert world.snapshots.good == 0


def test_a_rollback_passes_over_snapshots_of_the_same_configuration_and_over_rollbacks() -> None:
    world = stopped("config set", "rollback", "up")
    world.snapshots.same = {"up"}

    result = world.rollback()

    assert result.snapshot.before == "config set"
    assert result.changes == FileChanges(changed=(".env",))


def test_what_runs_on_the_host_follows_the_restored_project_and_gives_a_token() -> None:
    world = World().running(project(), before=project("old"))

    result = world.rollback("0-up")

    assert world.runtime.calls == ["apply old", "prove old"]
    assert (result.restarted, result.answer) == (True, ANSWER)
    assert world.snapshots.good == 1


def test_containers_are_exchanged_while_requests_wait() -> None:
    world = World().running(containers("mistral", "m:2"), before=containers())

    world.rollback()

    assert world.runtime.calls == [
        "routes m:2 held, m:1 held",
        "loaded",
        "drain mistral",
        "apply m:1",
        "loaded",
        "prove frontier-proof",
        "routes m:1",
        "loaded",
    ]
    assert world.snapshots.good == 1
    assert not world.journal.is_open


def test_after_a_killed_command_containers_are_simply_started_anew() -> None:
    world = World().running(containers("mistral", "m:2"), before=containers())
    world.journal.kill()

    world.rollback("0-up")

    assert world.runtime.calls == ["apply m:1", "prove m:1"]
    assert world.journal.interrupted() is None


def test_without_a_declared_model_nothing_is_asked_for_a_token() -> None:
    world = World().running(containers(), before=replace(containers(), routes=()))

    result = world.rollback()

    assert world.runtime.calls == ["apply "]
    assert result.answer is None
    assert world.snapshots.good == 0


def test_an_engine_that_has_no_model_yet_is_not_good() -> None:
    world = World(proof=None).running(containers("mistral"), before=containers("ollama"))

    assert world.rollback().answer is None
    assert world.snapshots.good == 0


def test_a_restored_project_that_does_not_start_gives_way_to_what_ran() -> None:
    world = World().running(project("m:1"), before=project("m:2"))
    world.runtime.failing = {"m:2"}

    with pytest.raises(RuntimeFailedError):
        world.rollback()

    assert world.snapshots.restored == ["0-up", "1-rollback"]
    assert world.runtime.running == project("m:1")
    assert world.file.project == project("m:1")


@pytest.mark.parametrize("error", [RuntimeFailedError("no token"), KeyboardInterrupt()])
def test_a_restored_engine_that_gives_no_token_makes_way_while_requests_wait(
    error: BaseException,
) -> None:
    world = World(proof=error).running(containers("mistral", "m:2"), before=containers())

    with pytest.raises(type(error)):
        world.rollback()

    assert world.snapshots.restored == ["0-up", "1-rollback"]
    assert world.runtime.running
    assert world.runtime.running.digests == containers("mistral", "m:2").digests
    assert world.runtime.calls[-3:] == ["apply m:2", "routes m:2", "loaded"]
    assert world.file.project == containers("mistral", "m:2")
    assert world.snapshots.good == 0


def test_a_restored_project_that_cannot_be_read_gives_way_too() -> None:
    world = World().running(containers(), before=containers("mistral"))
    restore = world.restore

    def damage(snapshot: Snapshot) -> None:
        restore(snapshot)
        world.file.is_damaged = snapshot.before == "up"

    world.snapshots.on_restore = damage

    with pytest.raises(ConfigError):
        world.rollback()

    assert world.file.load() == containers()
    assert world.runtime.running == containers()


def test_what_runs_stops_when_the_restored_workspace_has_no_project() -> None:
    world = World().running(project(), before=None)

    world.rollback()

    assert world.runtime.calls == ["stop"]


def test_a_dry_rollback_changes_nothing() -> None:
    world = World().running(project(), before=project("old"))

    result = world.rollback(dry_run=True)

    assert not result.applied
    assert not result.restarted
    assert (world.snapshots.restored, len(world.snapshots.taken)) == ([], 1)
    assert (world.runtime.calls, world.journal.noted) == ([], [])


def test_a_rollback_without_a_snapshot_says_so() -> None:
    with pytest.raises(NotFoundError, match="no earlier configuration"):
        World().rollback()


class Saved(FakeSnapshots):
    """Snapshots that are given, newest first, and the present state as the letter of one."""

    def __init__(self, *snapshots: Snapshot, present: str) -> None:
        super().__init__()
        self.taken = list(reversed(snapshots))
        self.present = present

    def changes(self, snapshot: Snapshot) -> FileChanges:
        return FileChanges(changed=() if snapshot.id[0] == self.present else (".env",))


def saved(name: str, before: str = "up", *, good_at: str = "") -> Snapshot:
    return Snapshot(id=name, before=before, files=(), good_at=good_at)


def test_the_last_state_that_gave_a_token_is_gone_back_to_not_the_last_one() -> None:
    store = Saved(saved("c"), saved("b", good_at="2"), saved("a", good_at="1"), present="d")

    assert last_good(store).id == "b"


def test_a_state_that_gave_a_token_again_counts_as_newer() -> None:
    store = Saved(saved("b", good_at="2"), saved("a", good_at="3"), present="c")

    assert last_good(store).id == "a"


def test_from_a_good_state_the_other_good_one_is_gone_back_to() -> None:
    store = Saved(saved("b", good_at="2"), saved("a", good_at="3"), present="a")

    assert last_good(store).id == "b"


def test_where_nothing_ever_gave_a_token_the_last_other_state_is_taken() -> None:
    store = Saved(saved("b"), saved("a"), present="b")

    assert last_good(store).id == "a"


def test_rolling_back_again_goes_further_back_and_never_forth() -> None:
    store = Saved(
        saved("d", "rollback"), saved("c"), saved("b", good_at="2"), saved("a"), present="b"
    )

    assert last_good(store).id == "a"

    store.present = "a"
    with pytest.raises(NotFoundError):
        last_good(store)


def test_a_rollback_is_noted_in_the_journal() -> None:
    world = stopped("up")

    world.rollback()

    assert world.journal.noted == ["rollback -> "]
