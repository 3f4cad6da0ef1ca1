"""Host names of engines, with the system's resolver replaced."""

import asyncio
import socket
import threading
from collections.abc import Callable

import pytest

from frontier.gateway.wire.resolver import Resolver

Answer = Callable[[str], list[str]]


@pytest.fixture
def names() -> list[str]:
    """The names that were looked up so far."""
    return []


def answering(monkeypatch: pytest.MonkeyPatch, asked: list[str], answer: Answer) -> None:
    def getaddrinfo(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(0, 0, 0, "", (ip, 0)) for ip in answer(host)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


async def itself(ip: str) -> str:
    return ip


def test_an_ip_address_needs_no_resolver(monkeypatch: pytest.MonkeyPatch, names: list[str]) -> None:
    answering(monkeypatch, names, lambda _: ["1.1.1.1"])
    found = [asyncio.run(Resolver().first(ip, itself)) for ip in ("127.0.0.2", "::1")]

    assert found == ["127.0.0.2", "::1"]
    assert names == []


def test_every_connection_asks_anew(monkeypatch: pytest.MonkeyPatch, names: list[str]) -> None:
    answering(monkeypatch, names, lambda _: [f"10.0.0.{len(names)}"])

    async def twice() -> list[str]:
        resolver = Resolver()
        return [await resolver.first("engine", itself) for _ in range(2)]

    assert asyncio.run(twice()) == ["10.0.0.1", "10.0.0.2"]


def test_the_next_address_is_tried_when_one_refuses(
    monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    answering(monkeypatch, names, lambda _: ["10.0.0.1", "10.0.0.1", "10.0.0.2"])
    tried: list[str] = []

    async def connect(ip: str) -> str:
        tried.append(ip)
        if ip == "10.0.0.1":
            raise ConnectionRefusedError(111, "refused")
        return ip

    assert asyncio.run(Resolver().first("engine", connect)) == "10.0.0.2"
    assert tried == ["10.0.0.1", "10.0.0.2"]


def test_what_the_last_address_said_is_told(
    monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    answering(monkeypatch, names, lambda _: ["10.0.0.1"])

    async def connect(_: str) -> str:
        raise ConnectionRefusedError(111, "refused")

    with pytest.raises(ConnectionRefusedError):
        asyncio.run(Resolver().first("engine", connect))


@pytest.mark.parametrize(
    ("error", "said"),
    [(socket.gaierror(-2, "Name or service not known"), "not known"), (UnicodeError(), "x" * 70)],
)
def test_a_name_that_does_not_exist_is_an_os_error(
    monkeypatch: pytest.MonkeyPatch, names: list[str], error: Exception, said: str
) -> None:
    def fail(_: str) -> list[str]:
        raise error

    answering(monkeypatch, names, fail)
    with pytest.raises(OSError, match=said):
        asyncio.run(Resolver().first("x" * 70, itself))


def test_a_name_without_an_address_is_an_os_error(
    monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    answering(monkeypatch, names, lambda _: [])
    with pytest.raises(OSError, match="engine has no address"):
        asyncio.run(Resolver().first("engine", itself))


def test_many_share_one_look_up_and_one_that_leaves_takes_it_from_nobody(
    monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    may_answer = threading.Event()

    def slow(_: str) -> list[str]:
        may_answer.wait(10)
        return ["10.0.0.1"]

    answering(monkeypatch, names, slow)

    async def crowd() -> list[str | BaseException]:
        resolver = Resolver()
        tasks = [asyncio.ensure_future(resolver.first("engine", itself)) for _ in range(100)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        may_answer.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    left, *found = asyncio.run(crowd())

    assert isinstance(left, asyncio.CancelledError)
    assert found == ["10.0.0.1"] * 99
    assert names == ["engine"]


def test_a_look_up_that_hangs_delays_neither_the_next_nor_the_end(
    monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    forever, now = threading.Event(), [0.0]

    def hang_once(_: str) -> list[str]:
        if len(names) == 1:
            forever.wait(20)
        return ["10.0.0.2"]

    answering(monkeypatch, names, hang_once)

    async def second_finds_it() -> str:
        loop = asyncio.get_running_loop()
        real = loop.time
        loop.time = lambda: real() + now[0]  # type: ignore[method-assign]
        resolver = Resolver()
        first = asyncio.ensure_future(resolver.first("engine", itself))
        await asyncio.sleep(0)
        now[0] = 2.0
        found = await resolver.first("engine", itself)
        assert not first.done()
        return found

    assert asyncio.run(second_finds_it()) == "10.0.0.2"
    forever.set()  # and its late answer finds no loop


def test_no_thread_to_be_had_is_an_os_error_and_the_next_tries_again(
    monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    answering(monkeypatch, names, lambda _: ["10.0.0.1"])
    start = threading.Thread.start

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def twice() -> str:
        resolver = Resolver()
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(OSError, match="no thread to look up engine"):
            await resolver.first("engine", itself)
        monkeypatch.setattr(threading.Thread, "start", start)
        return await resolver.first("engine", itself)

    assert asyncio.run(twice()) == "10.0.0.1"
