"""The gateways that are compared: how each is got and started."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("FRONTIER_BENCH_CACHE", Path.home() / ".cache" / "frontier-bench"))
KEY = "sk-bench"
MODEL = "mock-model"
COMPILED = Path(__file__).parents[2] / "build" / "compiled"
ENGINE = 9000  # the port of the embedded engine
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Gateway:
    """A gateway that runs.

    Attributes:
        start_s: From its start to its first answer.
        idle_mib: Proportional set size of all its processes before any load.
    """

    name: str
    port: int
    pid: int = 0
    start_s: float = 0.0
    idle_mib: float = 0.0

    def cpu_s(self) -> float:
        """User and system time of its processes, those that ended included."""
        return sum(_ticks(pid) for pid in tree(self.pid)) / _TICKS if self.pid else 0.0

    def memory_mib(self) -> float:
        """Proportional set size of its processes."""
        return sum(_pss_kib(pid) for pid in tree(self.pid)) / 1024


def tree(root: int) -> list[int]:
    """Return *root* and all its descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found, todo = [], [root]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def _ticks(pid: int) -> int:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return sum(int(field) for field in fields[11:15])
    return 0


def _pss_kib(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _venv(name: str, *packages: str) -> Path:
    """Return the folder of programs of an environment with *packages*, made once."""
    tag = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    folder = CACHE / f"{name}-{tag}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run((sys.executable, "-m", "venv", folder), check=True)
        install = (folder / "bin" / "pip", "install", "--quiet", *packages)
        subprocess.run(install, check=True)
        (folder / "done").touch()
    return folder / "bin"


def _frontier(port: int, folder: Path) -> list[str]:
    if not (COMPILED / "frontier").exists():
        raise LookupError("its hot path is not compiled: make compiled")
    return ["env", f"PYTHONPATH={COMPILED}", *_interpreted(port, folder)]


def _interpreted(port: int, folder: Path) -> list[str]:
    routes, key = folder / "routes.yaml", folder / "key"
    url = f"http://127.0.0.1:{ENGINE}"
    routes.write_text(
        f"version: 1\nmodels: [{{name: {MODEL}, backend: llamacpp, backend_url: '{url}'}}]\n"
    )
    key.write_text(KEY)
    listen = ("--listen", f"127.0.0.1:{port}", "--config", str(routes))
    keys = ("--api-key-file", str(key), "--rate-limit", "1000000000")
    return [sys.executable, "-m", "frontier.gateway", *listen, *keys]


def _nginx(port: int, folder: Path) -> list[str]:
    program = shutil.which("nginx")
    if program is None:
        raise LookupError("nginx is not installed: apt-get install nginx-light")
    config = folder / "nginx.conf"
    config.write_text(
        f"""worker_processes 1; daemon off; master_process off; pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  client_body_buffer_size 1m; client_max_body_size 10m; keepalive_requests 1000000000;
  upstream m {{ server 127.0.0.1:{ENGINE}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://m; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""
    )
    return [program, "-c", str(config), "-p", str(folder)]


def _vllm_router(port: int, _folder: Path) -> list[str]:
    program = _venv("vllm-router", "vllm-router==0.1.17") / "vllm-router"
    where = ("--host", "127.0.0.1", "--port", str(port))
    return [str(program), *where, "--worker-urls", f"http://127.0.0.1:{ENGINE}"]


def _litellm(port: int, folder: Path) -> list[str]:
    program = _venv("litellm", "litellm[proxy]==1.106.2") / "litellm"
    config = folder / "litellm.yaml"
    config.write_text(
        f"""model_list:
  - model_name: {MODEL}
    litellm_params:
      {{model: openai/{MODEL}, api_base: "http://127.0.0.1:{ENGINE}/v1", api_key: sk-upstream}}
general_settings: {{master_key: {KEY}}}
"""
    )
    where = ("--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
    return [str(program), "--config", str(config), *where]


GATEWAYS: dict[str, Callable[[int, Path], list[str]]] = {
    "frontier": _frontier,
    "interpreted": _interpreted,
    "nginx": _nginx,
    "vllm-router": _vllm_router,
    "litellm": _litellm,
}


def prepare(names: list[str]) -> list[str]:
    """Return those of *names* that this machine can have; install what is missing."""
    found: list[str] = []
    for name in names:
        folder = CACHE / "probe"
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        try:
            GATEWAYS[name](1, folder)
        except (LookupError, OSError, subprocess.CalledProcessError) as error:
            print(f"left out: {name}: {error}", file=sys.stderr)
            continue
        print(f"{name}: at hand after {time.monotonic() - began:.0f} s", file=sys.stderr)
        found.append(name)
    return found
