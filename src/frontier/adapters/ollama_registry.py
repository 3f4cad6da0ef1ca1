"""A registry of Ollama: which of a model's layers is the GGUF file."""

import json
from typing import TYPE_CHECKING, Any, Final

from frontier.domain.errors import DownloadError, RefusedError
from frontier.domain.source import OllamaSource, Remote

if TYPE_CHECKING:
    from frontier.adapters.fetch import Fetcher

MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
MODEL_LAYER: Final = "application/vnd.ollama.image.model"


def locate(source: OllamaSource, fetcher: "Fetcher") -> Remote:
    """Return the address, digest and size of the GGUF layer of *source*.

    Raises:
        DownloadError: the registry does not answer, or has no such model.
        RefusedError: the model has no GGUF file, or several.

    Source: Ollama, manifest/manifest.go and server/download.go, as of 0.33.
    """
    url = f"{source.url}/manifests/{source.tag}"
    page = fetcher.page(url, MANIFEST)
    try:
        layers = model_layers(json.loads(page.content))
    except (ValueError, KeyError, TypeError) as error:
        raise DownloadError(f"{url} answers no manifest of a model: {error}") from error
    if len(layers) != 1:
        raise RefusedError(
            f"{source} has {'several GGUF files' if layers else 'no GGUF file'}; "
            "the store holds models of one",
            hint="The stack ollama takes it as it is: `frontier stack select ollama`.",
        )
    digest, size = layers[0]
    return Remote(
        url=f"{source.url}/blobs/sha256:{digest}",
        file_name=f"{source.model}-{source.tag}.gguf",
        digest=digest,
        size_bytes=size,
    )


def model_layers(manifest: Any) -> list[tuple[str, int]]:
    """Return digest and size of each GGUF layer of *manifest*.

    Raises:
        KeyError, TypeError, ValueError: it is no manifest.
    """
    layers = [layer for layer in manifest["layers"] if layer["mediaType"] == MODEL_LAYER]
    return [(str(layer["digest"]).removeprefix("sha256:"), int(layer["size"])) for layer in layers]
