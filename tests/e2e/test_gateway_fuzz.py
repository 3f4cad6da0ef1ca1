"""Nearly right requests and answers by the thousand: typed refusals, nothing else, and no hang.

`make fuzz` generates 200 000; an ordinary run a few thousand. A failure prints the seed that
repeats it.
"""

import os
import sys
import time
from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fuzzing
from frontier.gateway.apis.api import Ask, BadAnswerError, BadRequestError, Outgoing
from frontier.gateway.apis.known import OPERATIONS
from frontier.gateway.apis.ollama_passed import PassedAnswer
from frontier.gateway.apis.openai_answer import CompletionAnswer, DocumentAnswer
from frontier.gateway.clock import Clock
from frontier.gateway.core import Core
from frontier.gateway.errors import Problem, bad_gateway
from frontier.gateway.json_log import JsonLog
from frontier.gateway.route_table import build, load_sources
from frontier.gateway.routes import Route
from frontier.gateway.wire.arrival import RequestReader
from gateway_process import GatewayProcess, RawClient, get

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "3000"))
BACKENDS = ("llamacpp", "vllm", "mistral", "ollama", "openai")
LONGEST_S = (
    5.0  # a collection of all garbage takes a second when a hundred thousand requests went before
)
PASSING = (
    CompletionAnswer,
    DocumentAnswer,
    PassedAnswer,
)  # an engine's bytes as they come, broken ones too
randoms = st.randoms(use_true_random=True)


def many(share: float) -> settings:
    """Return settings for that share of all requests."""
    return settings(
        max_examples=max(10, int(REQUESTS * share)),
        deadline=None,  # LONGEST_S is for one request, and a busy machine is no hang
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Core:
    routes = tmp_path_factory.mktemp("fuzz") / "routes.yaml"
    models = [
        f"  - {{name: {backend}, backend: {backend}, upstream_model: u, "
        'backend_url: "http://127.0.0.1:9"}\n'
        for backend in BACKENDS
    ]
    routes.write_text("version: 1\nmodels:\n" + "".join(models))
    return Core(
        table=build(load_sources([routes])),
        max_body_bytes=100_000,
        log=JsonLog(os.open(os.devnull, os.O_WRONLY)),
        clock=Clock(),
    )


# Translators


@many(0.6)
@given(randoms)
def test_requests_and_answers_of_every_api_end_in_typed_errors_only(
    core: Core, random: Random
) -> None:
    began = time.process_time()
    path = random.choice(list(OPERATIONS))

    ask = _read(path, fuzzing.body(random, path))
    if ask is not None:
        assert (bool(ask.model), isinstance(ask.stream, bool), ask.size >= 0) == (True, True, True)
        _answer(ask, core.table.routes[random.choice(BACKENDS)].each[0], random)

    assert time.process_time() - began < LONGEST_S


def _read(path: str, body: bytes) -> Ask | None:
    """Return the request, None if it was refused as it should be."""
    api = OPERATIONS[path].api
    try:
        return api.read(path, body)
    except BadRequestError as error:
        document = api.problem(error.problem, "req_1")
        refusal = error.problem
    _check(refusal)
    assert document.isascii()
    return None


def _check(problem: Problem) -> None:
    assert 400 <= problem.status < 500
    assert problem.message


def _answer(ask: Ask, route: Route, random: Random) -> None:
    """Have an engine answer, streamed or whole, and say that in the client's API."""
    try:
        outgoing = ask.outgoing(route)
    except BadRequestError as error:
        refusal = error.problem
    else:
        refusal = None
        if isinstance(outgoing, Outgoing):
            _say(outgoing, fuzzing.words(random), random)
            assert outgoing.answer.failure(bad_gateway("died"), "req_1") or not ask.stream
    if refusal is not None:
        _check(refusal)


def _say(outgoing: Outgoing, words: list[bytes], random: Random) -> None:
    answer = outgoing.answer
    said = answer.heartbeat() if random.random() < 0.3 else b""
    try:
        if random.random() < 0.3:
            said += answer.whole(words[0])
        else:
            said += b"".join([answer.event(word) for word in words])
            if answer.is_whole:
                said += answer.end() if random.random() < 0.5 else answer.collected()
    except BadAnswerError as error:
        said += answer.failure(error.problem, "req_1")
    assert isinstance(said, bytes)
    if not isinstance(answer, PASSING):
        said.decode()
    tokens = answer.tokens
    assert tokens is None or len(tokens) == 3


# The parser


@many(0.35)
@given(randoms)
def test_whatever_clients_send_is_parsed_or_refused(core: Core, random: Random) -> None:
    began = time.process_time()
    reader = RequestReader(core, lambda: None)

    for piece in fuzzing.cuts(random, fuzzing.connection(random)):
        reader.feed(piece)

    for request in reader.ready:
        if request.problem is not None:
            _check(request.problem)
        else:
            assert request.path.startswith("/") or request.method == b"OPTIONS"
            assert len(request.take_body()) == request.size
    if reader.is_finished:
        assert not reader.ready[-1].keep_alive
    assert time.process_time() - began < LONGEST_S


# Everything at once, over real sockets


@pytest.fixture(scope="module")
def earlier(gateway: GatewayProcess) -> int:
    """How many lines the gateway logged for other tests."""
    return len(gateway.lines)


@many(0.05)
@given(randoms)
def test_a_gateway_survives_every_client(
    gateway: GatewayProcess, earlier: int, random: Random
) -> None:
    data = fuzzing.connection(random)
    with RawClient(gateway.port, timeout_s=20) as client:
        try:
            for piece in fuzzing.cuts(random, data)[:50]:
                client.send(piece)
            client.send(b"\r\n\r\n")
            client.sock.shutdown(1)  # no more from us: whatever is incomplete ends here
            got = client.read_to_end()
        except OSError:  # it refused and closed before we were done
            got = b""

    assert not got or got.startswith(b"HTTP/1.1 ")
    assert b" 500 " not in got.partition(b"\r\n")[0]
    assert not gateway.events("bug")


def test_after_all_that_the_gateway_is_well(gateway: GatewayProcess, earlier: int) -> None:
    statuses = Counter(line["status"] for line in gateway.lines[earlier:] if "status" in line)
    sys.stdout.write(f"\nanswers over sockets by status: {dict(sorted(statuses.items()))}\n")

    assert get(gateway.port, "/healthz").status == 200
    assert statuses[500] == 0


# Attacks by name; ambiguous framing and huge headers are in test_gateway_http.py


@pytest.mark.parametrize(
    "smuggled",
    [
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nG\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: \x00chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
        b"Content-Length: 0x10\r\n\r\n",
        b"Content-Length: 1 0\r\n\r\n",
    ],
    ids=lambda value: repr(value)[2:60],
)
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions", "/healthz"])
def test_a_hidden_second_request_is_never_answered(
    gateway: GatewayProcess, path: str, smuggled: bytes
) -> None:
    second = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
    with RawClient(gateway.port) as client:
        client.send(f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode() + smuggled + second)
        got = client.read()

        assert (got.status, got.headers["connection"]) == (400, "close")
        assert client.is_closed()


def test_a_slow_loris_holds_nothing_up_and_costs_little(gateway: GatewayProcess) -> None:
    before = gateway.rss_bytes()
    slow = [RawClient(gateway.port) for _ in range(200)]
    for client in slow:
        client.send(b"POST /v1/responses HTTP/1.1\r\nHost: x\r\n")
    for client in slow:
        client.send(b"X-Slow: 1\r\n")

    assert get(gateway.port, "/healthz").status == 200
    assert gateway.rss_bytes() - before < 20 * 1024 * 1024
    for client in slow:
        client.sock.close()
