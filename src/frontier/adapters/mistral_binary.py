"""Asks a mistral.rs what it is, and finds the one to start."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from frontier.adapters.machine.tools import ToolError, runner
from frontier.domain.binary import Binary, Report
from frontier.domain.build import MISTRAL
from frontier.domain.errors import RuntimeFailedError

_PATIENCE_S = 60.0
# The doctor asks the model hub for a gated model; nobody answers here, at once.
_NOWHERE = "http://127.0.0.1:9"
_BUILD = "frontier stack build mistral"


def examine(program: Path, *, patience_s: float = _PATIENCE_S) -> Report:
    """Return what *program* says about itself.

    Raises:
        RuntimeFailedError: it does not run, or is no mistral.rs of 0.7 or newer.
    """
    with tempfile.TemporaryDirectory() as home:
        quiet = ("env", f"HF_ENDPOINT={_NOWHERE}", f"HF_HOME={home}", "RUST_LOG=off", str(program))
        run = runner(patience_s)
        try:
            return parse(run([*quiet, "--version"]), run([*quiet, "doctor", "--json"]))
        except ToolError as error:
            reason = str(error).removeprefix("env: ")
            raise RuntimeFailedError(f"{program} does not run: {reason}", hint=_BUILD) from error


def parse(version: str, doctor: str) -> Report:
    """Return what ``mistralrs --version`` and ``mistralrs doctor --json`` say.

    The doctor's other checks, such as whether a model hub can be reached, are none of a build's.

    Raises:
        ToolError: *doctor* has no JSON in it; log lines may stand before it.
    """
    try:
        told: dict[str, Any] = json.loads(doctor[doctor.index("{") :])
        flags: dict[str, Any] = told["system"]["build"]
        checks: list[dict[str, str]] = told["checks"]
    except (ValueError, KeyError, TypeError) as error:
        raise ToolError(f"doctor --json printed something else: {doctor[:80]!r}") from error
    hardware = [c for c in checks if c["name"] == "binary_hardware_match" and c["status"] != "ok"]
    return Report(
        version=version.strip().rpartition(" ")[2],
        features=tuple(sorted(n.replace("_", "-") for n, is_on in flags.items() if is_on is True)),
        problem=hardware[0]["message"] if hardware else "",
    )


def find_on_path(path: str | None = None) -> Binary | None:
    """Return the ``mistralrs`` on *path*, a variable like PATH, None if there is none.

    Raises:
        RuntimeFailedError: there is one that does not run.
    """
    found = shutil.which(MISTRAL.binary, path=path)
    return Binary(path=Path(found), report=examine(Path(found))) if found else None
