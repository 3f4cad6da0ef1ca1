"""Recommend what a machine should run, best first."""

from collections.abc import Callable, Iterable
from contextlib import suppress

from frontier.domain.errors import FrontierError
from frontier.domain.machine import Machine
from frontier.domain.placement import Placement
from frontier.domain.recommend import Recommendation, Site, ranked, recommendation
from frontier.domain.stack import Stack
from frontier.ports import Catalog
from frontier.usecases.room import Room


def recommend(
    machine: Machine,
    *,
    catalog: Catalog,
    stacks: Iterable[Stack],
    place: Callable[[Stack, Machine], Placement],
    context: int = 0,
    parallel: int = 1,
) -> tuple[Recommendation, ...]:
    """Return what *machine* could run, best first; () where nothing fits.

    Args:
        machine: What computes, and how much fits.
        catalog: The models to choose from.
        stacks: The stacks to choose from.
        place: Decides what runs a stack and where it computes; may raise.
        context: Tokens of one request slot; 0 is as much as is useful and fits.
        parallel: Request slots.
    """
    found: list[Recommendation] = []
    for stack in stacks:
        with suppress(FrontierError):  # nothing here can run it
            placed = place(stack, machine)
            room = Room(engine=stack.backend, machine=machine, place=placed)
            site = Site(
                stack=stack,
                runtime=placed.runtime,
                accelerator=placed.choice.accelerator,
                machine=machine,
                judge=room.judge,
            )
            entries = catalog.entries.values()
            every = (recommendation(site, e, context=context, parallel=parallel) for e in entries)
            found += filter(None, every)
    return ranked(found)
