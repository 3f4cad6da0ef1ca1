"""Reads what models say about themselves, where they lie: only headers and configurations."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from frontier.adapters.gguf import read_header
from frontier.domain.candidates import Repository
from frontier.domain.errors import DownloadError
from frontier.domain.model import GgufHeader
from frontier.domain.source import Remote, public_url

if TYPE_CHECKING:
    from frontier.adapters.hub import Hub
    from frontier.adapters.sources import Sources

_PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")
_LONGEST_DOCUMENT = 1 << 24
_INDEX = "model.safetensors.index.json"


class Inspector:
    """Looks at models before they are downloaded.

    Args:
        sources: The places that models come from.
        hub: Returns the hub's API.
    """

    def __init__(self, sources: "Sources", hub: "Callable[[], Hub]") -> None:
        self._sources, self._hub = sources, hub

    def header(self, source: str) -> tuple[GgufHeader, int]:
        """Return the header of the file of *source*, and the file's length.

        Raises:
            DownloadError: the place does not answer, or gives no parts of files.
            ModelFormatError: it is no readable GGUF file.
        """
        from frontier.adapters.gguf_remote import read_remote_header

        remote = self._sources.locate(source)
        if remote.member:
            raise DownloadError(
                f"{source} is packed: its header cannot be read before it is downloaded",
                hint=f"frontier models pull {source}",
            )
        if remote.url.startswith("file:"):
            path = Path(unquote(urlsplit(remote.url).path))
            return read_header(path), path.stat().st_size
        return read_remote_header(self._sources, remote), remote.size_bytes or 0

    def repository(self, repo: str, revision: str = "") -> Repository:
        """Return which models a repository of the hub has.

        Raises:
            DownloadError: unreachable, absent, gated, or without a model.
        """
        files = self._hub().files(repo, revision)
        tensors = {n: f.size_bytes or 0 for n, f in files.items() if _is_checkpoint(n)}
        found = Repository(
            repo=f"{repo}@{revision}" if revision else repo,
            ggufs=_ggufs(files),
            safetensors_bytes=sum(tensors.values()) or self._indexed_bytes(files),
            config=self._document(files, "config.json"),
        )
        if not found.ggufs and not found.safetensors_bytes:
            raise DownloadError(
                f"{repo} has neither GGUF files nor safetensors",
                hint="Name a repository with a model, for instance hf:Qwen/Qwen3-4B.",
            )
        return found

    def _indexed_bytes(self, files: Mapping[str, Remote]) -> int:
        metadata = self._document(files, _INDEX).get("metadata", {})
        return int(metadata.get("total_size", 0))

    def _document(self, files: Mapping[str, Remote], name: str) -> Mapping[str, Any]:
        remote = files.get(name)
        if remote is None or not remote.size_bytes or remote.size_bytes > _LONGEST_DOCUMENT:
            return {}
        parts = list[bytes]()
        self._sources.stretch(remote, 0, remote.size_bytes, lambda _, part: parts.append(part))
        try:
            found = json.loads(b"".join(parts))
        except ValueError as error:
            raise DownloadError(f"{public_url(remote.url)} is no JSON: {error}") from error
        return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _is_checkpoint(name: str) -> bool:
    return name.endswith(".safetensors") and "/" not in name


def _ggufs(files: Mapping[str, Remote]) -> dict[str, int]:
    """Return the models among *files*; what comes in parts has the name of its first."""
    found = dict[str, int]()
    for name, file in sorted(files.items()):
        if name.endswith(".gguf") and "mmproj" not in name.lower() and file.size_bytes:
            first = _PART.sub(lambda match: f"-00001-of-{match[1]}.gguf", name)
            found[first] = found.get(first, 0) + file.size_bytes
    return found
