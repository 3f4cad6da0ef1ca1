"""Where engines compute: asked once per start and remembered while they live.

An engine says it when it loads its model; a log that rotates forgets it after some thousand
requests.
"""

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from frontier.adapters.compute import prove
from frontier.adapters.files import write_atomic
from frontier.domain.errors import FrontierError
from frontier.domain.offload import Compute
from frontier.domain.state import ServiceState


class ComputeRecord:
    """Answers for the services of one workspace.

    Args:
        path: The file that remembers; what is wrong in it counts as forgotten.
        tail: The last lines of a host process's log.
        container_tail: The last lines that a container wrote.
    """

    def __init__(
        self,
        path: Path,
        tail: Callable[[str, int], Sequence[str]],
        *,
        container_tail: Callable[[str, int], Sequence[str]] = lambda _name, _lines: (),
    ) -> None:
        self._path, self._tail, self._container_tail = path, tail, container_tail

    def of(self, service: ServiceState, backend: str) -> Compute | None:
        """Return where *service* computes, None where nobody knows; raises nothing."""
        if service.phase != "ready":
            return None  # the log still tells of the start before
        key = f"{service.pid} {service.started_at}"
        record = self._read()
        known = record.get(service.name, {})
        if known.get("start") == key:
            with contextlib.suppress(TypeError, LookupError):
                return _compute(known["compute"])
        # only a host process has a port of the host; an old log of its name may still be there
        tail = self._tail if service.port else self._container_tail
        found = prove(
            backend,
            tail=lambda lines: tail(service.name, lines),
            base_url=f"http://127.0.0.1:{service.port}" if service.port else "",
        )
        # Ollama loads and unloads models while it runs
        if found and backend != "ollama":
            self._write({**record, service.name: {"start": key, "compute": asdict(found)}})
        return found

    def _read(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            found: object = json.loads(self._path.read_text())
            if isinstance(found, dict):
                return cast("dict[str, Any]", found)
        return {}

    def _write(self, record: dict[str, Any]) -> None:
        with contextlib.suppress(FrontierError, OSError):
            write_atomic(self._path, json.dumps(record, indent=1))


def _compute(fields: dict[str, Any]) -> Compute:
    layers: list[int] | None = fields.pop("offloaded_layers", None)
    return Compute(**fields, offloaded_layers=(layers[0], layers[1]) if layers else None)
