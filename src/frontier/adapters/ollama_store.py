"""Ollama's own store on the disk: manifests by name, blobs by digest."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from frontier.adapters.digests import health_of
from frontier.adapters.files import storage_errors
from frontier.adapters.ollama_registry import model_layers
from frontier.domain.kept import KeptModel
from frontier.domain.model import Health
from frontier.domain.source import OLLAMA_LIBRARY, OLLAMA_REGISTRY, OllamaSource

_DEPTH: Final = 4  # host, namespace, model, tag


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    """One name of the store.

    Attributes:
        sizes: Length of each blob it needs, by digest.
        ggufs: Digests of its GGUF files.
    """

    path: Path
    source: OllamaSource
    sizes: Mapping[str, int]
    ggufs: tuple[str, ...]

    @property
    def name(self) -> str:
        """What `ollama ls` calls it: the usual host and namespace are left out."""
        host, namespace = self.source.host, self.source.namespace
        if host != OLLAMA_REGISTRY:
            place = f"{host}/{namespace}/"
        else:
            place = "" if namespace == OLLAMA_LIBRARY else f"{namespace}/"
        return f"{place}{self.source.model}:{self.source.tag}"


class OllamaStore:
    """One store, whether a server runs on it or not.

    Args:
        root: ``OLLAMA_MODELS``; need not exist.
        engines: Which of our engines read it there.

    Source: Ollama, manifest/paths.go and manifest/manifest.go, as of 0.33.
    """

    def __init__(self, root: Path, *, engines: tuple[str, ...] = ()) -> None:
        self.root, self._engines = root, engines

    def models(self) -> tuple[KeptModel, ...]:
        """Return its models by name; what cannot be read is left out."""
        return tuple(sorted(map(self._kept, self._manifests()), key=lambda model: model.name))

    def remove(self, name: str, *, dry_run: bool = False) -> int:
        """Remove the model *name* and the blobs that no other has; return the bytes freed.

        Raises:
            StorageError: the store cannot be written.
        """
        manifests = list(self._manifests())
        gone = [m for m in manifests if m.name == name]
        kept = {digest for m in manifests if m.name != name for digest in m.sizes}
        blobs = {digest for m in gone for digest in m.sizes} - kept
        paths = [path for digest in sorted(blobs) if (path := self._blob(digest)).exists()]
        freed = sum(stat.st_size for path in paths if (stat := path.stat()).st_nlink == 1)
        if not dry_run:
            with storage_errors(self.root):
                for manifest in gone:  # first, so that a kill leaves no name without its blobs
                    manifest.path.unlink()
                for path in paths:
                    path.unlink()
        return freed

    def verify(self, name: str, watch: Callable[[int], None]) -> Health:
        """Hash every blob of the model *name*; *watch* hears the bytes done."""
        needed = {digest for m in self._manifests() if m.name == name for digest in m.sizes}
        return health_of({self._blob(digest): digest for digest in sorted(needed)}, watch)

    def _kept(self, manifest: _Manifest) -> KeptModel:
        source = manifest.source
        digest = manifest.ggufs[0] if len(manifest.ggufs) == 1 else ""
        return KeptModel(
            keeper="ollama",
            name=manifest.name,
            size_bytes=sum(manifest.sizes.values()),
            place=self.root,
            path=self._blob(digest) if digest else manifest.path,
            digest=digest,
            source=str(source),
            file_name=f"{source.model}-{source.tag}.gguf" if digest else "",
            engines=self._engines,
        )

    def _blob(self, digest: str) -> Path:
        return self.root / "blobs" / f"sha256-{digest}"

    def _manifests(self) -> Iterator[_Manifest]:
        folder = self.root / "manifests"
        for path in sorted(folder.glob("*/" * (_DEPTH - 1) + "*")):
            host, namespace, model, tag = path.relative_to(folder).parts
            try:
                content = json.loads(path.read_text())
                layers = [*content["layers"], content["config"]]
                yield _Manifest(
                    path=path,
                    source=OllamaSource(host, namespace, model, tag),
                    sizes={_digest(layer): int(layer["size"]) for layer in layers},
                    ggufs=tuple(digest for digest, _ in model_layers(content)),
                )
            except (OSError, ValueError, KeyError, TypeError):
                continue


def _digest(layer: Any) -> str:
    return str(layer["digest"]).removeprefix("sha256:")
