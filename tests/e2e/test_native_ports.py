"""Ports on the real machine."""

import os
import socket
import sys

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


@pytest.mark.skipif(sys.platform != "linux", reason="macOS names holders only to root")
def test_a_port_that_is_ours_is_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ensure_port_free("127.0.0.1", server.getsockname()[1], ours=[os.getpid()])


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
