"""Programs of this machine that have models already."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from frontier.adapters.hub_cache import HubCache
from frontier.adapters.lmstudio import LmStudio
from frontier.adapters.ollama_store import OllamaStore
from frontier.ports import ModelKeeper

_OLLAMA_SERVICE: Final = Path("/usr/share/ollama/.ollama/models")  # its install.sh on Linux


def on_this_machine(environ: Mapping[str, str], home: Path) -> tuple[ModelKeeper, ...]:
    """Return the stores that are there: Ollama's, the hub's, LM Studio's.

    Args:
        environ: OLLAMA_MODELS, HF_HUB_CACHE and HF_HOME are read, as those programs read them.
        home: The user's home folder.
    """
    keepers: list[ModelKeeper] = [
        *(OllamaStore(place) for place in _ollama(environ, home)),
        HubCache(hub_cache(environ, home)),
        LmStudio(home / ".lmstudio" / "models"),
        LmStudio(home / ".cache" / "lm-studio" / "models"),
    ]
    return tuple(keeper for keeper in keepers if keeper.root.is_dir())


def hub_cache(environ: Mapping[str, str], home: Path) -> Path:
    """Return where the hub's own clients keep what they have downloaded."""
    cache = Path(environ.get("HF_HOME") or home / ".cache" / "huggingface") / "hub"
    return Path(environ.get("HF_HUB_CACHE") or cache)


def keeper_at(folder: Path) -> ModelKeeper:
    """Return the store in *folder*, whoever made it."""
    if (folder / "manifests").is_dir():
        return OllamaStore(folder)
    if any(folder.glob("models--*--*")):
        return HubCache(folder)
    return LmStudio(folder)


def _ollama(environ: Mapping[str, str], home: Path) -> list[Path]:
    own = environ.get("OLLAMA_MODELS")
    return [Path(own) if own else home / ".ollama" / "models", _OLLAMA_SERVICE]
