"""Engines by name, with a resolver that the test commands, in a real gateway process."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway_process import GatewayProcess, ask, chat, get
from scripted_upstream import ScriptedUpstream, answer, bound, completion

# Loaded by the interpreter before the gateway; names stand in a file that the test writes.
HOOK = """
import os, pathlib, socket, time
real, names = socket.getaddrinfo, pathlib.Path(os.environ["TEST_NAMES"])
def getaddrinfo(host, *rest, **more):
    if host == "hangs":
        time.sleep(60)
    known = dict(line.split() for line in names.read_text().splitlines())
    return real(known.get(host, host), *rest, **more)
socket.getaddrinfo = getaddrinfo
"""

Names = Callable[..., None]


@pytest.fixture
def names(tmp_path: Path) -> Names:
    (tmp_path / "sitecustomize.py").write_text(HOOK)

    def write(**addresses: str) -> None:
        beside = tmp_path / "names.new"
        beside.write_text("".join(f"{name} {ip}\n" for name, ip in addresses.items()))
        beside.replace(tmp_path / "names")

    write()
    return write


@pytest.fixture
def gateway(names: Names, tmp_path: Path) -> Iterator[tuple[GatewayProcess, int]]:
    """A gateway, and the port that all engines of its routes have."""
    with bound() as free:
        port: int = free.getsockname()[1]
    models = "".join(
        f"  - {{name: {name}, backend: vllm, backend_url: 'http://{name}:{port}',"
        " timeouts: {connect: 500ms}}\n"
        for name in ("engine", "hangs", "unknown.invalid")
    )
    routes = tmp_path / "routes.yaml"
    routes.write_text(f"version: 1\nmodels:\n{models}")
    env = {"PYTHONPATH": str(tmp_path), "TEST_NAMES": str(tmp_path / "names")}
    with GatewayProcess("--config", routes, env=env) as process:
        yield process, port


def engine(host: str, port: int) -> ScriptedUpstream:
    upstream = ScriptedUpstream(bound(host, port))
    upstream.on("where", answer(completion("engine", host)))
    return upstream


def where(gateway: GatewayProcess) -> str:
    got = ask(gateway.port, chat("engine", "where"))
    return str(got.json["choices"][0]["message"]["content"]) if got.status == 200 else str(got.body)


def test_a_name_is_looked_up_for_every_new_connection(
    gateway: tuple[GatewayProcess, int], names: Names
) -> None:
    process, port = gateway
    names(engine="127.0.0.1")
    with engine("127.0.0.1", port):
        assert [where(process) for _ in range(3)] == ["127.0.0.1"] * 3
    names(engine="::1")
    with engine("::1", port):
        assert [where(process) for _ in range(3)] == ["::1"] * 3


def test_a_name_server_that_hangs_delays_neither_others_nor_the_end(
    gateway: tuple[GatewayProcess, int], names: Names
) -> None:
    process, port = gateway
    names(engine="127.0.0.1")
    with engine("127.0.0.1", port):
        got = [ask(process.port, chat("hangs")) for _ in range(3)]
        assert where(process) == "127.0.0.1"
        assert get(process.port, "/readyz").status == 503
        began = time.perf_counter()
        process.signal(signal.SIGTERM)
        assert process.wait(10) == 0

    assert [(answer.status, answer.error["code"]) for answer in got] == [
        (502, "upstream_error")
    ] * 3
    assert time.perf_counter() - began < 5


def test_a_name_that_does_not_exist_is_a_502_that_names_it(
    gateway: tuple[GatewayProcess, int],
) -> None:
    got = ask(gateway[0].port, chat("unknown.invalid"))

    assert got.status == 502
    assert "http://unknown.invalid:" in got.error["message"]
