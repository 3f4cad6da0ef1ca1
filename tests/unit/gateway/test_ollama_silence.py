"""An engine that says nothing for long, as the `ollama` client sees it; the clock is the test's."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import ollama
import pytest

from gateway_process import RawClient
from scripted_upstream import (
    LAST_CHUNK,
    STREAM_HEAD,
    Exchange,
    ScriptedUpstream,
    chunk,
    delta,
    finish,
    scripted,
)
from spoken_ollama import OllamaLines
from waiting import until

if TYPE_CHECKING:
    from conftest import InsideGateway
else:
    InsideGateway = Any


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_conformance_069_109_a_silent_stream_is_opened_and_kept_alive(
    inside: InsideGateway, upstream: ScriptedUpstream, path: str
) -> None:
    api, speak = OllamaLines("m", path), threading.Event()
    name = upstream.on(f"silence of {path}", slow(speak))
    with RawClient(inside.port) as client:
        client.post(api.ask(name, stream=True), path)
        until(inside.in_flight, what="the engine's work")
        upstream.wait_for_request(name)
        inside.pass_time(11)
        _, headers, _ = client.read_head()
        inside.pass_time(16)
        until(lambda: api.beats(client._buffer) == 2 or not client._more(), what="two beats")
        speak.set()
        assert headers["content-type"] == api.stream_type


def test_conformance_069_the_client_gets_the_right_text_after_a_long_silence(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    speak = threading.Event()
    upstream.on("patience", slow(speak))

    def chat() -> str:
        with ollama.Client(host=f"http://127.0.0.1:{inside.port}") as client:
            messages = [{"role": "user", "content": scripted("patience")}]
            chunks = client.chat(model="m", messages=messages, stream=True)
            return "".join(chunk.message.content or "" for chunk in chunks)

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(chat)
        upstream.wait_for_request("patience")
        for _ in range(3):
            inside.pass_time(15)
        speak.set()
        assert answer.result(10) == "Hello"


def slow(speak: threading.Event) -> Any:
    def run(exchange: Exchange) -> None:
        assert speak.wait(20)
        exchange.send(STREAM_HEAD)
        for event in (delta("m", "Hel"), delta("m", "lo"), finish("m")):
            exchange.send(chunk(event))
        exchange.send(LAST_CHUNK)

    return run
