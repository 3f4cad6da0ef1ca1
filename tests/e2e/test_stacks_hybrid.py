"""An engine on the host behind containers, as on a Mac: Docker Desktop's way to it is rebuilt."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil
import pytest

from fakes import FakeReporter
from frontier.adapters.docker_check import check
from frontier.bootstrap import Services
from frontier.usecases import lifecycle
from frontier_cli import free_port
from stack_workspace import Stacked, stacked


class Forward(socketserver.BaseRequestHandler):
    """Passes one connection on to loopback, at the same port."""

    def handle(self) -> None:
        port = self.server.server_address[1]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as engine:
            back = threading.Thread(target=pipe, args=(engine, self.request))
            back.start()
            pipe(self.request, engine)
            back.join()


def pipe(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def desktops_way_to_loopback(port: int) -> Iterator[None]:
    """Forward *port* of Docker's bridge to this machine's loopback, as Docker Desktop does."""
    address = psutil.net_if_addrs()["docker0"][0].address  # what host-gateway means to containers
    with socketserver.ThreadingTCPServer((address, port), Forward) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@pytest.fixture
def workspace(
    docker_images: dict[str, str], smollm2: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stacked]:
    folder = tmp_path_factory.mktemp("hybrid")
    with stacked(folder, docker_images, smollm2, ENABLE_MONITORING="true", RUNTIME="hybrid") as it:
        yield it


def test_the_engine_runs_on_the_host_and_all_else_in_containers(
    workspace: Stacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in workspace.cli.env.items():
        monkeypatch.setenv(name, value)
    services = Services(chosen=workspace.cli.workspace)
    services.placing.check = lambda: replace(check(), is_desktop=True)
    services.engine_port = free_port()
    heard: list[str] = []

    with desktops_way_to_loopback(services.engine_port):
        result = services.up(FakeReporter(), heard.append).run(services.wanted())

        status = workspace.cli.json("status")
        engine = next(s for s in status["services"] if s["name"] == "llamacpp")
        assert result.runtime == "hybrid"
        assert heard
        assert workspace.containers.keys() == {"gateway", "prometheus", "node-exporter"}
        assert status["state"] == "running"
        assert engine["port"] == services.engine_port
        assert "frontier" in " ".join(psutil.Process(engine["pid"]).cmdline())
        assert engine["compute"]["device"] == "CPU"
        assert lifecycle.stop(
            runtime=services.runtime,
            project=services.project,
            journal=services.journal,
            reporter=FakeReporter(),
        ).was_running

    assert workspace.containers == {}
    assert not psutil.pid_exists(engine["pid"])


def test_on_linux_it_is_refused_with_the_way_that_works(workspace: Stacked) -> None:
    assert "--runtime docker" in workspace.cli.fails(2, "up")
