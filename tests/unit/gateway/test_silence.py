"""Streams whose engine is silent, on every API; the clock is the test's."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gateway_process import Answer, RawClient
from scripted_upstream import (
    DONE,
    LAST_CHUNK,
    STREAM_HEAD,
    Exchange,
    ScriptedUpstream,
    answer,
    chunk,
    delta,
    finish,
    stream,
)
from spoken import SPOKEN, Spoken
from waiting import until

if TYPE_CHECKING:
    from conftest import InsideGateway
else:
    InsideGateway = Any

pytestmark = pytest.mark.parametrize("api", SPOKEN)


class Silence:
    """A client that has asked an engine which says nothing until it is told to.

    Attributes:
        gone: Set once the gateway has left the engine.
    """

    def __init__(self, inside: InsideGateway, upstream: ScriptedUpstream, api: Spoken) -> None:
        self.inside = inside
        self.api = api
        self.gone = threading.Event()
        self.speak = threading.Event()
        self.client = RawClient(inside.port)
        self._upstream = upstream

    def ask(self, name: str, say: Callable[[Exchange], None], first: bytes = b"") -> None:
        """Have the engine send *first* at once and *say* the rest later."""

        def run(exchange: Exchange) -> None:
            if first:
                exchange.send(STREAM_HEAD + chunk(first))
            if self.speak.wait(10):
                say(exchange)
                exchange.wait_until_gone()
                self.gone.set()

        name = f"{name} {id(self)}"
        self._upstream.on(name, run)
        self.client.post(self.api.ask(name, stream=True), self.api.path)

    def reached(self) -> None:
        """Wait until the engine works on it."""
        until(self.inside.in_flight, what="the request at the engine")
        until(lambda: self._upstream.seen and self.inside.core.pools.open, what="the request")

    def read_beats(self, count: int) -> None:
        """Wait for so many heartbeats."""
        until(
            lambda: self.api.beats(self.client._buffer) >= count or not self.client._more(),
            what=f"{count} heartbeats",
        )
        assert self.api.beats(self.client._buffer) == count

    def read_rest(self, head: tuple[int, dict[str, str], bytes]) -> Answer:
        body, is_cut = self.client._read_chunks()
        return Answer(head[0], head[1], body, is_cut)


@pytest.fixture
def silence(inside: InsideGateway, upstream: ScriptedUpstream, api: Spoken) -> Any:
    silence = Silence(inside, upstream, api)
    yield silence
    silence.speak.set()
    silence.client.sock.close()


def rest(*texts: str) -> Callable[[Exchange], None]:
    """Script: the rest of a stream that is open."""
    events = [*(delta("m", text) for text in texts), finish("m"), DONE]
    return lambda exchange: exchange.send(b"".join(map(chunk, events)) + LAST_CHUNK)


def test_conformance_109_a_stream_is_opened_after_10_s_and_beats_every_15_s(
    silence: Silence, api: Spoken
) -> None:
    silence.ask("opens", stream(delta("m", "Hi"), finish("m"), DONE))
    silence.reached()
    silence.inside.pass_time(9)
    assert not silence.client._buffer
    silence.inside.pass_time(2)
    head = silence.client.read_head()
    silence.read_beats(1)
    silence.inside.pass_time(15)
    silence.read_beats(2)
    silence.speak.set()
    got = silence.read_rest(head)

    assert head[0] == 200
    assert got.headers["content-type"].startswith(api.stream_type)
    assert api.text(got) == "Hi"
    assert api.is_complete(got)


def test_conformance_108_an_error_after_the_stream_was_opened_is_told_in_band(
    silence: Silence, api: Spoken
) -> None:
    silence.ask("late", answer({"error": {"message": "oom!"}}, "500 Internal Server Error"))
    silence.reached()
    silence.inside.pass_time(11)
    head = silence.client.read_head()
    silence.speak.set()
    got = silence.read_rest(head)

    assert head[0] == 200
    assert "oom!" in api.failure(got)
    assert not api.is_complete(got)


def test_conformance_109_a_stream_that_stays_silent_ends_with_an_error_in_band(
    silence: Silence, api: Spoken
) -> None:
    silence.ask("mute", lambda exchange: None)
    silence.reached()
    silence.inside.pass_time(11)
    head = silence.client.read_head()
    silence.inside.pass_time(110)
    got = silence.read_rest(head)
    silence.speak.set()

    assert "sent nothing for 120 s" in api.failure(got)
    assert not api.is_complete(got)
    assert silence.gone.wait(5), "the engine's work is stopped"


def test_conformance_109_a_stream_that_falls_silent_in_the_middle_is_kept_alive(
    silence: Silence, api: Spoken
) -> None:
    silence.ask("pauses", rest("lo"), first=delta("m", "Hel"))
    head = silence.client.read_head()
    until(lambda: b"Hel" in silence.client._buffer or not silence.client._more(), what="text")
    silence.inside.pass_time(14)
    assert not api.beats(silence.client._buffer)
    silence.inside.pass_time(2)
    silence.read_beats(1)
    silence.inside.pass_time(16)
    silence.read_beats(2)
    silence.speak.set()
    got = silence.read_rest(head)

    assert api.text(got) == "Hello"
    assert api.is_complete(got)


def test_conformance_109_a_stream_that_waits_for_its_engine_is_kept_alive(
    silence: Silence, api: Spoken, upstream: ScriptedUpstream
) -> None:
    models = "name: m, aliases: [m-alias]", "name: v"
    held = "".join(f"  - {{{model}, backend: vllm, hold: true}}\n" for model in models)
    silence.inside.use(f"version: 1\nmodels:\n{held}")
    silence.speak.set()
    silence.ask("held", stream(delta("m", "Hi"), finish("m"), DONE))
    until(lambda: len(silence.inside.core.holds), what="the request that waits")
    silence.inside.pass_time(11)
    head = silence.client.read_head()
    silence.read_beats(1)
    silence.inside.pass_time(15)
    silence.read_beats(2)
    silence.inside.use(
        f"version: 1\nmodels:\n{held}".replace("hold: true", f"backend_url: '{upstream.url}'")
    )
    got = silence.read_rest(head)

    assert api.text(got) == "Hi"
    assert api.is_complete(got)


def test_conformance_109_a_stream_that_waited_in_vain_ends_with_an_error_in_band(
    silence: Silence, api: Spoken
) -> None:
    models = "name: m, aliases: [m-alias]", "name: v"
    held = "".join(f"  - {{{model}, backend: vllm, hold: true}}\n" for model in models)
    silence.inside.use(f"version: 1\nmodels:\n{held}")
    silence.ask("held", lambda exchange: None)
    until(lambda: len(silence.inside.core.holds), what="the request that waits")
    silence.inside.pass_time(11)
    head = silence.client.read_head()
    silence.inside.pass_time(110)
    got = silence.read_rest(head)

    assert "waited 121 s" in api.failure(got)
    assert not api.is_complete(got)
