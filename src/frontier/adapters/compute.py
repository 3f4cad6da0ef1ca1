"""Asks an engine where it computes: by its log, and by its API where that tells more."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from frontier.domain.offload import Compute, from_log, from_mistral_info, from_ollama_ps

TIMEOUT_S: Final = 2.0
_TAIL_LINES: Final = 2000
_ALL_LINES: Final = 10**9

Tail = Callable[[int], Sequence[str]]
"""Returns the last so many lines of a log, oldest first."""


def prove(
    backend: str, *, tail: Tail, base_url: str = "", timeout_s: float = TIMEOUT_S
) -> Compute | None:
    """Return where an engine computes, None where it does not tell; raises nothing.

    Args:
        backend: The engine's kind, as the gateway's route files name it.
        tail: Its log: of a file, or what ``docker logs`` prints.
        base_url: Its address without a path, "" where it has none.
        timeout_s: Seconds for all questions together.
    """
    box: queue.SimpleQueue[Compute | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            box.put(_ask(backend, tail, base_url, timeout_s))
        except Exception:  # a log or an API may be broken in any way, `status` may not
            box.put(None)

    # a daemon, because `docker logs` may hang with the Docker that it asks
    threading.Thread(target=ask, name=f"prove {backend}", daemon=True).start()
    try:
        return box.get(timeout=timeout_s)
    except queue.Empty:
        return None


def _ask(backend: str, tail: Tail, base_url: str, timeout_s: float) -> Compute | None:
    logged = _logged(backend, tail)
    if backend == "ollama" and base_url:
        found = _get(f"{base_url}/api/ps", timeout_s)
        return _joined(logged, from_ollama_ps(found) if found else None)
    if backend == "mistral" and base_url and logged is None:
        found = _get(f"{base_url}/v1/system/info", timeout_s)
        return from_mistral_info(found) if found else None
    return logged


def _logged(backend: str, tail: Tail) -> Compute | None:
    """Return what the end of the log tells, or else all of it: a busy engine writes much."""
    try:
        return from_log(backend, tail(_TAIL_LINES)) or from_log(backend, tail(_ALL_LINES))
    except Exception:  # no log; the API may still answer
        return None


def _joined(logged: Compute | None, served: Compute | None) -> Compute | None:
    """Return what the API says of now, with the names that only the log knows."""
    if served is None or logged is None or served.is_gpu != logged.is_gpu:
        return served or logged
    return replace(
        served,
        device=logged.device,
        offloaded_layers=logged.offloaded_layers,
        evidence=f"{served.evidence}; {logged.evidence}",
    )


def _get(url: str, timeout_s: float) -> Mapping[str, Any] | None:
    import httpx2

    try:
        answer = httpx2.get(url, timeout=timeout_s, trust_env=False)
        answer.raise_for_status()
        found: object = answer.json()
    except (httpx2.HTTPError, ValueError):
        return None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None
