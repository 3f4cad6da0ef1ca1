"""The daemon process: the supervisor with real processes, files and signals.

``python -m frontier.adapters.native_daemon FOLDER`` is how the runtime starts it: not by a
command of Frontier's, because Typer would take 14 MiB for as long as the daemon lives.
"""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from frontier.adapters.daemon_log import DaemonLog
from frontier.adapters.files import locked
from frontier.adapters.native_files import RunFiles
from frontier.adapters.native_leftovers import sweep
from frontier.adapters.ports_free import free_port
from frontier.adapters.probe import HttpProbe
from frontier.adapters.processes import GuardedProcesses
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import BusyError, FrontierError
from frontier.usecases.keeper import Effects
from frontier.usecases.supervisor import Supervisor

_LOCK_PATIENCE_S = 2.0
_log = logging.getLogger(__name__)


def run(workspace: Workspace) -> int:
    """Supervise the workspace's project until SIGTERM; return the exit code.

    A second daemon for the same workspace says so and returns 0.
    """
    # until the supervisor reads the project, a reload request would find nothing to reload
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, handlers=[DaemonLog(workspace.logs / "daemon.log")])
    logging.raiseExceptions = False  # a full disk must not fill standard error as well
    files = RunFiles(workspace)
    try:
        # not at once: a command that looks whether a daemon lives holds the lock for a moment
        with locked(files.lock, doing="daemon", wait_s=_LOCK_PATIENCE_S):
            asyncio.run(_supervise(files, workspace.logs))
    except BusyError:
        _log.info("a daemon already runs for %s", workspace.root)
    except FrontierError as error:
        _log.error("%s", error.message)
        return error.exit_code
    return 0


async def _supervise(files: RunFiles, logs: Path) -> None:
    if files.state.exists():
        _log.warning("the last daemon was killed; ended what it left: %s", sweep(files.folder))
        files.remove()
    supervisor = Supervisor(
        board=files,
        effects=Effects(
            processes=GuardedProcesses(logs, files.folder),
            probe=HttpProbe(),
            free_port=free_port,
        ),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.shut_down)
    loop.add_signal_handler(signal.SIGHUP, supervisor.reload)
    _log.info("daemon %d supervises %s", os.getpid(), files.project)
    await _run(supervisor)
    files.remove()
    _log.info("daemon %d has stopped everything", os.getpid())


async def _run(supervisor: Supervisor) -> None:
    try:
        await supervisor.run()
    except FrontierError:
        raise
    except Exception:
        _log.exception("this is a bug in Frontier; the guards stop the services")
        logging.shutdown()
        # a closing event loop would SIGKILL the guards before they have stopped anything
        os._exit(os.EX_SOFTWARE)


if __name__ == "__main__":
    sys.exit(run(Workspace(Path(sys.argv[1]))))
