"""The clients and the engine, in C on a core of their own, and the gateways on the other."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from peers_gateways import CACHE, ENGINE, GATEWAYS, KEY, MODEL, Gateway

NATIVE = Path(__file__).parent / "native"
DIRECT = 9102
_FIRST_PORT = 9110
_START_S = 120.0
_PATH = "/v1/chat/completions"


def direct() -> Gateway:
    """Return the engine that stands where a gateway would."""
    return Gateway("direct", DIRECT)


class Load:
    """Runs loads, one at a time."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def run(self, gateway: Gateway, **options: object) -> dict[str, Any]:
        """Load *gateway*; return what the clients saw.

        Args:
            gateway: Where to.
            options: Those of clients.c, by their letters.
        """
        words = ["-p", str(gateway.port), "-k", KEY, "-m", MODEL, "-P", _PATH]
        words += [word for letter, value in options.items() for word in (f"-{letter}", str(value))]
        ours, theirs = self._process.stdin, self._process.stdout
        assert ours is not None
        assert theirs is not None
        ours.write(("|".join(words) + "\n").encode())
        ours.flush()
        got: dict[str, Any] = json.loads(theirs.readline())
        return got

    def memory_with_64_streams(self, gateway: Gateway) -> float:
        """Return the most memory of *gateway*, MiB, while 64 streams pass 100 000 chunks."""
        most = [0.0]
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(0.5):
                most[0] = max(most[0], gateway.memory_mib())

        thread = threading.Thread(target=watch)
        thread.start()
        self.run(gateway, c=64, d=16, w=1, s="100,10000")
        is_over.set()
        thread.join()
        return most[0]


@contextlib.contextmanager
def running(names: list[str]) -> Generator[tuple[Load, list[Gateway]]]:
    """Yield the load and all gateways *names*, up at once."""
    clients, engine, awake = _built()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        process = _start(stack, [str(clients), "-I", str(ENGINE)], core=1, piped=True)
        _start(stack, [str(engine), str(DIRECT)], core=0)
        gateways = [_gateway(stack, name, _FIRST_PORT + i, folder) for i, name in enumerate(names)]
        _start(stack, [str(awake), "900"], core=0, nice=0)  # or the core's wake-ups are measured
        load = Load(process)
        for gateway in (direct(), *gateways):
            load.run(gateway, c=16, d=0.5, w=0.5)
        yield load, gateways


def _built() -> tuple[Path, Path, Path]:
    """Compile clients, engine and the program that keeps a core awake, where they are older."""
    CACHE.mkdir(parents=True, exist_ok=True)
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise SystemExit("no C compiler: apt-get install gcc")
    clients, engine = NATIVE / "clients.c", NATIVE / "upstream.c"
    programs = {
        "clients": ("-DEMBED", clients, engine),
        "engine": (engine,),
        "awake": (NATIVE / "awake.c",),
    }
    for name, words in programs.items():
        subprocess.run((compiler, "-O2", "-o", CACHE / name, *words), check=True)
    return CACHE / "clients", CACHE / "engine", CACHE / "awake"


def _start(
    stack: contextlib.ExitStack,
    command: list[str],
    *,
    core: int,
    nice: int = -10,
    piped: bool = False,
    log: Path | None = None,
) -> "subprocess.Popen[bytes]":
    out = log.open("wb") if log else subprocess.PIPE if piped else subprocess.DEVNULL
    process = subprocess.Popen(
        ["nice", "-n", str(nice), "taskset", "-c", str(core), *command],
        stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
        stdout=out,
        stderr=out if log else None,
        start_new_session=True,
    )
    stack.callback(_end, process)
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number, wait_s in ((signal.SIGTERM, 8), (signal.SIGKILL, 8)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait_s)
            break
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def _gateway(stack: contextlib.ExitStack, name: str, port: int, folder: Path) -> Gateway:
    own = folder / name
    own.mkdir()
    command = GATEWAYS[name](port, own)
    log = CACHE / f"{name}.log"
    began = time.perf_counter()
    process = _start(stack, command, core=0, log=log)
    while not _answers(port):
        if process.poll() is not None or time.perf_counter() - began > _START_S:
            raise SystemExit(f"{name} does not answer: see {log}")
        time.sleep(0.005)
    start_s = time.perf_counter() - began
    time.sleep(1.5)
    gateway = Gateway(name, port, process.pid, start_s)
    gateway.idle_mib = gateway.memory_mib()
    return gateway


def _answers(port: int) -> bool:
    """Tell whether a chat request is answered: the first real answer, not an open port."""
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "mock:0 hi"}]})
    head = (
        f"POST {_PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
    )
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.settimeout(10)
        sock.sendall(f"{head}\r\n{body}".encode())
        return sock.recv(65536).startswith(b"HTTP/1.1 200")
    return False
