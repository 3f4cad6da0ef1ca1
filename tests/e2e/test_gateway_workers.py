"""Several worker processes behind one port: shared limits, one answer to a scrape, no orphan."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway_process import GatewayProcess, RawClient, ask, chat, get
from key_files import NOW, Keys
from scripted_upstream import (
    DONE,
    LAST_CHUNK,
    STREAM_HEAD,
    Exchange,
    ScriptedUpstream,
    chunk,
    delta,
)
from waiting import until

WORKERS = 4


class Site:
    """The files of one gateway."""

    def __init__(self, folder: Path, url: str) -> None:
        self.keys = Keys(folder / "keys.yaml")
        self.routes = folder / "routes.yaml"
        self.write(url)
        (folder / "admin.key").write_text("admin-secret")
        self.arguments = (
            "--config", self.routes, "--keys", self.keys.path, "--workers", str(WORKERS),
            "--admin-key-file", folder / "admin.key",
        )  # fmt: skip

    def write(self, url: str) -> None:
        self.routes.write_text(
            f"version: 1\nmodels: [{{name: m, backend: vllm, backend_url: '{url}'}}]\n"
        )


@pytest.fixture
def site(tmp_path: Path, upstream: ScriptedUpstream) -> Site:
    return Site(tmp_path, upstream.url)


@pytest.fixture
def gateway(site: Site) -> Iterator[GatewayProcess]:
    with GatewayProcess(*site.arguments) as process:
        until(lambda: len(processes(process)) == WORKERS, what="the workers")
        yield process


def processes(gateway: GatewayProcess) -> list[int]:
    return [child.pid for child in psutil.Process(gateway.pid).children()]


def refuses(gateway: GatewayProcess) -> bool:
    try:
        RawClient(gateway.port).sock.close()
    except ConnectionRefusedError:
        return True
    return False


def samples(gateway: GatewayProcess) -> dict[Any, float]:
    text = get(gateway.port, "/metrics", x_api_key="admin-secret").body.decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def answered(gateway: GatewayProcess, code: str = "200") -> float:
    return sum(
        value
        for (name, labels), value in samples(gateway).items()
        if name == "frontier_requests_total" and ("code", code) in labels
    )


def state(gateway: GatewayProcess) -> dict[str, Any]:
    return get(gateway.port, "/admin/routes", x_api_key="admin-secret").json


def load(gateway: GatewayProcess, header: dict[str, str], count: int) -> list[int]:
    """Send *count* requests on connections of their own, sixteen at a time."""
    with ThreadPoolExecutor(16) as pool:
        one = lambda _: ask(gateway.port, chat("m"), **header).status  # noqa: E731
        return list(pool.map(one, range(count)))


def test_a_limit_is_exact_over_all_workers(site: Site, gateway: GatewayProcess) -> None:
    header = site.keys.add("burst", rpm=100)
    until(lambda: state(gateway)["files"].get(str(site.keys.path)), timeout_s=2)
    until(lambda: ask(gateway.port, chat("m")).status == 401, timeout_s=2)

    began = time.monotonic()
    statuses = load(gateway, header, 300)
    refilled = int((time.monotonic() - began) * 100 / 60)

    passed = statuses.count(200)
    sys.stdout.write(f"{passed} of 300 passed; {refilled} came back while they were sent\n")
    assert set(statuses) == {200, 429}
    assert 100 <= passed <= 100 + refilled
    served = {pid for pid in processes(gateway) if _cpu_ticks(pid) > 0}
    assert len(served) == WORKERS


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_metrics_are_those_of_all_workers_whoever_is_asked(
    site: Site, gateway: GatewayProcess
) -> None:
    load(gateway, {}, 200)

    found = [answered(gateway) for _ in range(8)]

    assert found == [200.0] * 8
    assert samples(gateway)["frontier_build_info", frozenset({("version", _version())})] == 1


def _version() -> str:
    import frontier

    return frontier.__version__


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_forgotten(
    site: Site, gateway: GatewayProcess
) -> None:
    header = site.keys.add("lasting", rpm=10)
    until(lambda: ask(gateway.port, chat("m")).status == 401, timeout_s=2)
    time.sleep(0.3)  # the other workers' ticks
    assert load(gateway, header, 20).count(200) == 10
    before = answered(gateway)
    site.keys.change("lasting", rpm=10)

    victims = processes(gateway)
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    until(lambda: len(set(processes(gateway)) - set(victims)) == WORKERS, timeout_s=10)

    assert len(gateway.events("worker_died")) == WORKERS
    assert ask(gateway.port, chat("m")).status == 401
    assert ask(gateway.port, chat("m"), **header).status == 429
    assert answered(gateway) == before


def test_connections_to_a_dead_worker_wait_for_its_successor(
    site: Site, gateway: GatewayProcess
) -> None:
    for victim in processes(gateway):
        os.kill(victim, signal.SIGKILL)

    assert load(gateway, {}, 40) == [200] * 40


def test_a_new_worker_begins_with_the_last_good_files(site: Site, gateway: GatewayProcess) -> None:
    header = site.keys.add("gone")
    until(lambda: ask(gateway.port, chat("m"), **header).status == 200, timeout_s=2)
    until(lambda: ask(gateway.port, chat("m")).status == 401, timeout_s=2)
    site.keys.change("gone", revoked=NOW)
    until(lambda: ask(gateway.port, chat("m"), **header).status == 401, timeout_s=2)
    time.sleep(1.2)  # the parent looks once a second
    site.keys.path.write_text("version: 2")
    victims = processes(gateway)
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    until(lambda: len(set(processes(gateway)) - set(victims)) == WORKERS, timeout_s=10)

    assert set(load(gateway, header, 20)) == {401}
    assert "version" in get(gateway.port, "/readyz").json["config_error"]


def test_what_is_under_way_anywhere_is_told_and_files_once_all_have_them(
    site: Site, gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    go_on = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "a")))
        go_on.wait(10)
        exchange.send(chunk(DONE) + LAST_CHUNK)

    name = upstream.on("under way", script)
    clients = [RawClient(gateway.port) for _ in range(12)]
    for client in clients:
        client.post(chat("m", name, stream=True))
    until(lambda: len(upstream.requests(name)) == 12)

    found = state(gateway)

    assert [row["requests"] for row in found["in_flight"]] == [12]
    assert [engine["busy"] for engine in found["models"][0]["backends"]] == [12]
    assert set(found["files"]) == {str(site.routes), str(site.keys.path)}
    go_on.set()
    for client in clients:
        assert client.read().events[-1] == "[DONE]"
        client.sock.close()
    until(lambda: not state(gateway)["in_flight"])


@pytest.mark.parametrize("to_group", [False, True])
def test_a_signal_ends_all_after_what_is_under_way(
    site: Site, upstream: ScriptedUpstream, to_group: bool
) -> None:
    go_on = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "a")))
        go_on.wait(10)
        exchange.send(chunk(DONE) + LAST_CHUNK)

    name = upstream.on(f"ending {to_group}", script)
    with GatewayProcess(*site.arguments) as gateway:
        workers = until(lambda: len(p := processes(gateway)) == WORKERS and p)
        with RawClient(gateway.port) as client:
            client.post(chat("m", name, stream=True))
            upstream.wait_for_request(name)
            for pid in (gateway.pid, *(workers if to_group else ())):
                with contextlib.suppress(ProcessLookupError):  # it was idle, and quick
                    os.kill(pid, signal.SIGTERM)
            until(lambda: refuses(gateway), what="the end of listening")
            go_on.set()
            assert client.read().events[-1] == "[DONE]"
        assert gateway.wait() == 0
        assert gateway.events("stopped")[-1] == gateway.lines[-1]


def test_a_second_signal_ends_at_once(site: Site, upstream: ScriptedUpstream) -> None:
    name = upstream.on("endless", lambda exchange: exchange.wait_until_gone(20))
    with GatewayProcess(*site.arguments) as gateway, RawClient(gateway.port) as client:
        client.post(chat("m", name))
        upstream.wait_for_request(name)
        gateway.signal(signal.SIGINT)
        until(lambda: gateway.events("draining"))
        gateway.signal(signal.SIGINT)
        assert gateway.wait(5) == 0


def test_workers_whose_parent_is_killed_end_by_themselves(site: Site) -> None:
    with GatewayProcess(*site.arguments) as gateway:
        workers = until(lambda: len(p := processes(gateway)) == WORKERS and p)
        gateway.signal(signal.SIGKILL)
        until(lambda: not any(psutil.pid_exists(pid) for pid in workers))


def test_a_taken_port_is_told_although_workers_share_theirs(site: Site) -> None:
    with GatewayProcess(*site.arguments) as gateway:
        place = f"127.0.0.1:{gateway.port}"
        argv = [sys.executable, "-m", "frontier.gateway", "--listen", place]
        second = subprocess.run(
            [*argv, *map(str, site.arguments)],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    assert second.returncode == 4
    assert f"another program listens on {place}" in second.stderr


def test_request_ids_of_workers_differ(gateway: GatewayProcess) -> None:
    load(gateway, {}, 100)

    ids = [ask(gateway.port, chat("m")).headers["x-request-id"] for _ in range(40)]

    assert len({i[:20] for i in ids}) > 1
    assert len(set(ids)) == 40
