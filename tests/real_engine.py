"""The real llama.cpp with the small model behind a real gateway."""

import contextlib
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

from frontier.adapters.llama_server import find_engine
from frontier.adapters.ports_free import free_port
from frontier.renderers.native import EngineSpec, GatewaySpec, render
from gateway_process import GatewayProcess, get
from waiting import until

MODEL = "smollm2:135m"


@contextlib.contextmanager
def llama_cpp(
    weights: Path, *, context: int, parallel: int = 2, threads: int = 0
) -> Generator[int]:
    """Yield the port of the llama.cpp server that `up` starts."""
    argv = find_engine(sys.executable, path="").argv
    spec = EngineSpec(
        argv=argv, model=MODEL, path=weights, context=context, parallel=parallel, threads=threads
    )
    gateway = GatewaySpec(python="", bind="127.0.0.1", ports=(1,), config=())
    port = free_port()
    process = subprocess.Popen(
        render("llamacpp", spec, gateway).services[0].command(port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def gateway_of(routes: str, folder: Path) -> Generator[GatewayProcess]:
    """Yield a gateway with the route file *routes*, once its engines answer."""
    file = folder / "routes.yaml"
    file.write_text(routes)
    with GatewayProcess("--config", file) as gateway:
        until(lambda: get(gateway.port, "/readyz").status == 200, timeout_s=60, what="the engine")
        yield gateway
