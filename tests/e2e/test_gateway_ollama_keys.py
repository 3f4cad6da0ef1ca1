"""Ollama's API and keys: who sees which models, and who may change what models there are."""

from collections.abc import Iterator

import pytest

from gateway_process import Answer, GatewayProcess, RawClient, ask, get
from key_files import Keys
from scripted_upstream import ScriptedUpstream, answer

ROUTES = """
version: 1
models:
  - {{name: m, aliases: [m-alias], backend: vllm, backend_url: "{url}"}}
  - {{name: big, backend: ollama, backend_url: "{url}"}}
"""
HI = {"messages": [{"role": "user", "content": "Hi"}], "stream": False}
CHANGES = [
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
    ("POST", "/api/blobs/sha256:00"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        for method, path in CHANGES:
            server.at(f"{method} {path}", answer({"status": "success"}))
        yield server


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    keys = Keys(tmp_path_factory.mktemp("ollama-keys") / "keys.yaml")
    keys.add("wide")
    keys.add("narrow", models=("m",))
    return keys


@pytest.fixture(scope="module")
def gateway(server: ScriptedUpstream, keys: Keys) -> Iterator[GatewayProcess]:
    routes = keys.path.with_name("routes.yaml")
    routes.write_text(ROUTES.format(url=server.url))
    metrics_key = keys.path.with_name("metrics.key")
    metrics_key.write_text("metrics-secret\n")
    files = "--keys", keys.path, "--metrics-key-file", metrics_key
    with GatewayProcess("--config", routes, *files) as gateway:
        yield gateway


@pytest.fixture
def wide(keys: Keys) -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.secrets['wide']}"}


@pytest.fixture
def narrow(keys: Keys) -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.secrets['narrow']}"}


def sent(gateway: GatewayProcess, place: tuple[str, str], header: dict[str, str]) -> Answer:
    method, path = place
    lines = "".join(f"{name}: {value}\r\n" for name, value in header.items())
    body = '{"model":"big"}'
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {len(body)}\r\n"
    with RawClient(gateway.port) as client:
        client.send(f"{head}\r\n{body}".encode())
        return client.read()


def forbidden(gateway: GatewayProcess) -> float:
    """Return how many requests were refused because of their key's rights."""
    text = get(gateway.port, "/metrics", Authorization="Bearer metrics-secret").body.decode()
    start = 'frontier_refused_requests_total{reason="forbidden"} '
    return sum(float(x.removeprefix(start)) for x in text.splitlines() if x.startswith(start))


def test_who_is_here_is_told_without_a_key_and_nothing_else(gateway: GatewayProcess) -> None:
    paths = "/", "/api/version", "/api/tags", "/api/ps", "/api/status"

    assert [get(gateway.port, path).status for path in paths] == [200, 200, 401, 401, 401]
    assert list(get(gateway.port, "/api/tags").json) == ["error"]


@pytest.mark.parametrize("place", CHANGES)
def test_only_a_key_for_all_models_changes_which_there_are(
    gateway: GatewayProcess,
    server: ScriptedUpstream,
    wide: dict[str, str],
    narrow: dict[str, str],
    place: tuple[str, str],
) -> None:
    before = forbidden(gateway)
    refused = sent(gateway, place, narrow)
    assert not [s for s in server.seen if s.path == place[1]]
    allowed = sent(gateway, place, wide)

    assert (refused.status, allowed.status) == (403, 200)
    assert refused.json == {"error": "This API key may not do that."}
    assert forbidden(gateway) == before + 1


def test_a_key_sees_its_own_models_and_shows_no_others(
    gateway: GatewayProcess, wide: dict[str, str], narrow: dict[str, str]
) -> None:
    def names(header: dict[str, str]) -> list[str]:
        listed = get(gateway.port, "/api/tags", **header).json["models"]
        return [model["name"] for model in listed]

    def shown(name: str) -> int:
        return ask(gateway.port, {"model": name}, "/api/show", **narrow).status

    assert names(wide) == ["m:latest", "big:latest"]
    assert names(narrow) == ["m:latest"]
    loaded = get(gateway.port, "/api/ps", **narrow).json["models"]
    assert [model["name"] for model in loaded] == ["m:latest"]
    assert [shown(name) for name in ("m", "M-Alias:latest", "big", "nope")] == [200, 200, 404, 404]


@pytest.mark.parametrize("name", ["big", "library/BIG:latest"])
def test_no_spelling_of_a_name_gets_round_a_keys_models(
    gateway: GatewayProcess, narrow: dict[str, str], name: str
) -> None:
    refused = ask(gateway.port, {"model": name, **HI}, "/api/chat", **narrow)
    allowed = ask(gateway.port, {"model": "library/M:latest", **HI}, "/api/chat", **narrow)

    assert refused.status == 403
    assert refused.json == {"error": f"This API key may not use the model `{name}`."}
    assert allowed.status == 200
    assert allowed.json["model"] == "library/M:latest"
