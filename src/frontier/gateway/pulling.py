"""``python -m frontier.gateway.pulling``: one pull, its progress on standard output as JSON lines.

Started by the gateway for a client that asks for a model; see `apis/ollama_pull.py`.
"""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from frontier.domain.errors import FrontierError, ModelNotFoundError
from frontier.domain.source import is_source

if TYPE_CHECKING:
    from frontier.bootstrap import Services
    from frontier.domain.model import Model

_PERIOD_S: Final = 0.06


def main() -> int:
    """Pull; return the exit code."""
    from frontier.bootstrap import Services

    parser = argparse.ArgumentParser(prog="python -m frontier.gateway.pulling", description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True, metavar="DIR")
    parser.add_argument("name")
    given = parser.parse_args()
    try:
        _say(status="pulling manifest")
        model = _pull(given.name, Services(chosen=given.workspace))
    except FrontierError as error:
        _say(error=f"{error.message}. {error.hint}".rstrip(". ") if error.hint else error.message)
        return error.exit_code
    _say(status="verifying sha256 digest")
    _say(status="writing manifest")
    _layer(model.digest, model.size_bytes, model.size_bytes)
    _say(status="success")
    return 0


def _pull(name: str, services: "Services") -> "Model":
    if is_source(name):  # files and addresses are for the person at the machine
        raise ModelNotFoundError(
            f"{name!r} is not in the catalog", hint="`frontier models pull` takes any source"
        )
    from frontier.domain.catalog import choose

    models = services.models
    chosen = choose(name, models.catalog.entries)
    digest = chosen.file.sha256 if chosen and chosen.file else ""
    return models.obtain(name, _Progress(digest))


class _Progress:
    """Tells how much of the model is here."""

    def __init__(self, digest: str) -> None:
        self._digest = digest

    def say(self, text: str) -> None:
        """Leave out what is for people at a terminal."""

    @contextlib.contextmanager
    def task(
        self, label: str, *, total: int | None = None, unit: Literal["bytes", "steps"] = "steps"
    ) -> Generator["_Task"]:
        """Tell the bytes of a download; other work has no number."""
        yield _Task(self._digest, total if unit == "bytes" else None)


class _Task:
    def __init__(self, digest: str, total: int | None) -> None:
        self._digest = digest
        self._total = total
        self._said_at = 0.0

    def update(self, done: int, total: int | None = None) -> None:
        """Say it, as often as Ollama does."""
        self._total = self._total if total is None else total
        now = time.monotonic()
        if self._total is None or now - self._said_at < _PERIOD_S:
            return
        self._said_at = now
        _layer(self._digest, self._total, done)


def _layer(digest: str, total: int, completed: int) -> None:
    done = {"completed": completed} if completed else {}
    _say(status=f"pulling {digest[:12]}", digest=f"sha256:{digest}", total=total, **done)


def _say(**fields: str | int) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
