"""Pulls a model in forked children, each killed one step later than the one before.

Run as a program: ``python killing.py FOLDER SOURCE SHA256``. For every n, a child in FOLDER/n dies
by SIGKILL just before the n-th change it makes to the file system; then the store must hold
nothing or the whole model, and a second pull must succeed. Ends when a child is no longer killed,
and prints the number of kills.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace

from fakes import FakeReporter
from frontier.adapters.blobs import BlobStore
from frontier.adapters.digests import digest_of
from frontier.adapters.fetch import Fetcher
from frontier.adapters.sources import Sources
from frontier.usecases import models, stored_models

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.link", "os.truncate", "os.chmod"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def pull(folder: Path, source: str) -> models.Pulled:
    return models.pull(
        source,
        store=BlobStore(folder),
        sources=Sources(os.environ, home=folder, prefix=folder),
        catalog=SimpleNamespace(entries={}),
        reporter=FakeReporter(),
        stored_as="killed:1",
    )


def remove(folder: Path) -> None:
    stored_models.remove("killed:1", store=BlobStore(folder))


def die_before_change(number: int, folder: Path) -> None:
    """Kill this process at the given change below *folder*."""
    left = number

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        changes = event in _CHANGES or (event == "open" and _writes(args))
        if changes and str(folder) in os.fsdecode(str(args[0])) + str(args[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _writes(args: tuple[object, ...]) -> bool:
    return isinstance(args[2], int) and bool(args[2] & _WRITING)


def in_child(act: Callable[[], object]) -> int:
    """Return the wait status of a child that does *act*; 0 is success."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def require_nothing_or_whole(folder: Path, digest: str) -> None:
    store = BlobStore(folder)
    assert not store.broken(), store.broken()
    for model in store.all():
        assert digest_of(model.path).whole == digest
    for blob in (folder / "blobs").glob("sha256-*"):
        assert digest_of(blob).whole == digest, blob


def require_whole(folder: Path, digest: str) -> None:
    store = BlobStore(folder)
    (model,) = store.all()
    assert store.verify(model) == "ok"
    assert model.digest == digest
    assert not store.partials(), store.partials()
    assert len(list((folder / "blobs").iterdir())) == 1


def main(root: Path, source: str, digest: str) -> None:
    assert Fetcher, "imported before the fork, so that a child only does its work"
    for number in count(1):
        folder = root / str(number)

        def killed(number: int = number, folder: Path = folder) -> None:
            die_before_change(number, folder)
            pull(folder, source)

        status = in_child(killed)
        if status == 0:
            break
        assert os.WIFSIGNALED(status), f"change {number}: exit {os.waitstatus_to_exitcode(status)}"
        require_nothing_or_whole(folder, digest)
        assert in_child(lambda folder=folder: pull(folder, source)) == 0, number
        require_whole(folder, digest)
    removals = removing(root / "removing", source, digest)
    sys.stdout.write(json.dumps({"pull": number - 1, "rm": removals}))


def removing(root: Path, source: str, digest: str) -> int:
    """Kill removals in the same way; return how many were killed."""
    for number in count(1):
        folder = root / str(number)
        pull(folder, source)

        def killed(number: int = number, folder: Path = folder) -> None:
            die_before_change(number, folder)
            remove(folder)

        if in_child(killed) == 0:
            return number - 1
        require_nothing_or_whole(folder, digest)
        if BlobStore(folder).all():
            assert in_child(lambda folder=folder: remove(folder)) == 0, number
        assert in_child(lambda folder=folder: pull(folder, source)) == 0, number
        require_whole(folder, digest)
    raise AssertionError


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
