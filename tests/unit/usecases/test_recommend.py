from dataclasses import dataclass, replace

from frontier.adapters.catalog import PackagedCatalog
from frontier.domain.errors import RuntimeFailedError
from frontier.domain.machine import Cpu, Machine, Memory
from frontier.domain.placement import Placement
from frontier.domain.stack import Stack
from frontier.usecases.recommend import recommend

GIB = 2**30
MACHINE = Machine(
    os="linux",
    os_version="Debian 12",
    arch="x86_64",
    cpu=Cpu(model="EPYC", physical=2, logical=2, usable=2),
    memory=Memory(total_bytes=24 * GIB, available_bytes=20 * GIB),
    disk=None,
)
LLAMA = Stack(name="llamacpp", title="llama.cpp", engine="llamacpp", backend="llamacpp")


@dataclass
class Place:
    works: bool = True

    def __call__(self, stack: Stack, machine: Machine) -> Placement:
        if not self.works:
            raise RuntimeFailedError("no Docker")
        return Placement(runtime="native")


def models(machine: Machine, place: Place) -> list[str]:
    catalog = PackagedCatalog()
    found = recommend(machine, catalog=catalog, stacks=[LLAMA], place=place)
    assert all(r.needed_bytes <= r.free_bytes for r in found)
    return [r.model for r in found]


def test_a_machine_with_room_gets_three_or_more_that_fit() -> None:
    assert len(models(MACHINE, Place())) >= 3


def test_a_machine_without_room_gets_nothing() -> None:
    tiny = replace(MACHINE, memory=Memory(total_bytes=2**28, available_bytes=2**27))
    assert models(tiny, Place()) == []


def test_a_stack_that_cannot_run_here_is_left_out() -> None:
    assert models(MACHINE, Place(works=False)) == []
