"""The native runtime with real processes: whatever dies, nothing is lost and nothing is left."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from frontier.adapters.files import locked
from frontier.adapters.native import NativeRuntime
from frontier.adapters.native_leftovers import MARK, leftovers
from frontier.domain.errors import (
    ConfigError,
    NotRunningError,
    RuntimeFailedError,
    StorageError,
)
from native_harness import Native, Silent, declare, is_alive, native_workspace, tiny
from waiting import until


@pytest.fixture
def native(tmp_path: Path) -> Iterator[Native]:
    with native_workspace(tmp_path / "w") as native:
        yield native


def pair(*engine_habits: str) -> tuple:
    """An engine with *engine_habits* and a well-behaved gateway."""
    return tiny("llamacpp", *engine_habits), tiny("gateway", needs=("llamacpp",))


def test_up_brings_everything_to_ready_and_down_leaves_nothing(native: Native) -> None:
    state = native.up(*pair("fork=group"))

    assert [service.phase for service in state.services] == ["ready", "ready"]
    routes = native.workspace.run / "routes.yaml"
    assert f"http://127.0.0.1:{native.service('llamacpp').port}" in routes.read_text()
    assert native.down()
    native.until_nothing_is_left()
    assert sorted(path.name for path in native.workspace.run.iterdir()) == [
        "apply.lock",
        "daemon.lock",
    ]
    assert native.runtime.state() is None


def test_stopping_what_does_not_run_says_so_and_writes_nothing(native: Native) -> None:
    assert native.down() is False
    assert not native.workspace.root.exists()


def test_the_daemon_is_small_and_its_guards_too(native: Native) -> None:
    native.up(*pair())

    memory = psutil.Process(native.daemon().pid).memory_info().rss
    # coverage, where it measures, takes its share
    assert memory < (40 if "coverage" not in sys.modules else 80) * 2**20
    assert psutil.Process(native.guard_of("gateway")).memory_info().rss < 20 * 2**20


def test_services_inherit_neither_locks_nor_sockets_nor_each_others_lifeline(
    native: Native,
) -> None:
    native.up(*pair())

    pids = [native.service(name).pid for name in ("llamacpp", "gateway")]
    for pid in (*pids, native.guard_of("llamacpp"), native.guard_of("gateway")):
        files = [file.path for file in psutil.Process(pid).open_files()]
        assert not [path for path in files if path.endswith(".lock")]
    # each lifeline has two ends: with one guard killed, the other service does not notice
    os.kill(native.guard_of("llamacpp"), signal.SIGKILL)
    native.until("llamacpp", "ready", not_pid=pids[0])
    assert native.service("gateway").pid == pids[1]


# What may die, and what follows.


@pytest.mark.parametrize("victim", ["engine", "guard"])
def test_a_killed_engine_or_guard_is_replaced_and_the_gateway_untouched(
    native: Native, victim: str
) -> None:
    native.up(*pair("fork=group"))
    engine, gateway = native.service("llamacpp"), native.service("gateway")
    assert engine.pid is not None
    pid = engine.pid if victim == "engine" else native.guard_of("llamacpp")
    children = psutil.Process(engine.pid).children()

    os.kill(pid, signal.SIGKILL)

    renewed = native.until("llamacpp", "ready", not_pid=engine.pid)
    assert renewed.restarts == 1
    assert "killed by SIGKILL" in renewed.reason
    assert native.service("gateway") == gateway
    assert not is_alive(engine.pid)
    assert [child for child in children if is_alive(child.pid)] == []
    routes = (native.workspace.run / "routes.yaml").read_text()
    assert f"127.0.0.1:{renewed.port}" in routes
    until(lambda: sum(native.loads().buckets) == 2, what="the second start")
    assert native.loads().failures == 0


def test_a_killed_gateway_is_replaced_and_the_engine_untouched(native: Native) -> None:
    native.up(*pair())
    engine, gateway = native.service("llamacpp"), native.service("gateway")
    assert gateway.pid is not None

    os.kill(gateway.pid, signal.SIGKILL)

    native.until("gateway", "ready", not_pid=gateway.pid)
    assert native.service("llamacpp") == engine


def test_a_killed_daemon_takes_everything_with_it(native: Native) -> None:
    native.up(*pair("fork=group"))

    os.kill(native.daemon().pid, signal.SIGKILL)

    native.until_nothing_is_left()
    assert native.runtime.state() is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start cleans up")
def test_daemon_and_guards_killed_at_once_leave_no_engine(native: Native) -> None:
    native.up(*pair())
    guards = [native.guard_of(name) for name in ("llamacpp", "gateway")]

    for pid in (native.daemon().pid, *guards):
        os.kill(pid, signal.SIGKILL)

    native.until_nothing_is_left()


def test_a_new_daemon_ends_what_a_killed_one_left_behind(native: Native) -> None:
    # a grandchild in a session of its own escapes every guard, but not the sweep
    native.up(*pair("fork=session"))
    old = native.service("llamacpp").pid
    assert old is not None
    (escaped,) = psutil.Process(old).children()
    os.kill(native.daemon().pid, signal.SIGKILL)
    until(lambda: not is_alive(old))
    assert escaped.is_running()
    assert (native.workspace.run / "daemon.json").exists()

    native.up(*pair())

    assert not is_alive(escaped.pid)
    swept = native.log("daemon").partition("ended what it left")[2].splitlines()[0]
    assert str(escaped.pid) in swept
    assert native.service("llamacpp").pid != old


def test_stopping_after_a_killed_daemon_ends_what_it_left_behind(native: Native) -> None:
    native.up(*pair("fork=session"))
    os.kill(native.daemon().pid, signal.SIGKILL)

    assert native.down()

    native.until_nothing_is_left()
    assert not (native.workspace.run / "daemon.json").exists()


def test_what_was_left_behind_is_found_through_another_name_of_the_folder(
    native: Native, tmp_path: Path
) -> None:
    native.up(*pair("fork=session"))
    os.kill(native.daemon().pid, signal.SIGKILL)
    (tmp_path / "link").symlink_to(native.workspace.root)

    assert Native(tmp_path / "link").down()

    native.until_nothing_is_left()


def test_a_process_that_only_shares_a_recycled_id_is_never_touched(native: Native) -> None:
    native.up(*pair())
    stale = (native.workspace.run / "daemon.json").read_text()
    engine = native.service("llamacpp").pid
    native.down()
    # a state file whose engine has, by now, the process id of this very test
    recycled = stale.replace(f'"pid": {engine}', f'"pid": {os.getpid()}')
    (native.workspace.run / "daemon.json").write_text(recycled)

    assert native.runtime.state() is None
    native.up(*pair())

    assert "ended what it left: []" in native.log("daemon")


def test_a_daemon_that_is_stuck_is_killed_and_nothing_left(native: Native) -> None:
    native.up(tiny(stop_grace_s=0.2))
    os.kill(native.daemon().pid, signal.SIGSTOP)

    assert NativeRuntime(native.workspace, margin_s=0.1).stop(Silent())

    native.until_nothing_is_left()


def test_a_daemon_that_does_not_react_is_reported(native: Native) -> None:
    changed = declare(tiny("llamacpp", "slow_start=0.1", start_timeout_s=0.1, stop_grace_s=0.1))
    native.up(tiny(stop_grace_s=0.1))
    impatient = NativeRuntime(native.workspace, margin_s=0.2)
    pid = native.daemon().pid
    os.kill(pid, signal.SIGSTOP)

    with pytest.raises(RuntimeFailedError, match="the daemon does not react"):
        impatient.restart("llamacpp")
    with pytest.raises(RuntimeFailedError, match="did not take over what should run"):
        impatient.wait_ready(changed, Silent())

    os.kill(pid, signal.SIGCONT)


def test_a_service_that_once_worked_gets_its_time_and_is_then_named(
    native: Native, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    declared = declare(tiny("llamacpp", f"die_while={broken}", start_timeout_s=1, stop_grace_s=0.1))
    engine = native.up(*declared.services).services[0].pid
    assert engine is not None
    broken.touch()
    os.kill(engine, signal.SIGKILL)
    until(lambda: native.service("llamacpp").restarts > 1)

    with pytest.raises(RuntimeFailedError, match="llamacpp is not ready: exit code 1: not today"):
        NativeRuntime(native.workspace, margin_s=0.1).wait_ready(declared, Silent())

    broken.unlink()
    assert native.runtime.wait_ready(declared, Silent())


# Failing to start.


def test_a_service_that_dies_at_the_start_fails_at_once_with_its_last_words(
    native: Native,
) -> None:
    with pytest.raises(RuntimeFailedError) as caught:
        native.up(*pair("die_after=0", "exit=3"))

    error = caught.value
    assert error.message == "llamacpp did not start: exit code 3: last words"
    assert error.details.splitlines()[-1] == "last words"
    assert error.hint == "frontier logs llamacpp"
    assert native.until("gateway", "ready")
    until(lambda: native.loads().failures >= 2, what="the second failure")
    assert sum(native.loads().buckets) == 0


def test_a_service_that_never_gets_healthy_fails_after_its_time(native: Native) -> None:
    with pytest.raises(
        RuntimeFailedError, match=r"not ready within 0\.8 s: GET /health answered 503"
    ):
        native.up(tiny("llamacpp", "status=503", start_timeout_s=0.8))


def test_a_service_that_answers_but_makes_no_token_fails(native: Native) -> None:
    with pytest.raises(RuntimeFailedError, match="POST /v1/completions answered 200"):
        native.up(tiny("llamacpp", "tokens=0", proof_model="tiny", start_timeout_s=0.8))


def test_a_program_that_does_not_exist_fails_with_its_name(native: Native) -> None:
    with pytest.raises(RuntimeFailedError, match="cannot execute /nowhere/llama-server: No such"):
        native.up(replace(tiny(), argv=("/nowhere/llama-server",)))


def test_what_cannot_be_started_is_refused_before_anything_is_written(native: Native) -> None:
    with pytest.raises(ConfigError, match="needs 'nobody'"):
        native.up(tiny(needs=("nobody",)))

    assert not native.workspace.root.exists()


def test_a_read_only_workspace_is_an_error_with_a_way_out(read_only: Path) -> None:
    with pytest.raises(StorageError) as caught:
        Native(read_only / "w").up(tiny())

    assert "FRONTIER_HOME" in caught.value.hint


def test_a_daemon_that_cannot_start_shows_its_own_last_words(native: Native) -> None:
    native.runtime = NativeRuntime(native.workspace, python="/bin/false")

    with pytest.raises(RuntimeFailedError, match="the daemon does not run") as caught:
        native.up(tiny())

    assert caught.value.hint == "frontier logs daemon"


def test_a_daemon_that_is_too_slow_to_start_is_ended(native: Native) -> None:
    native.runtime = NativeRuntime(native.workspace, margin_s=0.0)

    with pytest.raises(RuntimeFailedError, match="the daemon does not run"):
        native.up(tiny())

    native.until_nothing_is_left()


def test_a_daemon_that_dies_while_we_wait_is_told_with_the_end_of_its_log(native: Native) -> None:
    declared = declare(tiny("llamacpp", "slow_start=60"))
    native.runtime.apply(declared)
    native.until("llamacpp", "starting")
    os.kill(native.daemon().pid, signal.SIGKILL)

    with pytest.raises(RuntimeFailedError, match="the daemon does not run") as caught:
        native.runtime.wait_ready(declared, Silent())

    assert "llamacpp: starting" in caught.value.details


def test_an_engine_that_ignores_sigterm_does_not_keep_us_from_stopping(native: Native) -> None:
    native.up(tiny("llamacpp", "term=ignore", stop_grace_s=0.3))

    assert native.down()

    native.until_nothing_is_left()


def test_a_full_disk_does_not_stop_services(full_disk: Path) -> None:
    with native_workspace(full_disk / "w") as native:
        before = native.up(*pair())
        ballast = full_disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        gateway = native.service("gateway")
        assert gateway.pid is not None

        os.kill(gateway.pid, signal.SIGKILL)

        # daemon, two guards, two services; the news of it cannot be written
        until(lambda: gateway.pid not in (pids := native.pids()) and len(pids) == 5)
        assert before.services[0].pid in native.pids()
        ballast.unlink()


# Changing what runs.


def test_a_changed_service_is_restarted_and_the_rest_untouched(native: Native) -> None:
    engine, gateway = pair()
    native.up(engine, gateway)
    before = native.service("gateway")

    native.up(replace(engine, argv=(*engine.argv, "slow_start=0.1")), gateway)

    assert native.service("gateway") == before
    assert native.service("llamacpp").digest != engine.digest


def test_applying_the_same_project_again_restarts_nothing(native: Native) -> None:
    first = native.up(*pair())

    assert native.up(*pair()) == first


def test_a_service_that_is_dropped_is_stopped(native: Native) -> None:
    native.up(*pair())
    gateway = native.service("gateway").pid
    assert gateway is not None

    native.up(pair()[0])

    assert not is_alive(gateway)


def test_restart_replaces_one_process_and_a_later_up_does_not_repeat_it(native: Native) -> None:
    native.up(*pair())
    before = native.daemon()

    native.runtime.restart("llamacpp")
    after = native.runtime.wait_ready(declare(*pair()), Silent())

    assert after.services[0].pid != before.services[0].pid
    assert after.services[1] == before.services[1]
    assert native.up(*pair()) == after


@pytest.mark.parametrize("name", ["llamacpp", "nobody"])
def test_restarting_what_does_not_run_says_so(native: Native, name: str) -> None:
    with pytest.raises(NotRunningError, match=name):
        native.runtime.restart(name)


def test_restarting_a_service_that_the_project_does_not_have_says_so(native: Native) -> None:
    native.up(tiny())

    with pytest.raises(NotRunningError, match="nobody"):
        native.runtime.restart("nobody")


def test_two_commands_at_once_start_one_daemon(native: Native) -> None:
    failures = list[BaseException]()

    def up() -> None:
        try:
            Native(native.workspace.root).up(*pair())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    daemons = [p for p in native.processes() if "native_daemon" in " ".join(p.cmdline())]
    assert len(daemons) == 1
    assert native.log("daemon").count("supervises") == 1


def test_a_damaged_project_file_is_written_anew(native: Native) -> None:
    native.up(*pair())
    native.workspace.project_file.write_text('{"services": 1')
    os.kill(native.daemon().pid, signal.SIGHUP)
    until(lambda: "keeping what runs" in native.log("daemon"))

    native.up(*pair())

    assert native.log("daemon").count("gateway: ready") == 1


def test_what_runs_can_be_stopped_even_when_its_project_file_is_damaged(native: Native) -> None:
    native.up(*pair())
    native.workspace.project_file.write_text("damaged")

    assert native.down()

    native.until_nothing_is_left()


def test_a_state_that_is_not_yet_written_is_empty(native: Native) -> None:
    native.workspace.run.mkdir(parents=True)
    with locked(native.workspace.run / "daemon.lock", doing="daemon"):
        state = native.runtime.state()

        assert state is not None
        assert (state.pid, state.services) == (os.getpid(), ())
        (native.workspace.run / "daemon.json").write_text("{damaged")
        assert native.runtime.state() == state


def test_a_long_daemon_log_is_put_aside(native: Native) -> None:
    native.workspace.logs.mkdir(parents=True)
    (native.workspace.logs / "daemon.log").write_bytes(b"x" * 6_000_000)

    native.up(tiny())

    assert (native.workspace.logs / "daemon.log.1").stat().st_size == 6_000_000


def test_a_marked_environment_is_not_handed_on(
    native: Native, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `frontier` called from inside a service must not start a daemon that a sweep would kill
    monkeypatch.setenv(MARK, str(native.workspace.run))

    native.up(tiny())

    marked = [process.pid for process in leftovers(native.workspace.run)]
    assert native.daemon().pid not in marked
    assert native.service("llamacpp").pid in marked
