"""Guarded processes as the supervisor sees them, and the daemon command itself."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from frontier.adapters.native_files import RunFiles
from frontier.adapters.native_leftovers import sweep
from frontier.adapters.ports_free import free_port
from frontier.adapters.probe import HttpProbe
from frontier.adapters.processes import GuardedProcesses
from frontier.domain.errors import RuntimeFailedError
from frontier.domain.supervision import Pace
from frontier.usecases.keeper import Effects
from frontier.usecases.supervisor import Supervisor
from native_harness import Native, declare, is_alive, native_workspace, tiny
from waiting import until


@pytest.fixture
def native(tmp_path: Path) -> Iterator[Native]:
    with native_workspace(tmp_path / "w") as native:
        yield native


def processes(native: Native, **options: float | bool) -> GuardedProcesses:
    return GuardedProcesses(native.workspace.logs, native.workspace.run, **options)  # type: ignore[arg-type]


async def hello(native: Native, name: str = "llamacpp") -> None:
    async with asyncio.timeout(10):
        while "hello" not in native.log(name):
            await asyncio.sleep(0.01)


def test_an_end_carries_code_and_last_lines(native: Native) -> None:
    async def scenario() -> None:
        process = await processes(native).start(tiny("llamacpp", "spam=100", "die_after=0"), 0)

        end = await process.wait()

        assert end.code == 1
        assert end.output.splitlines()[-2:] == ["line 99", "last words"]
        assert len(end.last_lines.splitlines()) == 15
        await process.stop()  # nothing left to stop

    asyncio.run(scenario())


def test_a_stuck_guard_is_killed_with_its_service(native: Native) -> None:
    async def scenario() -> None:
        service = tiny(stop_grace_s=0.1)
        process = await processes(native, margin_s=0.2).start(service, free_port())
        await hello(native)
        guard = psutil.Process(process.pid).ppid()
        os.kill(guard, signal.SIGSTOP)

        await process.stop()

        assert (await process.wait()).was_unguarded
        assert not is_alive(process.pid)

    asyncio.run(scenario())


def test_without_help_from_linux_a_killed_guards_service_is_ended_by_the_daemon(
    native: Native,
) -> None:
    async def scenario() -> None:
        started = processes(native, has_deathsig=False)
        process = await started.start(tiny("llamacpp", "fork=group"), free_port())
        await hello(native)

        os.kill(psutil.Process(process.pid).ppid(), signal.SIGKILL)

        end = await process.wait()
        assert str(end) == "its guard was killed by SIGKILL"

    asyncio.run(scenario())


def test_without_a_place_for_logs_services_run_all_the_same(native: Native, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def scenario() -> None:
        started = GuardedProcesses(tmp_path / "file" / "logs", native.workspace.run)
        process = await started.start(tiny("llamacpp", "die_after=0"), 0)
        assert "last words" in (await process.wait()).output

    asyncio.run(scenario())


def test_a_program_that_cannot_be_executed_is_named(native: Native) -> None:
    async def scenario() -> None:
        await processes(native).start(replace(tiny(), argv=(str(native.workspace.logs),)), 0)

    with pytest.raises(RuntimeFailedError, match=r"cannot execute .*logs: Permission denied"):
        asyncio.run(scenario())


def test_a_service_that_hangs_is_replaced(native: Native, tmp_path: Path) -> None:
    hang = tmp_path / "hang"
    files = RunFiles(native.workspace)
    files.project.parent.mkdir(parents=True)
    files.project.write_text(declare(tiny("llamacpp", f"hang_while={hang}")).to_json())
    supervisor = Supervisor(
        board=files,
        effects=Effects(
            processes=processes(native),
            probe=HttpProbe(),
            free_port=free_port,
            pace=Pace(health_interval_s=0.05, health_timeout_s=0.1),
        ),
    )

    async def scenario() -> None:
        running = asyncio.create_task(supervisor.run())
        await _phase(files, "ready")
        hang.touch()
        await _phase(files, "backoff")
        hang.unlink()
        await _phase(files, "ready")
        supervisor.shut_down()
        await running

    asyncio.run(scenario())


async def _phase(files: RunFiles, phase: str) -> None:
    async with asyncio.timeout(10):
        while not files.state.exists() or f'"phase": "{phase}"' not in files.state.read_text():
            await asyncio.sleep(0.01)


def test_what_cannot_be_killed_is_reported_by_its_process_id(native: Native) -> None:
    async def scenario() -> None:
        process = await processes(native).start(tiny(), free_port())
        with pytest.raises(RuntimeFailedError, match="do not end") as caught:
            sweep(native.workspace.run, patience_s=-1)  # no patience at all
        assert str(process.pid) in caught.value.hint
        await process.stop()

    asyncio.run(scenario())


# The daemon's command line


def daemon(native: Native, *python: str) -> "subprocess.Popen[str]":
    run = ("-m", "frontier.adapters.native_daemon", str(native.workspace.root))
    return subprocess.Popen((sys.executable, *run), stderr=subprocess.PIPE, text=True)


def test_a_second_daemon_says_so_and_leaves_the_first_alone(native: Native) -> None:
    native.up(tiny())

    with daemon(native) as second:
        _, errors = second.communicate(timeout=20)

    assert second.returncode == 0
    assert f"a daemon already runs for {native.workspace.root}" in errors
    assert native.service("llamacpp").phase == "ready"


def test_a_daemon_in_the_foreground_serves_the_same_commands(native: Native) -> None:
    native.workspace.project_file.parent.mkdir(parents=True)
    native.workspace.project_file.write_text(declare(tiny()).to_json())
    with daemon(native) as foreground:
        until(lambda: native.runtime.state() and native.until("llamacpp", "ready"))
        state = native.up(tiny())
        assert state.pid == foreground.pid

        foreground.send_signal(signal.SIGINT)
        _, errors = foreground.communicate(timeout=20)

    assert foreground.returncode == 0
    assert "has stopped everything" in errors
    assert native.runtime.state() is None


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [(None, 3, "no project at"), ('{"name": 1}', 1, "is damaged"), ("[]", 1, "is damaged")],
)
def test_a_daemon_without_a_project_says_so(
    native: Native, text: str | None, code: int, words: str
) -> None:
    if text is not None:
        native.workspace.project_file.parent.mkdir(parents=True)
        native.workspace.project_file.write_text(text)

    with daemon(native) as lonely:
        _, errors = lonely.communicate(timeout=20)

    assert lonely.returncode == code
    assert words in errors


def test_a_bug_in_the_daemon_is_logged_and_its_services_end(native: Native) -> None:
    # a port that no socket can have: nothing a person can cause, the project is ours
    with contextlib.suppress(RuntimeFailedError):  # the daemon may be gone before we look
        native.runtime.apply(declare(tiny("llamacpp", port=99_999)))

    native.until_nothing_is_left()
    until(lambda: "this is a bug in Frontier" in native.log("daemon"))
