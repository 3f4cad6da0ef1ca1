"""Ports on the real machine."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import NoReturn

import psutil
import pytest

from frontier.adapters.ports_free import ensure_port_free, free_port
from frontier.domain.errors import ConfigError, PortTakenError, RuntimeFailedError


def test_a_free_port_is_free() -> None:
    ensure_port_free("127.0.0.1", free_port())
    ensure_port_free("localhost", 0)


def test_a_taken_port_names_its_holder_and_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTakenError) as caught:
            ensure_port_free("127.0.0.1", port, variable="GATEWAY_PORT")

    assert caught.value.message.startswith(f"port {port} is taken by ")
    if sys.platform == "linux":
        assert f"(process {os.getpid()})" in caught.value.message
    *words, number = caught.value.hint.split()
    assert words == ["frontier", "config", "set", "GATEWAY_PORT"]
    ensure_port_free("127.0.0.1", int(number))


LISTENER = (
    "import socket, sys; server = socket.create_server((sys.argv[1], int(sys.argv[2])));"
    "print(server.getsockname()[1], flush=True); sys.stdin.read()"
)


@contextlib.contextmanager
def listener(host: str, port: int = 0) -> Iterator[tuple[int, int]]:
    """The process id and the port of a process that listens."""
    command = (sys.executable, "-c", LISTENER, host, str(port))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]
        yield process.pid, int(process.stdout.readline())
        process.stdin.close()


def nothing_is_told() -> NoReturn:
    raise psutil.AccessDenied(1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_that_is_ours_is_not_taken(host: str) -> None:
    with listener("127.0.0.1") as (pid, port):
        ensure_port_free(host, port, ours=[pid])


def test_a_port_that_is_ours_is_not_taken_where_the_system_tells_only_about_our_own() -> None:
    with listener("127.0.0.1") as (pid, port):
        ensure_port_free("127.0.0.1", port, ours=[pid], everyone=nothing_is_told)


def test_where_the_system_tells_nothing_a_stranger_has_no_name() -> None:
    with (
        listener("127.0.0.1") as (_, port),
        listener("127.0.0.1") as (ours, _),
        pytest.raises(PortTakenError, match=f"port {port} is taken by another process"),
    ):
        ensure_port_free("127.0.0.1", port, ours=[ours, 2**22 + 1], everyone=nothing_is_told)


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has one loopback address")
def test_our_port_on_another_address_does_not_excuse_a_stranger() -> None:
    with (
        listener("127.0.0.1") as (ours, port),
        listener("127.0.0.2", port) as (stranger, _),
        pytest.raises(PortTakenError, match=rf"\(process {stranger}\)"),
    ):
        ensure_port_free("127.0.0.2", port, ours=[ours])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere IPv4 may listen beside")
def test_everywhere_in_ipv6_is_taken_by_who_listens_in_ipv4() -> None:
    with (
        listener("127.0.0.1") as (_, port),
        pytest.raises(PortTakenError, match=f"port {port} is taken"),
    ):
        ensure_port_free("::", port)


def test_a_port_in_time_wait_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()

    ensure_port_free("127.0.0.1", port)


def test_when_the_whole_neighbourhood_is_taken_the_hint_still_names_a_free_port() -> None:
    with socket.create_server(("127.0.0.1", 65535)), pytest.raises(PortTakenError) as caught:
        ensure_port_free("127.0.0.1", 65535)

    ensure_port_free("127.0.0.1", int(caught.value.hint.split()[-1]))


def test_an_address_of_another_machine_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1") as caught:
        ensure_port_free("192.0.2.1", 11434)

    assert "BIND_ADDRESS" in caught.value.hint


def test_a_port_that_needs_privileges_is_refused_with_another() -> None:
    if os.getuid() == 0:
        pytest.skip("root may listen anywhere")
    with pytest.raises(RuntimeFailedError, match="may not listen on port 80") as caught:
        ensure_port_free("127.0.0.1", 80)

    assert caught.value.hint == "frontier config set API_PORT 8080"
