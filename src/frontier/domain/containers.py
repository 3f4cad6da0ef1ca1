"""The containers of a project: one Compose document and the files beside it, as data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

LIVE: Final = "live"
"""Folder of files that services reload by themselves: a change of one restarts nothing."""

ROUTES: Final = f"{LIVE}/routes.yaml"
"""The gateway's generated route file."""

DIGEST_LABEL: Final = "frontier.digest"
"""Container label with the digest of the service's configuration."""

WORKSPACE_LABEL: Final = "frontier.workspace"
"""Container label with the absolute path of the workspace that a container belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """What Compose runs; paths are relative to the project folder, so that a copy of it works.

    Attributes:
        document: ``compose.yaml`` as data: ``name``, ``services``, ``networks``, ``volumes``.
            Every service carries `DIGEST_LABEL` (see `labelled`), so that Compose recreates
            exactly the services whose digest changed.
        files: Path to text of each file that is mounted or read, ``compose.yaml`` left out.
        secrets: Path to the name of a file in the workspace's secrets folder, which is copied
            there with mode 0600; values never stand in the document.
        links: Path to a file or folder below the workspace's root, such as a model's blob, that
            appears there as a hard link.
        start_timeout_s: Seconds from creation to healthy, by service.
    """

    document: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    links: Mapping[str, str] = field(default_factory=dict[str, str])
    start_timeout_s: Mapping[str, float] = field(default_factory=dict[str, float])

    def with_file(self, path: str, text: str) -> Self:
        """Return the same with *text* as the file at *path*; digests stay as they are labelled."""
        return replace(self, files={**self.files, path: text})

    @property
    def name(self) -> str:
        """Return the Compose project's name."""
        return str(self.document["name"])

    @property
    def services(self) -> Mapping[str, Any]:
        """Return the services of the document by name."""
        services: Mapping[str, Any] = self.document["services"]
        return services

    def mounted(self, service: str) -> dict[str, str]:
        """Map what *service* mounts, of files, secrets and links, to its content or source."""
        known = {**self.links, **self.secrets, **self.files}
        return {path: known[path] for path in _sources(self.services[service], self)}

    @property
    def digests(self) -> dict[str, str]:
        """Map each service to the digest that its label carries."""
        return {name: str(s["labels"][DIGEST_LABEL]) for name, s in self.services.items()}


def labelled(containers: Containers) -> Containers:
    """Return *containers* with the digest of each service as its label."""
    services = {
        name: {**service, "labels": {**service.get("labels", {}), DIGEST_LABEL: digest}}
        for name, service in containers.services.items()
        for digest in [_digest(service, containers)]
    }
    return replace(containers, document={**containers.document, "services": services})


def _digest(service: Mapping[str, Any], containers: Containers) -> str:
    """Return the SHA-256 of what a restart of *service* would change: its definition and files."""
    plain = {key: value for key, value in service.items() if key != "labels"}
    mounted = [path for path in _sources(service, containers) if not path.startswith(f"{LIVE}/")]
    known = {**containers.links, **containers.secrets, **containers.files}
    configuration = [containers.name, plain, {path: known[path] for path in sorted(mounted)}]
    return hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()


def _sources(service: Mapping[str, Any], containers: Containers) -> list[str]:
    """Return the files, secrets and links that *service* mounts, by a folder or by themselves."""
    binds = [str(volume).partition(":")[0] for volume in service.get("volumes", ())]
    names = {str(secret) for secret in service.get("secrets", ())}
    declared: Mapping[str, Any] = containers.document.get("secrets", {})
    binds += [str(declared[name]["file"]) for name in names if name in declared]
    mounted = {bind.removeprefix("./").rstrip("/") for bind in binds}
    below = tuple(f"{path}/" for path in mounted)
    known = (*containers.files, *containers.secrets, *containers.links)
    return [path for path in known if path in mounted or path.startswith(below)]
