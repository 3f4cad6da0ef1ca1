"""The HTTP layer, against a real gateway process: what clients may say and what they get."""

import gzip
import json
import sys
import threading

import pytest

from gateway_process import GatewayProcess, RawClient, ask, chat, get, post
from scripted_upstream import (
    DONE,
    Exchange,
    ScriptedUpstream,
    answer,
    completion,
    delta,
    stream,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1024 * 1024


def test_conformance_001_the_root_says_who_answers_also_to_head(gateway: GatewayProcess) -> None:
    answer = get(gateway.port, "/")
    head = get(gateway.port, "/", "HEAD")

    assert (answer.status, answer.body) == (200, b"Ollama is running")
    assert answer.headers["content-type"].startswith("text/plain")
    assert head.headers["content-length"] == "17"


@pytest.mark.parametrize("path", ["/v1/models/", "//v1/models", "/models", "/v1/models?limit=9"])
def test_conformance_002_003_spellings_of_the_model_list_are_served(
    gateway: GatewayProcess, path: str
) -> None:
    answer = get(gateway.port, path)

    assert (answer.status, answer.json["object"]) == (200, "list")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions/",
        "//v1//chat/completions",
        "/chat/completions",
        "/v1/v1/chat/completions",
        "/v1/chat/completions?beta=true",
        "http://localhost/v1/chat/completions",
    ],
)
def test_conformance_002_003_spellings_of_chat_are_served_without_a_redirect(
    gateway: GatewayProcess, path: str
) -> None:
    assert ask(gateway.port, chat("m"), path).status == 200


def test_conformance_004_a_models_name_may_come_raw_encoded_or_as_an_alias(
    gateway: GatewayProcess,
) -> None:
    assert get(gateway.port, "/v1/models/m%2Dalias").json["id"] == "m-alias"
    assert get(gateway.port, "/v1/models/cpp").json["aliases"] == ["cpp-alias"]
    missing = get(gateway.port, "/v1/models/a%2Fb:c")
    assert missing.json == get(gateway.port, "/v1/models/a/b:c").json
    assert (missing.status, missing.error["code"]) == (404, "model_not_found")
    assert "`a/b:c`" in missing.error["message"]


def test_conformance_005_wrong_methods_and_paths_get_openai_errors(gateway: GatewayProcess) -> None:
    hot, cold = get(gateway.port, "/v1/chat/completions"), ask(gateway.port, {}, "/healthz")
    unknown = ask(gateway.port, {}, "/v1/nope")

    assert (hot.status, hot.headers["allow"]) == (405, "POST")
    assert (cold.status, "GET" in cold.headers["allow"]) == (405, True)
    assert cold.error["code"] == "method_not_supported"
    assert unknown.status == 404
    assert unknown.error == {
        "message": "Invalid URL (POST /v1/nope)",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "application/json; a=b"]
)
def test_conformance_006_007_the_content_type_does_not_matter_and_engines_get_json(
    gateway: GatewayProcess, upstream: ScriptedUpstream, content_type: str
) -> None:
    name = f"type {content_type}"

    answer = ask(gateway.port, chat("m", name), Content_Type=content_type)

    assert answer.status == 200
    assert upstream.requests(name)[0].headers["content-type"] == "application/json"


def test_conformance_007_a_byte_order_mark_is_accepted_and_not_passed_on(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(chat("m", "bom"), separators=(",", ":")).encode()

    assert ask(gateway.port, body).status == 200
    assert upstream.requests("bom")[0].raw_body == body[3:]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b'"text"', None),
        (b"not json", None),
        (b'{"model":"m","messages":[{"role":"user"}]} trailing', None),
        (b"{}", "model"),
        (b'{"model":5}', "model"),
        (b'{"model":null}', "model"),
        (b'{"model":"","messages":[{"role":"user"}]}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":"Hi"}', "messages"),
        (b'{"model":"m","messages":["Hi"]}', "messages"),
        (b'{"model":"m","messages":[{"role":"user"}],"stream":"yes"}', "stream"),
        (b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}', None),
        (b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}', None),
        (b'{"model":"\xff","messages":[{"role":"user"}]}', None),
        (b'{"model":"m","messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "messages"),
        (
            b'{"model":"m","messages":[{"role":"user"}],"x":'
            + b"[" * 10_000
            + b"]" * 10_000
            + b"}",
            None,
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_conformance_008_009_010_011_033_034_bodies_without_sense_get_400_and_reach_no_engine(
    gateway: GatewayProcess, upstream: ScriptedUpstream, body: bytes, param: str | None
) -> None:
    before = len(upstream.seen)

    with RawClient(gateway.port) as client:
        client.post(body)
        answer = client.read()
        client.post(chat("m"))
        after = client.read()

    assert (answer.status, answer.error["param"]) == (400, param)
    assert answer.error["type"] == "invalid_request_error"
    assert after.status == 200, "the connection can be used again"
    assert len(upstream.seen) == before + 1


def test_conformance_012_a_declared_body_over_the_limit_is_refused_before_it_is_sent(
    gateway: GatewayProcess,
) -> None:
    with RawClient(gateway.port) as client:
        client.send(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2000001\r\n\r\n"
        )
        answer = client.read()

        assert (answer.status, answer.error["code"]) == (413, "request_too_large")
        assert answer.headers["connection"] == "close"
        assert client.is_closed()


def test_conformance_012_a_chunked_body_that_passes_the_limit_is_cut_off(
    gateway: GatewayProcess,
) -> None:
    with RawClient(gateway.port) as client:
        client.send(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        client.send(b"%x\r\n%b\r\n" % (2 * MIB, b"x" * 2 * MIB))
        answer = client.read()

        assert (answer.status, answer.error["code"]) == (413, "request_too_large")


def test_conformance_013_a_chunked_body_is_accepted_and_its_trailers_are_ignored(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    body = json.dumps(chat("m", "chunked"), separators=(",", ":")).encode()
    with RawClient(gateway.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n")
        client.send(b"Transfer-Encoding: chunked\r\n\r\n")
        for byte in body:
            client.send(b"1;ext=1\r\n%c\r\n" % byte)
        client.send(b"0\r\nX-Request-Id: from-the-trailer\r\n\r\n")

        answer = client.read()

    assert answer.status == 200
    assert answer.headers["x-request-id"] != "from-the-trailer"
    assert upstream.requests("chunked")[0].raw_body == body


def test_conformance_014_expect_gets_its_continue_or_its_refusal(gateway: GatewayProcess) -> None:
    body = json.dumps(chat("m")).encode()
    start = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nExpect: %b\r\nContent-Length: %d\r\n\r\n"
    )
    with RawClient(gateway.port) as client:
        client.send(start % (b"100-continue", len(body)))
        assert client.read().status == 100
        client.send(body)
        assert client.read().status == 200
    with RawClient(gateway.port) as client:
        client.send(start % (b"100-continue", 3 * MIB))
        assert client.read().status == 413
    with RawClient(gateway.port) as client:
        client.send(start % (b"a-miracle", len(body)))
        assert client.read().status == 417


PACKERS = {"gzip": gzip.compress, "zstd": zstd.compress, "identity": bytes}


@pytest.mark.parametrize("encoding", PACKERS)
def test_conformance_015_compressed_bodies_are_unpacked(
    gateway: GatewayProcess, upstream: ScriptedUpstream, encoding: str
) -> None:
    name = f"packed {encoding}"
    body = json.dumps(chat("m", name), separators=(",", ":")).encode()

    got = ask(gateway.port, PACKERS[encoding](body), Content_Encoding=encoding.title())

    assert got.status == 200
    seen = upstream.requests(name)[0]
    assert (seen.raw_body, "content-encoding" in seen.headers) == (body, False)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_conformance_015_what_is_too_large_unpacked_is_refused(
    gateway: GatewayProcess, encoding: str
) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 50 * MIB
    bomb = PACKERS[encoding](body)
    gateway.forget_peak()
    before = gateway.rss_bytes()

    got = ask(gateway.port, bomb, Content_Encoding=encoding)

    assert len(bomb) < 2_000_000, "the limit of what arrives"
    assert (got.status, got.error["code"]) == (413, "request_too_large")
    assert gateway.peak_rss_bytes() - before < 30 * MIB


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("cut", [0, 15, -3])
def test_conformance_015_corrupt_bodies_get_400(
    gateway: GatewayProcess, encoding: str, cut: int
) -> None:
    body = PACKERS[encoding](json.dumps(chat("m")).encode())
    bodies = {0: b"not packed", 15: body[:15] + b"????" + body[19:], -3: body[:-3]}
    with RawClient(gateway.port) as client:
        client.post(bodies[cut], Content_Encoding=encoding)
        got = client.read()
        client.post(chat("m"))

        assert client.read().status == 200, "the connection can be used again"

    assert got.status == 400


@pytest.mark.parametrize("encoding", ["br", "gzip, zstd", "deflate"])
def test_conformance_015_unknown_encodings_are_refused_by_name(
    gateway: GatewayProcess, encoding: str
) -> None:
    assert ask(gateway.port, b"\x1f\x8b...", Content_Encoding=encoding).status == 415


def test_conformance_016_017_accept_headers_change_nothing(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on("accept", stream(delta("m", "Hi"), DONE))

    answer = ask(
        gateway.port,
        chat("m", "accept", stream=True),
        Accept="text/html",
        Accept_Encoding="gzip, zstd",
    )

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "content-encoding" not in answer.headers
    assert "accept-encoding" not in upstream.requests("accept")[0].headers


def test_conformance_018_a_connection_lives_on_after_answers_streams_and_errors(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on("keep", stream(delta("m", "Hi"), DONE))
    statuses: list[int] = []
    with RawClient(gateway.port) as client:
        for body in (chat("m"), chat("nope"), chat("m", "keep", stream=True), b"{", chat("m")):
            client.post(body)
            statuses.append(client.read().status)
        client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        statuses.append(client.read().status)

    assert statuses == [200, 404, 200, 400, 200, 200]


def test_conformance_019_pipelined_requests_are_answered_in_order(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on("slow first", stream(*[delta("m", f"{i}") for i in range(50)], DONE))
    with RawClient(gateway.port) as client:
        first = post(chat("m", "slow first", stream=True))
        client.send(first + post(chat("nope")) + post(chat("m", "second")))
        client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = [client.read() for _ in range(4)]

    assert [a.status for a in answers] == [200, 404, 200, 200]
    assert answers[0].events[-1] == "[DONE]"
    assert len(answers[0].events) == 51
    assert answers[3].json == {"status": "ok"}


def test_requests_that_come_while_one_is_answered_wait_their_turn(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    go_on = threading.Event()

    def script(exchange: Exchange) -> None:
        go_on.wait(10)
        answer(completion("m", "first"))(exchange)

    upstream.on("holds", script)
    with RawClient(gateway.port) as client:
        client.post(chat("m", "holds"))
        upstream.wait_for_request("holds")
        client.post(chat("m", "waits"))
        assert get(gateway.port, "/healthz").status == 200, "the second has been read"
        client.post(chat("m", "waits"))
        assert not upstream.requests("waits")
        go_on.set()
        texts = [client.read().json["choices"][0]["message"]["content"] for _ in range(3)]

    assert texts == ["first", "Hi", "Hi"]


def test_thousands_of_pipelined_requests_in_one_write_are_all_answered(
    gateway: GatewayProcess,
) -> None:
    with RawClient(gateway.port) as client:
        client.send(b"GET /v1/embeddings HTTP/1.1\r\nHost: x\r\n\r\n" * 3000)
        statuses = {client.read().status for _ in range(3000)}

    assert statuses == {405}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_conformance_020_old_clients_and_those_that_close_are_answered_and_closed(
    gateway: GatewayProcess, upstream: ScriptedUpstream, version: str
) -> None:
    upstream.on("old", stream(delta("m", "Hi"), DONE))
    raw = json.dumps(chat("m", "old", stream=True), separators=(",", ":")).encode()
    start = f"POST /v1/chat/completions HTTP/{version}\r\nHost: x\r\nConnection: close\r\n"
    with RawClient(gateway.port) as client:
        client.send(f"{start}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
        answer = client.read()

        assert client.is_closed()

    assert answer.headers["connection"] == "close"
    assert ("transfer-encoding" in answer.headers) == (version == "1.1")
    assert [e for e in answer.events if "Hi" in e or e == "[DONE]"] == answer.events
    assert len(answer.events) == 2


def test_http_1_0_gets_plain_answers_too(gateway: GatewayProcess) -> None:
    raw = json.dumps(chat("m")).encode()
    with RawClient(gateway.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(raw))
        client.send(raw)
        answer = client.read()

    assert answer.json["model"] == "m"
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"Content-Length: +2\r\n\r\n{}",
        b"Content-Length: 2, 2\r\n\r\n{}",
        b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n1\n{\n0\n\n",
        b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\nContent-Length: 2\r\n\r\n{}",
        b"X: folded\r\n line\r\nContent-Length: 2\r\n\r\n{}",
        b"X: nul\x00\r\nContent-Length: 2\r\n\r\n{}",
        b"Host: second\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=lambda value: repr(value)[2:50],
)
def test_ambiguous_framing_gets_400_and_the_connection_closes(
    gateway: GatewayProcess, upstream: ScriptedUpstream, request_bytes: bytes
) -> None:
    before = len(upstream.seen)
    smuggled = post(chat("m", "smuggled"))

    with RawClient(gateway.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + request_bytes + smuggled)
        answer = client.read()

        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert client.is_closed()
    assert len(upstream.seen) == before


@pytest.mark.parametrize(
    "start",
    [
        b"POST /v1/chat/completions HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/3.7\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /two words HTTP/1.1\r\n\r\n",
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=lambda value: repr(value)[2:40],
)
def test_what_is_no_request_gets_400(gateway: GatewayProcess, start: bytes) -> None:
    with RawClient(gateway.port) as client:
        client.send(start)

        assert client.read().status == 400
        assert client.is_closed()


@pytest.mark.parametrize(
    "lines",
    [
        b"X-Long: " + b"x" * 70_000 + b"\r\n",
        b"".join(b"X-%d: x\r\n" % i for i in range(9000)),
        b"X-Same: x\r\n" * 100,
    ],
    ids=["one long header", "many headers", "one header many times"],
)
def test_a_head_over_64_kib_gets_431(gateway: GatewayProcess, lines: bytes) -> None:
    with RawClient(gateway.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")

        assert client.read().status == 431


def test_a_body_that_is_almost_only_framing_gets_400(gateway: GatewayProcess) -> None:
    with RawClient(gateway.port) as client:
        client.send(
            b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        client.send(b"1;" + b"x" * 100_000)

        assert client.read().status == 400


def test_what_follows_a_refused_request_in_the_same_write_is_not_even_parsed(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    before = len(upstream.seen)
    with RawClient(gateway.port) as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n" + post(chat("m", "behind a refusal")))

        assert client.read().status == 400
        assert client.is_closed()
    assert len(upstream.seen) == before


def test_repeated_harmless_headers_and_leading_blank_lines_are_fine(
    gateway: GatewayProcess,
) -> None:
    with RawClient(gateway.port) as client:
        client.send(b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nAccept: a\r\nAccept: b\r\n\r\n")

        assert client.read().status == 200


def test_an_offered_upgrade_is_ignored_and_the_body_is_read(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    # Java's HTTP client offers h2c with every request on plain TCP.
    upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2_Settings": "AAM"}
    with RawClient(gateway.port) as client:
        client.post(chat("m", "java"), **upgrade)
        assert client.read().status == 200
        client.post(chat("m", "java again"))
        assert client.read().status == 200
        client.post(chat("m", "java third"), **upgrade)
        assert client.read().status == 200

    assert upstream.requests("java")[0].body["model"] == "m"


def test_a_head_in_single_bytes_is_understood(gateway: GatewayProcess) -> None:
    with RawClient(gateway.port) as client:
        for byte in post(chat("m")):
            client.send(bytes([byte]))

        assert client.read().status == 200


def test_conformance_022_request_ids_are_echoed_or_made_up(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    echoed = ask(gateway.port, chat("m", "id"), X_Request_Id="trace 42")
    made = [ask(gateway.port, body) for body in (chat("m"), chat("nope"), b"{")]
    refused = [get(gateway.port, "/", X_Request_Id=bad) for bad in ("x" * 129, "t\tab", "caf\xe9")]

    assert echoed.headers["x-request-id"] == "trace 42"
    assert upstream.requests("id")[0].headers["x-request-id"] == "trace 42"
    ids = {a.headers["x-request-id"] for a in made + refused}
    assert len(ids) == len(made + refused)
    assert all(i.startswith("req_") for i in ids)


def test_conformance_025_unknown_fields_reach_the_engine_byte_for_byte(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    body = b'{ "model" : "m", "messages":[{"role":"user"}],"script":"bytes","n":1.0e0,"foo":null }'

    assert ask(gateway.port, body).status == 200
    assert upstream.requests("bytes")[0].raw_body == body


def test_the_engine_sees_neither_key_nor_cookies_of_the_client(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    ask(gateway.port, chat("m", "private"), Authorization="Bearer secret", Cookie="a=b")

    assert set(upstream.requests("private")[0].headers) == {
        "host",
        "content-type",
        "accept",
        "content-length",
        "x-request-id",
    }
