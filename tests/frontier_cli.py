"""The real command in a process of its own, in a workspace and on ports of its own."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Settings of the machine that runs the tests must not leak into them.
_PASSED_ON = (
    *("PATH", "HOME", "LANG", "TMPDIR"),
    *("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"),
    *("DOCKER_CONFIG", "DOCKER_HOST"),
)


@dataclass
class Frontier:
    """Runs `frontier` for one workspace.

    Attributes:
        env: Added to a small environment.
    """

    workspace: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # one thread: those of several engines that share few cores wait for each other, spinning
        one_thread = {"NUM_WORKERS": "1"}
        ports = {"API_PORT": str(free_port()), "GATEWAY_PORT": "0"}
        self.env = {**one_thread, **ports, **self.env}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.env['API_PORT']}"

    @property
    def environ(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in _PASSED_ON or _is_index(k)}
        return {**kept, "NO_COLOR": "1", "FRONTIER_HOME": str(self.workspace), **self.env}

    def argv(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "frontier", *args]

    def run(
        self, *args: str, stdin: str | None = None, timeout_s: float = 240
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*args),
            env=self.environ,
            cwd=self.workspace.parent,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def ok(self, *args: str, stdin: str | None = None) -> str:
        done = self.run(*args, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *args: str) -> Any:
        return json.loads(self.ok(*args, "--json"))

    def fails(self, exit_code: int, *args: str) -> str:
        done = self.run(*args)
        assert done.returncode == exit_code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stderr

    def start(self, *args: str, output: Path | None = None) -> subprocess.Popen[bytes]:
        """Start the command and return at once; what it prints goes to *output*."""
        with (output or Path(os.devnull)).open("wb") as file:
            return subprocess.Popen(
                self.argv(*args),
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_index(name: str) -> bool:
    return name.startswith(("PIP_", "UV_")) or "CERT" in name or name.upper().endswith("_PROXY")
