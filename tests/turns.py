"""Whose turn it is on this machine: tests that measure time run while no other test does."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_FOLDER = Path(tempfile.gettempdir())


@contextlib.contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait until no test runs that wants to be *alone*; if this one does, until none runs."""
    with _opened("running") as running:
        with _opened("queue") as queue:
            fcntl.flock(queue, fcntl.LOCK_EX)  # held by who waits to be alone: no other overtakes
            fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def _opened(name: str) -> IO[str]:
    return (_FOLDER / f"frontier-tests-{os.getuid()}-{name}.lock").open("w")
