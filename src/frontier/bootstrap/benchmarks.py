"""Benchmarks: whom they ask, on which machine, and where their results lie."""

import re
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from frontier import __version__
from frontier.bootstrap.access import Access
from frontier.bootstrap.core import Core
from frontier.domain.errors import UsageError
from frontier.domain.source import is_loopback

if TYPE_CHECKING:
    from frontier.adapters.bench_probe import Found
    from frontier.domain.bench_load import Load
    from frontier.domain.machine import Machine
    from frontier.domain.project import Project, Route
    from frontier.ports.benching import Watcher
    from frontier.usecases.bench import Bench, CarryOut

_SETTINGS: Final = (
    *("max_context_length", "num_parallel", "num_workers", "enable_flash_attention"),
    *("kv_cache_type", "batch_size", "enable_cache", "cache_size", "gateway_workers"),
    *("accelerator", "ollama_num_parallel", "mistral_max_batch_size", "cpu_limit", "memory_limit"),
)
"""What changes how fast the stack answers."""

_NOT_IN_NAMES: Final = re.compile(r"[^\w.-]+")
_SECRETS: Final = ("--key",)
_GIT_S: Final = 5.0


@dataclass
class Benchmarks:
    """Measures the stack of one workspace, or any other server."""

    core: Core
    access: Access

    def benches(
        self,
        load: "Load",
        *,
        url: str,
        api: Literal["openai", "ollama"] | None,
        watched: Mapping[str, "Watcher"],
        key: str,
        preset: str,
        command: Sequence[str],
        carry_out: "CarryOut",
    ) -> "list[Bench]":
        """Return the use-case behind `frontier bench run` for each model, with all its ports.

        Args:
            load: What to ask.
            url: Whom; "" for the stack that runs.
            api: Which API to speak; None for the one that it speaks.
            watched: Who sees it run, by model; "" for the first one that it has.
            key: For *url*, "" for none; the stack that runs gets Frontier's own where it has one.
            preset: Told in the result.
            command: The words of the command line.
            carry_out: As in `Bench`.

        Raises:
            UsageError: *key* is none.
            FrontierError: as `look` says.
        """
        from frontier.adapters.bench_client import Client, now
        from frontier.adapters.bench_dialects import DIALECTS
        from frontier.adapters.bench_probe import look
        from frontier.usecases.bench import About, Bench

        project = self.access.running.project if not url else None
        key = (self.access.key_of(project) if project else "") or _sendable(key)
        found = look(url or self.access.reachable.urls[0], api=api, key=key)
        dialect = DIALECTS[found.api, load.operation]
        about = About(
            created=moment(),
            command=_shown(command),
            frontier=__version__,
            commit=_commit(),
            preset=preset,
            target={},
            machine=machine_of(self.core.machine()),
            settings=self._settings(project) if project else {},
            notes=_elsewhere(found.url),
        )

        def bench(name: str, watcher: "Watcher") -> Bench:
            return Bench(
                load=load,
                about=replace(about, target=_target(found, name, load.operation, project)),
                connect=lambda asks: Client(found.url, dialect, name, key=key, ignores_end=asks),
                carry_out=carry_out,
                watcher=watcher,
                clock=now,
                cpu=time.process_time,
                ignores_end=bool(dialect.ignores_end),
            )

        return [bench(m or _first(found, load.operation), w) for m, w in watched.items()]

    def default_path(self, created: str, model: str) -> Path:
        """Return where the result of a run at *created* lies unless it is told."""
        stamp = created.replace("-", "").replace(":", "")
        name = _NOT_IN_NAMES.sub("-", model).strip("-.")
        return self.folder / f"{stamp}-{name or 'model'}.json"

    @property
    def folder(self) -> Path:
        """The results of this workspace."""
        return self.core.workspace.root / "data" / "bench"

    def _settings(self, project: "Project") -> dict[str, Any]:
        """Return what the running stack was started with, as far as it matters."""
        asked = dict(project.asked)
        settings = Core(chosen=self.core.workspace.root, overrides=asked).settings
        return {
            "stack": project.stack,
            "runtime": project.runtime,
            **{name: getattr(settings, name) for name in _SETTINGS},
        }


def moment() -> str:
    """Return the time as results tell it: ISO 8601, UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _sendable(key: str) -> str:
    """Return *key* without the white space around it, such as a file's last line end.

    Raises:
        UsageError: it has characters that no header can carry.
    """
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            "the key has characters that no key has", hint="See FRONTIER_BENCH_KEY, or --key."
        )
    return key


def _first(found: "Found", operation: str) -> str:
    if not found.models:
        raise UsageError(
            f"{found.url} does not tell which models it has", hint="Name one: --model NAME"
        )
    if operation == "embedding":
        named = [name for name in found.models if "embed" in name]
        return (named or list(found.models))[0]
    return next((name for name in found.models if "embed" not in name), found.models[0])


def _target(
    found: "Found", model: str, operation: str, project: "Project | None"
) -> dict[str, str]:
    route = _route(project, model)
    digest = found.digests.get(model) or found.digests.get(f"{model}:latest", "")
    digest = (route.details.digest if route and route.details else "") or digest
    return {
        "url": found.url,
        "api": found.api,
        "operation": operation,
        "model": model,
        "model_digest": digest if ":" in digest or not digest else f"sha256:{digest}",
        "engine": route.backend if route else found.engine,
        "engine_version": _version(project, route) if project and route else found.version,
    }


def _route(project: "Project | None", model: str) -> "Route | None":
    routes = project.routes if project else ()
    return next((r for r in routes if model in (r.model, *r.aliases)), None)


def _version(project: "Project", route: "Route") -> str:
    """Return the image or the package that the engine of *route* comes from."""
    containers = project.containers
    if containers and route.service in containers.services:
        return str(containers.services[route.service].get("image", ""))
    service = next((s for s in project.services if s.name == route.service), None)
    if service and "frontier.adapters.llama_server" in service.argv:
        return f"xllamacpp {metadata.version('xllamacpp')}"
    return Path(service.argv[0]).name if service else ""


def machine_of(machine: "Machine") -> dict[str, Any]:
    """Return *machine* as results tell of it: `Result.machine`."""
    return {
        "os": machine.os_version or machine.os,
        "arch": machine.arch,
        "cpu": machine.cpu.model,
        "cores": machine.cpu.usable,
        "memory_bytes": machine.memory.total_bytes if machine.memory else 0,
        "gpus": [gpu.name for gpu in machine.gpus],
    }


def _elsewhere(url: str) -> tuple[str, ...]:
    """Return a note where the machine of the result is not the server's."""
    if is_loopback(url):
        return ()
    return (f"The server is {urlsplit(url).hostname}; `machine` is the one that asked.",)


def _shown(words: Sequence[str]) -> str:
    """Return the command line without secrets."""
    shown, hides = ["frontier"], False
    for word in words:
        name, has_value, _ = word.partition("=")
        shown.append("***" if hides else f"{name}=***" if name in _SECRETS and has_value else word)
        hides = word in _SECRETS
    return shlex.join(shown)


def _commit() -> str:
    """Return the commit of the checkout that this runs from, "" for an installed package."""
    from frontier.adapters.machine.tools import ToolError, runner

    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        return ""
    describe = ("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty")
    try:
        return runner(_GIT_S)(("git", "-C", str(root), *describe)).strip()
    except ToolError:
        return ""
