"""`frontier models`, in a workspace that each file makes as it needs it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from frontier.bootstrap import Services
from frontier.cli import models as command
from frontier.cli.session import Session


@pytest.fixture
def cli(workspace: Path) -> Callable[..., str]:
    def run(*args: str) -> str:
        session = Session(Services(chosen=workspace), quiet=True)
        result = CliRunner().invoke(command.app, list(args), obj=session)
        if result.exception:
            raise result.exception
        return result.stdout

    return run
