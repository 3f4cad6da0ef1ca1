"""Answers become settings once their project counts, and are asked for until they are."""

from pathlib import Path

import pytest

from frontier.bootstrap import Services
from frontier.configuration import Configuration
from frontier.domain.errors import StorageError
from frontier.domain.project import Project

ASKED = {"default_model": "mine:1", "max_context_length": "4096", "bind_address": "::1"}
KEPT = {"runtime": "native"}


@pytest.fixture
def services(tmp_path: Path) -> Services:
    services = Services(chosen=tmp_path / "w", overrides=ASKED, settles=True)
    services.project.save(Project(name="p", stack="llamacpp", asked={**ASKED, **KEPT}))
    services.workspace.env_file.write_text("MAX_CONTEXT_LENGTH=8192\n# mine\n")
    return services


def asked(services: Services) -> dict[str, str]:
    project = services.project.load()
    assert project is not None
    return dict(project.asked)


def test_what_differs_from_the_defaults_is_written_and_asked_for_no_longer(
    services: Services,
) -> None:
    services.recovery.settle(ASKED)

    assert services.workspace.env_file.read_text() == (
        "# mine\nDEFAULT_MODEL=mine:1\nBIND_ADDRESS=::1\n"
    )
    assert asked(services) == KEPT
    assert services.asking_again().settings.default_model == "mine:1"


def test_a_disk_that_is_full_in_the_middle_loses_no_answer(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Configuration, name: str, value: str) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(Configuration, "set", full)
    with pytest.raises(StorageError):
        services.recovery.settle(ASKED)

    assert asked(services) == {**ASKED, **KEPT}
    assert services.asking_again().settings.default_model == "mine:1"  # what `start` starts
