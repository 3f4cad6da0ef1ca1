"""Service processes, each under a guard that outlives no daemon."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from frontier.adapters import guard
from frontier.adapters.logs import LOG_FILES
from frontier.adapters.native_leftovers import mark_of
from frontier.domain.errors import RuntimeFailedError
from frontier.domain.project import Service
from frontier.domain.supervision import Exit

_LOG_BYTES = 10 * 1024 * 1024
_KILLS = 100
_KILL_INTERVAL_S = 0.02


class GuardedProcess:
    """One service and its guard."""

    def __init__(self, pid: int, process: asyncio.subprocess.Process, patience_s: float) -> None:
        self.pid = pid
        self._process, self._patience_s = process, patience_s
        self._ended = asyncio.create_task(self._end())

    async def wait(self) -> Exit:
        """Return how it ended, once nothing of it is left."""
        return await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """Have the guard stop it; kill both if even the guard does not end."""
        if self._ended.done():
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(self._patience_s):
                await self.wait()
        except TimeoutError:
            self._process.kill()
            await self.wait()

    async def _end(self) -> Exit:
        assert self._process.stdout is not None  # noqa: S101 it was started with a pipe
        output = await self._process.stdout.read()
        code = await self._process.wait()
        text = output.decode(errors="replace")
        if code >= 0:
            return Exit(code, text)
        await self._kill_group()  # the guard was killed and could not clean up
        return Exit(128 - code, text, was_unguarded=True)

    async def _kill_group(self) -> None:
        """Kill the service's process group and wait, a few seconds at most, until it is gone."""
        # PermissionError: macOS's answer for a group of which only zombies are left
        with contextlib.suppress(ProcessLookupError, PermissionError):
            for _ in range(_KILLS):
                os.killpg(self.pid, signal.SIGKILL)
                await asyncio.sleep(_KILL_INTERVAL_S)


class GuardedProcesses:
    """Starts services under guards.

    Args:
        logs: Folder of the log files.
        run_folder: The run folder of the daemon.
        has_deathsig: Let Linux kill a service whose guard was killed. Without it, as on macOS,
            the daemon does so.
        log_bytes: Size at which a log file is rotated.
        margin_s: Seconds a guard gets beyond the grace of its service before both are killed.
    """

    def __init__(
        self,
        logs: Path,
        run_folder: Path,
        *,
        has_deathsig: bool = sys.platform == "linux",
        log_bytes: int = _LOG_BYTES,
        margin_s: float = 5.0,
    ) -> None:
        self._margin_s = margin_s
        self._logs, self._run_folder = logs, run_folder
        self._has_deathsig, self._log_bytes = has_deathsig, log_bytes

    async def start(self, service: Service, port: int) -> GuardedProcess:
        """Start *service* with *port* in its command line.

        Raises:
            RuntimeFailedError: the program cannot be executed.
        """
        with contextlib.suppress(OSError):  # without a log folder the service goes on unlogged
            self._logs.mkdir(parents=True, exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            *self._guard(service),
            *service.command(port),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **service.env, **mark_of(self._run_folder)},
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101 it was started with a pipe
        word, _, rest = (await process.stdout.readline()).decode().strip().partition(" ")
        if word == "pid":
            return GuardedProcess(int(rest), process, service.stop_grace_s + self._margin_s)
        await process.wait()
        raise RuntimeFailedError(f"cannot execute {rest or 'the guard'}")

    def _guard(self, service: Service) -> tuple[str, ...]:
        return (
            *(sys.executable, "-I", "-S", guard.__file__),
            str(self._logs / f"{service.name}.log"),
            str(self._log_bytes),
            str(LOG_FILES),
            str(service.stop_grace_s),
            str(int(self._has_deathsig)),
        )
