"""Stores of other programs on the disk, laid out as those programs lay them out."""

import json
import os
from pathlib import Path

from fake_index import digest, ollama_layer


def ollama(root: Path, name: str, data: bytes, *, params: bytes = b'{"stop":["x"]}') -> Path:
    """Put a model into the store of Ollama at *root*; return its GGUF blob.

    Layout: manifest/paths.go of Ollama 0.33.
    """
    place, _, tag = name.rpartition(":")
    parts = place.split("/")
    host = parts[0] if len(parts) == 3 else "registry.ollama.ai"
    namespace = parts[-2] if len(parts) > 1 else "library"
    layers = [("model", data), ("params", params)]
    config = b'{"model_format":"gguf"}'
    blobs = root / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    for content in (data, params, config):
        (blobs / f"sha256-{digest(content)}").write_bytes(content)
    manifest = {
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": f"sha256:{digest(config)}",
            "size": len(config),
        },
        "layers": [ollama_layer(kind, content) for kind, content in layers],
    }
    path = root / "manifests" / host / namespace / parts[-1] / tag
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest))
    return blobs / f"sha256-{digest(data)}"


def hub(root: Path, repo: str, files: dict[str, bytes], *, commit: str = "c" * 40) -> Path:
    """Put a repository into the hub's cache at *root*; return its snapshot.

    Layout: huggingface_hub 2.4: links to blobs, an LFS file's named by its SHA-256.
    """
    folder = root / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / commit
    for path, data in files.items():
        blob = folder / "blobs" / (digest(data) if len(data) > 500 else digest(data)[:40])
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        link = snapshot / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(commit)
    return snapshot


def lmstudio(root: Path, path: str, data: bytes) -> Path:
    """Put a file into the folder of LM Studio at *root*."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file
