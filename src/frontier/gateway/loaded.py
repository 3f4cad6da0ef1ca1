"""What Ollama servers have loaded: they have no metrics of their own, so the gateway asks them."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from frontier.gateway.metrics import OTHER
from frontier.gateway.wire.fetch import fetch

if TYPE_CHECKING:
    from frontier.gateway.core import Core
    from frontier.gateway.routes import Address

EVERY_S: Final = 5.0
_ASK_S: Final = 1.0


class Loaded(NamedTuple):
    """One model in memory.

    Attributes:
        model: As it is configured here; `OTHER` for all that are not.
        size_bytes: Altogether, the cache of its prompts included.
        vram_bytes: The part in a GPU's memory.
    """

    model: str
    size_bytes: int
    vram_bytes: int


class _Process(msgspec.Struct, frozen=True):
    name: str = ""
    model: str = ""
    size: int = 0
    size_vram: int = 0


class _Processes(msgspec.Struct, frozen=True):
    models: tuple[_Process, ...] = ()


async def read_loaded(core: "Core") -> None:
    """Ask every Ollama server what it has loaded; of one that does not say nothing is known."""
    places: dict[tuple[str, Address], dict[str, str]] = {}
    for target in core.table.targets:
        for backend in target.backends if target.backend == "ollama" else ():
            if backend.address is not None:
                names = places.setdefault((backend.name, backend.address), {})
                names[_full(backend.upstream_model)] = target.name
    answers = await asyncio.gather(*(_ask(core, address) for _, address in places))
    found: dict[str, tuple[Loaded, ...]] = {}
    for ((name, _), names), answer in zip(places.items(), answers, strict=True):
        found[name] = (*found.get(name, ()), *parse(answer, names))
    core.loaded = {name: tuple(_summed(models)) for name, models in found.items()}


async def _ask(core: "Core", address: "Address") -> bytes:
    """Return what the server at *address* answers, empty if it does not."""
    try:
        async with asyncio.timeout(_ASK_S):
            return await fetch(core.pools[address], "/api/ps")
    except (OSError, TimeoutError):
        return b""


def parse(answer: bytes, names: Mapping[str, str]) -> tuple[Loaded, ...]:
    """Return the models of an answer to ``/api/ps``, none if it is not one.

    Args:
        answer: As Ollama gave it.
        names: Configured names by Ollama's.
    """
    try:
        models = msgspec.json.decode(answer, type=_Processes).models
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
    return tuple(
        Loaded(names.get(m.model) or names.get(m.name) or OTHER, m.size, m.size_vram)
        for m in models
    )


def _summed(models: Iterable[Loaded]) -> Iterable[Loaded]:
    """Return one entry for each name."""
    sums: dict[str, tuple[int, int]] = {}
    for model, size, vram in models:
        before = sums.get(model, (0, 0))
        sums[model] = before[0] + size, before[1] + vram
    return (Loaded(model, *sizes) for model, sizes in sums.items())


def _full(name: str) -> str:
    return name if ":" in name else f"{name}:latest"
