"""Another user of this machine, one without rights, where the tests may become one."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from frontier_cli import Frontier

NOBODY = pwd.getpwnam("nobody")


def give_away(*paths: Path) -> list[str]:
    """Give *paths* to another user where we may; return how to be that user, [] where we may not.

    The interpreter may lie in a home folder that nobody else can enter: the right to read
    everything goes along, the right to write does not.
    """
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        return []
    for path in paths:
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    ids = [f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"]
    return ["setpriv", *ids, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def run_as(identity: list[str], frontier: Frontier, *args: str) -> subprocess.CompletedProcess[str]:
    """Run `frontier` as the user that `give_away` returned."""
    return subprocess.run(
        [*identity, *frontier.argv(*args)],
        env={k: v for k, v in frontier.environ.items() if "COVERAGE" not in k},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
