"""A model is pulled by the Ollama server behind a real gateway, with the progress that it tells."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeReporter
from frontier.adapters.ollama_pull import OllamaPull
from frontier.domain.destination import Destination
from frontier.domain.errors import DoesNotFitError, DownloadError, NotRunningError
from frontier.usecases import engine_pull
from gateway_process import GatewayProcess
from scripted_upstream import LAST_CHUNK, Exchange, ScriptedUpstream, answer, bound, chunk, head

ROUTES = """
version: 1
models:
  - {{name: big, backend: ollama, backend_url: "{url}", upstream_model: "llama3.2:3b"}}
"""
NDJSON = head(Content_Type="application/x-ndjson", Transfer_Encoding="chunked")
ONE, TWO = ("sha256:" + letter * 64 for letter in "ab")


def layer(digest: str, total: int, completed: int = 0) -> dict[str, Any]:
    """Return a progress object as Ollama 0.33 sends it: `completed` is left out while 0."""
    done = {"completed": completed} if completed else {}
    return {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total, **done}


WHOLE = [
    {"status": "pulling manifest"},
    layer(ONE, 1000),
    layer(ONE, 1000, 400),
    layer(ONE, 1000, 1000),
    layer(TWO, 50, 50),
    {"status": "verifying sha256 digest"},
    {"status": "writing manifest"},
    {"status": "success"},
]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(
    server: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    routes = tmp_path_factory.mktemp("pull") / "routes.yaml"
    routes.write_text(ROUTES.format(url=server.url))
    with GatewayProcess("--config", routes) as process:
        yield process


@pytest.fixture
def tells(server: ScriptedUpstream) -> Callable[..., None]:
    def tells(*told: dict[str, Any], end: bytes = LAST_CHUNK) -> None:
        def run(exchange: Exchange) -> None:
            exchange.send(NDJSON)
            for one in told:
                exchange.send(chunk(json.dumps(one).encode() + b"\n"))
            if end:
                exchange.send(end)
            else:
                exchange.close()

        server.at("POST /api/pull", run)

    return tells


def pull(gateway: GatewayProcess, *, free: int = 10**9, dry_run: bool = False) -> Any:
    reporter = FakeReporter()
    done = engine_pull.into_ollama(
        Destination("ollama", "qwen3:8b", about_bytes=1050),
        server=lambda: OllamaPull(gateway.url),
        place=Path("/models"),
        free_bytes=free,
        reporter=reporter,
        dry_run=dry_run,
    )
    return done, reporter


def test_the_progress_of_ollama_is_shown_and_its_bytes_are_counted(
    gateway: GatewayProcess, server: ScriptedUpstream, tells: Callable[..., None]
) -> None:
    tells(*WHOLE)

    done, reporter = pull(gateway)

    assert (done.size_bytes, done.download_bytes, done.applied) == (1050, 1000, True)
    assert server.seen[-1].body == {"model": "qwen3:8b", "stream": True}
    assert reporter.said == [
        "Ollama pulls qwen3:8b",
        "qwen3:8b: pulling manifest",
        "qwen3:8b: verifying sha256 digest",
        "qwen3:8b: writing manifest",
    ]


def test_a_pull_that_goes_on_counts_only_what_came_now(
    gateway: GatewayProcess, tells: Callable[..., None]
) -> None:
    tells(layer(ONE, 1000, 700), layer(ONE, 1000, 1000), {"status": "success"})

    assert pull(gateway)[0].download_bytes == 300


def test_an_error_of_ollama_is_told_in_its_words(
    gateway: GatewayProcess, tells: Callable[..., None]
) -> None:
    tells(WHOLE[0], {"error": "pull model manifest: file does not exist"})

    with pytest.raises(DownloadError, match="file does not exist") as caught:
        pull(gateway)

    assert "ollama.com/library" in caught.value.hint


def test_an_error_before_the_first_line_is_told_too(
    gateway: GatewayProcess, server: ScriptedUpstream
) -> None:
    server.at("POST /api/pull", answer(b'{"error":"no room"}', "500 Internal Server Error"))

    with pytest.raises(DownloadError, match="no room"):
        pull(gateway)


@pytest.mark.parametrize("end", [LAST_CHUNK, b""])
def test_a_stream_that_ends_without_success_is_no_success(
    gateway: GatewayProcess, tells: Callable[..., None], end: bytes
) -> None:
    tells(*WHOLE[:3], end=end)

    with pytest.raises(DownloadError) as caught:
        pull(gateway)

    assert "goes on where it stopped" in caught.value.hint or "Ollama" in caught.value.message


def test_no_gateway_and_no_room_are_told_before_anything_happens(gateway: GatewayProcess) -> None:
    with bound() as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(NotRunningError, match="no gateway answers") as caught:
            OllamaPull(url).pull("x:1", say=print, progress=lambda done, total: None)
    with pytest.raises(DoesNotFitError, match="1,050 bytes"):
        pull(gateway, free=1000)

    assert "frontier up ollama" in caught.value.hint
    planned, _ = pull(gateway, dry_run=True)
    assert (planned.applied, planned.size_bytes) == (False, 1050)
