"""Runs the vendors' tools with a deadline that no child can stretch."""

import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

Run = Callable[[Sequence[str]], str]
"""Runs a command line and returns its stdout; raises ToolError."""

_OUTPUT_LIMIT_BYTES = 1 << 20
_POLL_S = 0.02
_KILL_GRACE_S = 0.2
# Where drivers put their tools without touching PATH: WSL, ROCm, and macOS's sysctl in services.
_EXTRA_PATH = ("/usr/lib/wsl/lib", "/opt/rocm/bin", "/usr/sbin", "/sbin")


class ToolError(Exception):
    """A tool failed; ``stdout`` holds what it printed before."""

    def __init__(self, message: str, *, stdout: str = "") -> None:
        super().__init__(message)
        self.stdout = stdout


class ToolMissingError(ToolError):
    """There is no such tool on this machine, which by itself is no problem."""


def one_line(text: str, limit: int = 160) -> str:
    """Return *text* as one printable line of at most *limit* characters."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def runner(timeout_s: float) -> Run:
    """Return a Run whose calls all end within *timeout_s* seconds from now."""
    deadline = time.monotonic() + timeout_s

    def run(argv: Sequence[str]) -> str:
        return _run(argv, deadline, f"timed out after {timeout_s:g} s")

    return run


def _run(argv: Sequence[str], deadline: float, late: str) -> str:
    name = argv[0]
    process = _start(argv)
    try:
        stdout, stderr = _read(process, deadline)
        if len(stdout) + len(stderr) > _OUTPUT_LIMIT_BYTES:
            raise ToolError(f"{name}: printed more than {_OUTPUT_LIMIT_BYTES >> 20} MiB")
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
    finally:
        _end(process)
    if process.returncode is None or time.monotonic() >= deadline:
        raise ToolError(f"{name}: {late}", stdout=stdout)
    if process.returncode != 0:
        said = one_line(stderr) or one_line(stdout) or "no message"
        raise ToolError(f"{name}: exit code {process.returncode}: {said}", stdout=stdout)
    return stdout


def _start(argv: Sequence[str]) -> "subprocess.Popen[bytes]":
    folders = [os.environ.get("PATH", os.defpath), *_EXTRA_PATH]
    found = shutil.which(argv[0], path=os.pathsep.join(folders))
    if found is None:
        raise ToolMissingError(f"{argv[0]}: not installed")
    try:
        return subprocess.Popen(  # noqa: S603 - constant arguments, no shell
            [found, *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,  # so that its children can be killed with it
        )
    except OSError as error:
        raise ToolError(f"{argv[0]}: cannot be run: {error.strerror or error}") from error


def _read(process: "subprocess.Popen[bytes]", deadline: float) -> tuple[str, str]:
    """Return stdout and stderr up to the child's end, the limit or the deadline.

    A grandchild may keep the pipes open for ever, so their end is not waited for.
    """
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for pipe, buffer in ((process.stdout, out), (process.stderr, err)):
            if pipe is not None:  # pragma: no branch - both are pipes
                selector.register(pipe, selectors.EVENT_READ, buffer)
        while selector.get_map() and time.monotonic() < deadline:
            has_ended = process.poll() is not None
            ready = selector.select(_POLL_S)
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 16)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            if (has_ended and not ready) or len(out) + len(err) > _OUTPUT_LIMIT_BYTES:
                break
    return out.decode(errors="replace"), err.decode(errors="replace")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what still runs, without waiting for a process that a driver holds in the kernel."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_KILL_GRACE_S)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:  # pragma: no branch - both are pipes
            pipe.close()
