"""What is told and completed of a command that was killed, on a real workspace."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import FakeReporter, containers
from frontier.adapters.files import locked
from frontier.bootstrap import Services
from frontier.domain.errors import ConfigError

GONE = 2**22 + 1  # above every pid_max


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CURRENT_STACK", raising=False)


@pytest.fixture
def anew(tmp_path: Path) -> Callable[[], Services]:
    """Return the services of the next command."""
    return lambda: Services(chosen=tmp_path)


def kill_select(services: Services, *, counts: bool) -> None:
    """Leave what `stack select mistral` leaves that is killed before or after it counts."""
    services.project.save(containers())
    with pytest.raises(KeyboardInterrupt):
        begin(services, counts=counts)
    path = services.workspace.changing
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": GONE}))


def begin(services: Services, *, counts: bool) -> None:
    with services.journal.during("stack select mistral", containers("mistral")):
        if counts:
            services.project.save(containers("mistral"))
        raise KeyboardInterrupt


def test_a_selection_that_counts_is_completed_once_and_told_until_a_start(
    anew: Callable[[], Services],
) -> None:
    kill_select(anew(), counts=True)

    told = anew().recovery.open_workspace()

    assert told == (
        "`frontier stack select mistral` was interrupted; declared is mistral; "
        "bring it back with: frontier start",
    )
    assert anew().settings.current_stack == "mistral"
    anew().configuration.set("CURRENT_STACK", "vllm")
    assert anew().recovery.open_workspace() == told
    assert anew().settings.current_stack == "vllm"


def test_a_selection_that_does_not_count_is_only_told(anew: Callable[[], Services]) -> None:
    kill_select(anew(), counts=False)

    (told,) = anew().recovery.open_workspace()

    assert "declared is llamacpp" in told
    assert not anew().workspace.env_file.exists()


def test_while_another_command_works_nothing_is_completed(anew: Callable[[], Services]) -> None:
    kill_select(anew(), counts=True)

    with locked(anew().workspace.lock, doing="frontier start"):
        (told,) = anew().recovery.open_workspace()

    assert "was interrupted" in told
    assert not anew().workspace.env_file.exists()


def test_selecting_while_nothing_runs_ends_what_was_told(anew: Callable[[], Services]) -> None:
    kill_select(anew(), counts=False)

    anew().recovery.select("vllm")

    assert anew().recovery.open_workspace() == ()
    assert anew().settings.current_stack == "vllm"
    assert anew().asking_again().settings.current_stack == "vllm"


def test_a_workspace_in_order_has_nothing_to_tell(anew: Callable[[], Services]) -> None:
    assert anew().recovery.open_workspace() == ()


def test_a_wrong_setting_keeps_nobody_from_stopping_or_going_back(
    anew: Callable[[], Services],
) -> None:
    anew().workspace.env_file.write_text("API_PORT=http\n")
    services = anew()

    with pytest.raises(ConfigError):
        _ = services.settings
    assert services.running.docker
    assert services.change_back("rollback", FakeReporter()).drain_s == 30.0
    anew().workspace.env_file.write_text("DRAIN_TIMEOUT=7\n")
    assert services.change_back("rollback", FakeReporter()).drain_s == 7.0
