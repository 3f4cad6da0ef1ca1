"""Save how `frontier top` looks on a real stack under load, as docs/_static/top-*.svg.

Usage: .venv/bin/python docs/top_pictures.py      (a workspace, ports and a stack of its own)
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).parent / "_static"
MODEL = "smollm2:135m"
PICTURES = {
    "wide": (140, 40, "textual-dark", ()),
    "light": (100, 26, "textual-light", ("4",)),
    "narrow": (60, 20, "textual-dark", ("2",)),
    "terminal": (80, 24, "ansi-dark", ("enter",)),
}
"""Columns, rows, theme and keys by name of the file."""
_WARM_S = 30.0


def main() -> None:
    """Start, ask, draw, stop."""
    with tempfile.TemporaryDirectory() as home:
        # one thread: two wait for each other, spinning, where others compute, too
        os.environ.update(FRONTIER_HOME=f"{home}/stack", API_PORT=str(_port()), GATEWAY_PORT="0")
        os.environ["NUM_WORKERS"] = "1"
        frontier = [sys.executable, "-m", "frontier"]
        subprocess.run([*frontier, "up", "--runtime", "native"], check=True)
        try:
            keys = [_key(frontier, name) for name in ("editor", "nightly")]
            with _asked(keys):
                asyncio.run(_draw())
        finally:
            subprocess.run([*frontier, "down"], check=True)


def _key(frontier: list[str], name: str) -> str:
    made = subprocess.run(
        [*frontier, "keys", "create", name, "--json"], check=True, capture_output=True
    )
    return str(json.loads(made.stdout)["secret"])


async def _draw() -> None:
    from frontier.bootstrap import Services
    from frontier.cli.top_app import TopApp
    from frontier.usecases.top import begin

    top = Services().top()
    app = TopApp(top, begin(top), interval_s=1.0)
    async with app.run_test(size=(140, 40)) as pilot:
        await asyncio.sleep(_WARM_S)
        for name, (columns, rows, theme, keys) in PICTURES.items():
            app.theme = theme
            await pilot.resize_terminal(columns, rows)
            await pilot.press("1", *keys)
            await asyncio.sleep(2)
            (TARGET / f"top-{name}.svg").write_text(app.export_screenshot(title="frontier top"))
            await pilot.press("escape")


@contextlib.contextmanager
def _asked(keys: list[str]) -> Iterator[None]:
    """Ask without a pause, sometimes for what there is not, while the block runs."""
    ended = threading.Event()
    threads = [threading.Thread(target=_ask, args=(key, ended)) for key in keys]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _ask(key: str, ended: threading.Event) -> None:
    count = 0
    while not ended.is_set():
        count += 1
        body = {
            "model": MODEL if count % 5 != 1 else "llama-70b",
            "messages": [{"role": "user", "content": "Hi"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": (4, 8, 16)[count % 3],
        }
        url = f"http://127.0.0.1:{os.environ['API_PORT']}/v1/chat/completions"
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
