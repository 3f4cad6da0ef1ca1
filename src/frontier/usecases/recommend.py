"""Recommend what a machine should run, best first."""

from collections.abc import Callable, Iterable
from contextlib import suppress

from frontier.domain import fit
from frontier.domain.catalog import CatalogEntry
from frontier.domain.errors import FrontierError
from frontier.domain.machine import Machine
from frontier.domain.placement import Placement
from frontier.domain.recommend import Recommendation
from frontier.domain.stack import Stack
from frontier.domain.units import size
from frontier.ports import Catalog


def recommend(
    machine: Machine,
    *,
    catalog: Catalog,
    stacks: Iterable[Stack],
    place: Callable[[Stack, Machine], Placement],
    context: int = 4096,
) -> tuple[Recommendation, ...]:
    """Return what *machine* could run, best first; () where nothing fits.

    Args:
        machine: What computes, and how much fits.
        catalog: The models to choose from.
        stacks: The stacks to choose from.
        place: Decides what runs a stack and where it computes; may raise.
        context: Tokens of one request slot, less where a model has less.
    """
    found: list[Recommendation] = []
    for stack in stacks:
        with suppress(FrontierError):  # nothing here can run it
            placed = place(stack, machine)
            entries = catalog.entries.values()
            found += filter(None, (_one(stack, placed, machine, e, context) for e in entries))
    return tuple(sorted(found, key=lambda r: -r.needed_bytes))


def _one(
    stack: Stack, placed: Placement, machine: Machine, entry: CatalogEntry, context: int
) -> Recommendation | None:
    free = fit.free_bytes(machine, held_bytes=0, limit_bytes=placed.memory_bytes)
    weights = entry.quantisations[0].weights_bytes if entry.quantisations else None
    if stack.model_format != "gguf" or entry.embedding or not weights or free is None:
        return None
    needed = fit.needed_bytes(weights, None, 0)
    if needed > free:
        return None
    return Recommendation(
        stack=stack.name,
        runtime=placed.runtime,
        accelerator=placed.choice.accelerator,
        model=entry.name,
        quantisation=entry.quantisations[0].name,
        context=min(context, entry.context or context),
        needed_bytes=needed,
        free_bytes=free,
        reason=f"{entry.name} needs {size(needed)} of {size(free)}",
    )
