"""The daemon's questions to real servers on loopback, honest ones and others."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from frontier.adapters.ports_free import free_port
from frontier.adapters.probe import HttpProbe


@contextmanager
def answering(answer: bytes, *, then: str = "close") -> Iterator[int]:
    """A server that gives *answer* to its first client."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                try:
                    client.sendall(answer)
                    if then == "hang":
                        client.recv(1)
                except OSError:
                    pass  # the prober has gone

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def health(port: int, timeout_s: float = 5.0) -> str:
    return asyncio.run(HttpProbe().health(port, "/health", timeout_s=timeout_s))


def token(port: int) -> str:
    return asyncio.run(HttpProbe().token(port, "tiny"))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nfine", ""),
        (b"HTTP/1.1 503 Loading\r\n\r\n", "GET /health answered 503"),
        (b"HTTP/1.1 2", "GET /health answered no HTTP"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "GET /health answered no HTTP"),
        (b"", "GET /health answered no HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000, ""),
    ],
)
def test_health_is_200_and_everything_else_is_told(answer: bytes, problem: str) -> None:
    with answering(answer) as port:
        assert health(port) == problem


def test_a_server_that_accepts_and_is_silent_is_told() -> None:
    with answering(b"", then="hang") as port:
        assert health(port, timeout_s=0.1) == "GET /health gave no answer within 0.1 s"


def test_nobody_listening_is_told() -> None:
    port = free_port()

    assert "refused" in health(port).lower() or "Connect call failed" in health(port)
    assert token(port).startswith("POST /v1/completions: ")


@pytest.mark.parametrize(
    ("body", "is_fine"),
    [
        (b'{"usage": {"completion_tokens": 1}}', True),
        (b'{"usage": {"completion_tokens": 0}}', False),
        (b'{"usage": null}', False),
        (b"[]", False),
        (b"not json", False),
    ],
)
def test_a_token_is_a_completion_that_counts_one(body: bytes, is_fine: bool) -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n" + body) as port:
        problem = token(port)

    assert (problem == "") == is_fine
    if not is_fine:
        assert problem == f"POST /v1/completions answered 200: {body.decode()}"
