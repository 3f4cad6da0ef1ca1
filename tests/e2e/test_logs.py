"""`frontier logs` over what really runs: processes and containers, killed and made anew."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from docker_harness import Docked, docker_children
from docker_images import docker
from frontier.adapters.all_logs import AllLogs
from frontier.adapters.container_logs import ContainerLogs
from frontier.adapters.logs import Logs
from frontier.domain.log_line import LogLine, Wanted
from frontier_cli import Frontier
from native_harness import Native, native_workspace, tiny
from waiting import until

COUNT = "i=0; while :; do i=$$((i+1)); echo $$HOSTNAME $$i; sleep 0.01; done"


@pytest.fixture
def native(tmp_path: Path) -> Iterator[Native]:
    with native_workspace(tmp_path / "w") as native:
        yield native


def logs_of(docked: Docked) -> AllLogs:
    workspace = docked.workspace
    containers = ContainerLogs(str(workspace.root.resolve()), workspace.compose_file.exists)
    return AllLogs(Logs(workspace.logs), containers)


class Followed:
    """What `frontier logs -f` has told so far, in a thread."""

    def __init__(self, logs: AllLogs, *names: str, past: int | None = 10) -> None:
        self.lines: list[LogLine] = []
        self._end = threading.Event()
        found = logs.follow(names, past, until=self._end.is_set)
        self._thread = threading.Thread(target=self._collect, args=(found,))
        self._thread.start()

    def _collect(self, found: Iterator[LogLine]) -> None:
        for line in found:
            self.lines.append(line)

    def said(self, service: str) -> list[str]:
        return [line.line for line in self.lines if line.service == service]

    def __enter__(self) -> "Followed":
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def counted(lines: list[str]) -> dict[str, list[int]]:
    """Return the numbers that each container counted."""
    found: dict[str, list[int]] = {}
    for line in lines:
        name, _, number = line.partition(" ")
        found.setdefault(name, []).append(int(number))
    return found


def is_gapless(numbers: list[int]) -> bool:
    return numbers == [*range(numbers[0], numbers[0] + len(numbers))]


def grown(read: Callable[[], list[Any]], by: int = 5) -> None:
    """Wait for *by* more lines."""
    least = len(read()) + by
    until(lambda: len(read()) >= least, timeout_s=30, what=f"{by} more lines")


def test_following_goes_on_when_the_engine_is_killed_and_tells_what_comes_up_later(
    native: Native, tmp_path: Path
) -> None:
    native.up(tiny("llamacpp"))
    cli, out = Frontier(native.workspace.root), tmp_path / "out"
    process = cli.start("logs", "-f", "-n", "100", "--json", output=out)

    def said(service: str) -> list[dict[str, Any]]:
        rows = map(json.loads, out.read_text().splitlines())
        return [row for row in rows if row["service"] == service]

    until(lambda: said("llamacpp"), timeout_s=30)
    first = native.service("llamacpp").pid
    assert first
    os.kill(first, signal.SIGKILL)
    second = native.until("llamacpp", "ready", not_pid=first).pid
    native.up(tiny("llamacpp"), tiny("other"))
    until(lambda: said("other"), timeout_s=30)
    process.send_signal(signal.SIGINT)

    assert process.wait(30) == 130
    assert [row["line"] for row in said("llamacpp")] == [
        f"hello from {first}",
        f"hello from {second}",
    ]
    assert any("llamacpp: backoff" in row["fields"]["message"] for row in said("daemon"))
    assert all(row["time"] for name in ("llamacpp", "daemon", "other") for row in said(name))
    times = [json.loads(row)["time"] for row in out.read_text().splitlines()]
    assert times[:3] == sorted(times[:3])


def test_who_closes_the_pipe_ends_it_without_a_word(native: Native) -> None:
    native.up(tiny("llamacpp", "spam=20000"))
    cli = Frontier(native.workspace.root)
    process = subprocess.Popen(
        cli.argv("logs", "-n", "20000"),
        env=cli.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()

    assert process.stderr.read() == b""
    process.wait(30)
    process.stderr.close()


def test_the_past_of_containers_has_dockers_times_and_both_streams(docked: Docked) -> None:
    said = "for i in 1 2 3; do echo out $$i; echo err $$i >&2; done; exec sleep 1000"
    docked.up(docked.declare(a=docked.service("sh", "-c", said)))
    logs = logs_of(docked)
    whole = until(lambda: found if len(found := [*logs.past((), None)]) == 6 else None)

    # which of both came first Docker itself does not know
    assert [line.line for line in whole if "out" in line.line] == ["out 1", "out 2", "out 3"]
    assert [line.line for line in whole if "err" in line.line] == ["err 1", "err 2", "err 3"]
    assert all(line.time for line in whole)
    assert [*logs.past(["a"], 2)] == whole[-2:]
    assert [*logs.past((), None, Wanted(since="2999"))] == []
    assert len([*logs.past((), None, Wanted(since=whole[0].time or ""))]) == 6


def test_no_line_is_lost_or_comes_twice_while_containers_restart_and_are_made_anew(
    docked: Docked,
) -> None:
    def counting(**more: object) -> dict[str, Any]:
        return docked.service("sh", "-c", COUNT, stop_grace_period="0s", **more)

    docked.up(docked.declare(a=counting()))
    first = docked.container("a")
    with Followed(logs_of(docked)) as followed:
        grown(lambda: followed.lines, 20)
        docker("kill", first)
        docker("start", first)  # the same container counts from 1 again
        until(lambda: followed.said("a").count(f"{first[:12]} 1") == 1, timeout_s=30)
        grown(lambda: followed.lines)
        docked.up(docked.declare(a=counting(environment={"X": "1"}), b=counting()))
        until(lambda: followed.said("b"), timeout_s=30)
        grown(lambda: followed.said("a"))
        written = docker("logs", docked.container("a")).splitlines()

    numbers = counted(followed.said("a"))
    second = docked.container("a")[:12]
    assert list(numbers) == [first[:12], second]
    again = numbers[first[:12]].index(1, 1)
    assert is_gapless(numbers[first[:12]][:again])
    assert is_gapless(numbers[first[:12]][again:])
    assert numbers[second][: len(written)] == [*range(1, len(numbers[second]) + 1)][: len(written)]
    assert len(numbers[second]) >= len(written) - 1
    assert is_gapless(followed_b := counted(followed.said("b")).popitem()[1])
    assert followed_b[0] == 1


def test_named_services_are_followed_and_others_are_not(docked: Docked) -> None:
    count = docked.service("sh", "-c", COUNT, stop_grace_period="0s")
    docked.up(docked.declare(a=count, b=count))

    with Followed(logs_of(docked), "a", past=0) as followed:
        grown(lambda: followed.lines)

    assert {line.service for line in followed.lines} == {"a"}


def test_who_stops_following_leaves_no_process(docked: Docked) -> None:
    docked.up(docked.declare(a=docked.service("sh", "-c", "echo one; exec sleep 1000")))
    lines = logs_of(docked).follow((), 5)
    assert next(lines).line == "one"

    lines.close()

    until(lambda: docker_children() == [])


def test_following_begins_before_anything_runs_in_docker(docked: Docked) -> None:
    docked.workspace.logs.mkdir(parents=True)
    (docked.workspace.logs / "daemon.log").write_text("old\n")
    with Followed(logs_of(docked)) as followed:
        until(lambda: followed.lines)
        docked.up(docked.declare(a=docked.service("sh", "-c", "echo one; exec sleep 1000")))
        until(lambda: followed.said("a") == ["one"], timeout_s=30)
