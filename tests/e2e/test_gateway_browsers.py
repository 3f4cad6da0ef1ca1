"""Browsers in front of a real gateway process: which pages may ask, and under which names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_process import Answer, GatewayProcess, RawClient, ask, chat, get
from scripted_upstream import ScriptedUpstream

PAGE = "http://localhost:3000"


@pytest.fixture(scope="module")
def keyed(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("browsers")
    (folder / "key").write_text("K")
    routes = folder / "routes.yaml"
    routes.write_text(
        f"version: 1\nmodels: [{{name: m, backend: vllm, backend_url: '{upstream.url}'}}]\n"
    )
    with GatewayProcess(
        "--config", routes, "--api-key-file", folder / "key",
        "--allow-origin", "https://chat.example", "--allow-origin", "https://a.example:8443",
    ) as gateway:  # fmt: skip
        yield gateway


def preflight(gateway: GatewayProcess, origin: str, path: str = "/v1/chat/completions") -> Answer:
    with RawClient(gateway.port) as client:
        client.send(
            f"OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n"
            "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: "
            "authorization,x-stainless-lang,anthropic-version\r\n\r\n".encode()
        )
        return client.read()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/api/chat"])
def test_conformance_023_a_preflight_needs_no_key_and_allows_what_it_asks_for(
    keyed: GatewayProcess, path: str
) -> None:
    answer = preflight(keyed, PAGE, path)

    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-headers"] == (
        "authorization,x-stainless-lang,anthropic-version"
    )
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["vary"] == "origin"


def test_conformance_023_answers_and_errors_can_be_read_by_the_page(keyed: GatewayProcess) -> None:
    good = ask(keyed.port, chat("m"), Origin=PAGE, x_api_key="K")
    stream = ask(keyed.port, chat("m", stream=True), Origin=PAGE, x_api_key="K")
    missing = ask(keyed.port, chat("nope"), Origin=PAGE, x_api_key="K")
    no_key = ask(keyed.port, chat("m"), Origin=PAGE)
    listed = get(keyed.port, "/v1/models", Origin=PAGE, x_api_key="K")

    answers = [good, stream, missing, no_key, listed]
    assert [a.status for a in answers] == [200, 200, 404, 401, 200]
    assert {a.headers["access-control-allow-origin"] for a in answers} == {PAGE}
    assert all(a.headers["access-control-expose-headers"] == "*" for a in answers)


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:8080", "https://localhost", "http://[::1]:5173", "tauri://localhost",
        "app://obsidian.md", "vscode-webview://1x2y", "https://chat.example",
        "https://a.example:8443", "http://ui.localhost:3000",
    ],
)  # fmt: skip
def test_pages_of_this_machine_and_configured_ones_may_ask(
    keyed: GatewayProcess, origin: str
) -> None:
    answer = ask(keyed.port, chat("m"), Origin=origin, x_api_key="K")

    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://localhost.evil.example", "null", "https://chat.example:81",
     "https://a.example", "http://chat.example", "http://[", ""],
)  # fmt: skip
def test_conformance_024_other_pages_are_refused_before_anything_is_done(
    keyed: GatewayProcess, upstream: ScriptedUpstream, origin: str
) -> None:
    answer = ask(keyed.port, chat("m", "from elsewhere"), Origin=origin, x_api_key="K")

    assert (answer.status, answer.error["code"]) == (403, "permission_denied")
    assert "access-control-allow-origin" not in answer.headers
    assert preflight(keyed, origin).status == 403
    assert not upstream.requests("from elsewhere")


def test_conformance_024_without_an_origin_nothing_is_different(keyed: GatewayProcess) -> None:
    answer = ask(keyed.port, chat("m"), x_api_key="K")

    assert answer.status == 200
    assert not [name for name in answer.headers if name.startswith(("access-control", "vary"))]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 403), ("evil.example:11434", 403), ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403), ("localhost", 200), ("LOCALHOST:11434", 200),
        ("127.0.0.1:11434", 200), ("[::1]:11434", 200), ("192.0.2.7", 200), ("gateway:8080", 200),
        ("host.docker.internal:11434", 200), ("mac.local", 200), ("chat.example", 200),
    ],
)  # fmt: skip
def test_conformance_024_on_loopback_a_name_that_others_can_own_is_refused(
    keyed: GatewayProcess, host: str, status: int
) -> None:
    with RawClient(keyed.port) as client:
        client.send(f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nx-api-key: K\r\n\r\n".encode())
        answer = client.read()
        client.send(f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nx-api-key: K\r\n\r\n".encode())
        again = client.read()

    assert [answer.status, again.status] == [status, status]


def test_a_gateway_for_others_answers_to_any_name_and_to_its_own_page(tmp_path: Path) -> None:
    with GatewayProcess("--listen", "0.0.0.0:0") as gateway:
        port = int(gateway.urls[1].rpartition(":")[2])
        with RawClient(port) as client:
            client.send(b"GET /v1/models HTTP/1.1\r\nHost: gpu.example:81\r\n\r\n")
            named = client.read()
            client.send(
                b"GET /v1/models HTTP/1.1\r\nHost: gpu.example:81\r\n"
                b"Origin: http://gpu.example:81\r\n\r\n"
            )
            own_page = client.read()

    assert [named.status, own_page.status] == [200, 200]
