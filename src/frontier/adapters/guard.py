"""Guards one service process: started as ``python -I -S guard.py``, standard library only.

Usage: ``guard.py LOG MAX_BYTES FILES GRACE_S DEATHSIG COMMAND...``

The service runs in a session of its own. Its output goes to LOG, with the time before each line
that is no JSON, which has its own; LOG is rotated at MAX_BYTES, at most FILES files. Standard input
is the lifeline: its end, which the kernel brings about however the daemon dies, stops the service,
and so does SIGTERM: SIGTERM to the service's process group, GRACE_S seconds, SIGKILL. With DEATHSIG
``1`` Linux kills the service when this guard is killed.
Standard output tells the daemon ``pid N`` or ``error TEXT``, and after the end the last output.
Exits with the service's code, 128+n for signal n, 127 when it cannot be executed.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

TAIL_BYTES = 4096  # fits a pipe's buffer whole: telling it never blocks
_CHUNK_BYTES = 65536
_DRAIN_S = 1.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Log:
    """A log file that is rotated between lines and never stops the service.

    What cannot be written, because the disk is full or the folder gone, is dropped and counted;
    the count is written as soon as writing works again.
    """

    def __init__(self, path: str, max_bytes: int, files: int) -> None:
        self._path, self._max_bytes, self._files = path, max_bytes, files
        self._file: int | None = None
        self._size = 0
        self._lost = 0
        self._is_within_line = False

    def write(self, data: bytes) -> None:
        """Append *data*, rotating first where a line ends."""
        if data:
            is_within, self._is_within_line = self._is_within_line, data[-1:] != b"\n"
            data = stamped(data, is_within)
        try:
            self._open()
            self._confess()
            if self._size >= self._max_bytes and (end := data.find(b"\n") + 1):
                self._append(data[:end])
                data = data[end:]
                self._rotate()
            self._append(data)
        except OSError:
            self._lost += len(data)

    def _open(self) -> None:
        """Open the file, again if someone has removed it."""
        with contextlib.suppress(FileNotFoundError):
            if self._file is not None and os.path.samestat(
                os.fstat(self._file),
                os.stat(self._path),  # noqa: PTH116 pathlib costs 10 ms
            ):
                return
        self._close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o644)
        self._size = os.fstat(self._file).st_size

    def _append(self, data: bytes) -> None:
        while data and self._file is not None:
            written = os.write(self._file, data)
            self._size += written
            data = data[written:]

    def _confess(self) -> None:
        if self._lost:
            # on a line of its own, whatever was cut off before it
            told = b'{"time":"%s","level":"error","event":"log_lost","bytes":%d}'
            self._append(b"\n" + told % (now(), self._lost) + b"\n")
            self._lost = 0

    def _rotate(self) -> None:
        for number in range(self._files - 1, 0, -1):
            older = f"{self._path}.{number - 1}" if number > 1 else self._path
            with contextlib.suppress(FileNotFoundError):
                os.replace(older, f"{self._path}.{number}")  # noqa: PTH105 pathlib costs 10 ms
        self._open()

    def close(self) -> None:
        """End the last line and close the file; the next write opens it again."""
        if self._is_within_line:
            self.write(b"\n")
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def now() -> bytes:
    """Return the time as it stands in logs: ``2026-11-21T09:12:00.118Z``."""
    seconds = time.time()
    date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return b"%s.%03dZ" % (date.encode(), seconds % 1 * 1000)


def stamped(data: bytes, is_within_line: bool) -> bytes:
    """Return *data* with the time before each line that begins in it and is not JSON."""
    stamp = now() + b" "
    parts = data.split(b"\n")
    for index, part in enumerate(parts):
        if part and not part.startswith(b"{") and not (index == 0 and is_within_line):
            parts[index] = stamp + part
    return b"\n".join(parts)


class Guard:
    """One running service and the three things that can happen to it."""

    def __init__(self, wake: "Wake", process: "subprocess.Popen[bytes]", log: Log) -> None:
        self._wake, self._process, self._log = wake, process, log
        self._kill_at: float | None = None
        self.tail = b""
        assert process.stdout is not None  # noqa: S101 Popen was given a pipe
        self._output = process.stdout.fileno()

    def run(self, grace_s: float) -> int:
        """Return the service's exit code once nothing of its process group is left."""
        try:
            self._wait(grace_s)
        finally:
            # the leader is gone; its children, if any, are in the same group and go with it
            self._signal(signal.SIGKILL)
        self._drain()
        return _shell_code(self._process.wait())

    def _wait(self, grace_s: float) -> None:
        watched = [self._wake.reading, self._output, 0]
        while self._process.poll() is None:
            ready, _, _ = select.select(watched, [], [], self._patience_s())
            if self._wake.reading in ready:
                self._wake.clear()
            if self._output in ready and not self._pump():
                watched.remove(self._output)
            if 0 in ready and not os.read(0, _CHUNK_BYTES):
                watched.remove(0)
                self._wake.is_told_to_stop = True
            self._enforce(grace_s)

    def _patience_s(self) -> float | None:
        return None if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())

    def _enforce(self, grace_s: float) -> None:
        now = time.monotonic()
        if self._wake.is_told_to_stop and self._kill_at is None:
            self._signal(signal.SIGTERM)
            self._kill_at = now + grace_s
        elif self._kill_at is not None and now >= self._kill_at:
            self._signal(signal.SIGKILL)
            self._kill_at = now + 1.0  # again, should something have been forked meanwhile

    def _signal(self, number: int) -> None:
        # PermissionError: macOS's answer for a group of which only zombies are left
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _pump(self) -> bool:
        """Log what there is; False at the end of the output."""
        data = os.read(self._output, _CHUNK_BYTES)
        self._log.write(data)
        self.tail = (self.tail + data)[-TAIL_BYTES:]
        return bool(data)

    def _drain(self) -> None:
        """Log the rest; whoever left the group and holds the pipe open is not waited for."""
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline and select.select([self._output], [], [], _DRAIN_S)[0]:
            if not self._pump():
                break
        self._log.close()


class Wake:
    """A pipe that becomes readable at every signal that this guard handles."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        self.is_told_to_stop = False
        for end in (self.reading, writing):
            os.set_blocking(end, False)
        # SIGHUP has a handler, not SIG_IGN, because the service would inherit that
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self.is_told_to_stop = True

    def clear(self) -> None:
        """Make the pipe wait for the next signal."""
        os.read(self.reading, _CHUNK_BYTES)


def _shell_code(code: int) -> int:
    return 128 - code if code < 0 else code


def _failed(reason: str) -> bytes:
    import json  # costs 5 ms, which services that start need not pay

    said = {"time": now().decode(), "level": "error", "event": "cannot_execute", "reason": reason}
    return f"{json.dumps(said)}\n".encode()


def tell(text: bytes) -> None:
    """Write to the daemon, if there still is one."""
    with contextlib.suppress(OSError):
        os.write(1, text)


def _deathsig() -> Callable[[], None]:
    """Return what makes Linux kill the calling process when this one dies, however it dies."""
    guard, libc = os.getpid(), ctypes.CDLL(None)

    def ask() -> None:  # pragma: no cover: runs between fork and exec
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(1)

    return ask


def main(arguments: list[str]) -> int:
    """Run one service to its end and return its exit code."""
    path, max_bytes, files, grace_s, deathsig, *command = arguments
    log = Log(path, int(max_bytes), int(files))
    wake = Wake()  # before the service: a SIGTERM from now on is not lost
    try:
        process = subprocess.Popen(  # noqa: S603 the command is the project's own
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
            preexec_fn=_deathsig() if deathsig == "1" else None,  # noqa: PLW1509 no threads here
        )
    except OSError as error:
        reason = f"{command[0]}: {error.strerror}"
        log.write(_failed(reason))
        tell(f"error {reason}\n".encode())
        return 127
    tell(b"pid %d\n" % process.pid)
    guard = Guard(wake, process, log)
    code = guard.run(float(grace_s))
    tell(guard.tail)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
