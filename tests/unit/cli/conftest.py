"""What the tests of commands share: free ports, and `frontier models` in a workspace."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from frontier.bootstrap import Services
from frontier.cli import models as command
from frontier.cli.session import Session


@pytest.fixture
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that runs on this machine takes none of the ports that a command asks for."""
    monkeypatch.setenv("GATEWAY_PORT", "0")
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("API_PORT", str(free.getsockname()[1]))


@pytest.fixture
def cli(workspace: Path) -> Callable[..., str]:
    def run(*args: str) -> str:
        session = Session(Services(chosen=workspace), quiet=True)
        result = CliRunner().invoke(command.app, list(args), obj=session)
        if result.exception:
            raise result.exception
        return result.stdout

    return run
