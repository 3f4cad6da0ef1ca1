"""Asking engines for the context that they really have, which is not always what was wished."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from frontier.gateway.wire.fetch import fetch

if TYPE_CHECKING:
    from frontier.gateway.core import Core
    from frontier.gateway.wire.pool import Pool

_ASK_S: Final = 2.0


class _Generation(msgspec.Struct, frozen=True):
    n_ctx: int = 0


class _Props(msgspec.Struct, frozen=True):
    default_generation_settings: _Generation = _Generation()


class _Meta(msgspec.Struct, frozen=True):
    n_ctx: int = 0


class _Listed(msgspec.Struct, frozen=True):
    id: str = ""
    max_model_len: int | None = None
    context_length: int | None = None
    meta: _Meta | None = None


class _List(msgspec.Struct, frozen=True):
    data: tuple[_Listed, ...] = ()


class _Loaded(msgspec.Struct, frozen=True):
    name: str = ""
    model: str = ""
    context_length: int = 0


class _Processes(msgspec.Struct, frozen=True):
    models: tuple[_Loaded, ...] = ()


async def read_contexts(core: "Core") -> None:
    """Ask every engine for its context; one that does not say keeps what it said before."""
    wanted = {
        (target.backend, backend.address, backend.upstream_model)
        for target in core.table.targets
        for backend in target.backends
        if backend.address is not None
    }
    asked = [(kind, core.pools[address], name) for kind, address, name in wanted]
    found = await asyncio.gather(*(_ask(kind, pool, name) for kind, pool, name in asked))
    for (_, pool, name), tokens in zip(asked, found, strict=True):
        if tokens > 0:
            pool.contexts[name] = tokens
    before = core.contexts
    core.measure()
    for name, context in core.contexts.items():
        if before.get(name) != context:
            core.event("context", model=name, tokens=context.least)


async def _ask(kind: str, pool: "Pool", name: str) -> int:
    """Return the tokens of the model *name*, 0 if the engine does not say."""
    try:
        async with asyncio.timeout(_ASK_S):
            match kind:
                case "llamacpp":
                    return props(await fetch(pool, "/props"))
                case "ollama":
                    return loaded(await fetch(pool, "/api/ps"), name)
                case _:
                    return listed(await fetch(pool, "/v1/models"), name)
    except (OSError, TimeoutError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 0


def props(answer: bytes) -> int:
    """Return what llama.cpp says in ``/props``: the context of one slot, all that a request has."""
    return msgspec.json.decode(answer, type=_Props).default_generation_settings.n_ctx


def listed(answer: bytes, name: str) -> int:
    """Return what ``/v1/models`` says of *name*, in vLLM's or llama.cpp's field or a common one."""
    models = msgspec.json.decode(answer, type=_List).data
    mine = [m for m in models if m.id == name] or (models if len(models) == 1 else ())
    return max((tokens for model in mine for tokens in _said(model)), default=0)


def _said(model: _Listed) -> Iterator[int]:
    yield model.max_model_len or 0
    yield model.context_length or 0
    yield model.meta.n_ctx if model.meta else 0


def loaded(answer: bytes, name: str) -> int:
    """Return what Ollama's ``/api/ps`` says of *name*; of a model that is not loaded nothing.

    ``/api/show`` tells what a model was trained for, not what it would be loaded with.
    """
    full = name if ":" in name else f"{name}:latest"
    models = msgspec.json.decode(answer, type=_Processes).models
    return next((m.context_length for m in models if full in (m.name, m.model)), 0)
