"""The memory that a new engine finds, where it will compute."""

from dataclasses import dataclass

from frontier.domain import fit
from frontier.domain.machine import Machine
from frontier.domain.placement import Placement
from frontier.domain.shape import Shape, Weights
from frontier.domain.sizing import Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is there for one engine.

    Attributes:
        engine: Its kind.
        place: Where it will compute.
        held_bytes: Main memory of our own processes that give way to it.
    """

    engine: str
    machine: Machine
    place: Placement
    held_bytes: int = 0

    def judge(
        self, weights: Weights, shape: Shape, load: Load, *, beside: bool = False
    ) -> fit.Verdict | None:
        """Return how a model fits, None where the memory is unknown.

        Args:
            weights: Of the model.
            shape: Of the model.
            load: What is asked of it.
            beside: What runs now goes on.
        """
        device = fit.device_of(
            self.machine,
            self.place.choice.accelerator,
            engine=self.engine,
            held_bytes=0 if beside else self.held_bytes,
            limit_bytes=self.place.memory_bytes,
        )
        if device is None:
            return None
        features = self.machine.cpu.features
        return fit.judge(self.engine, device, weights, shape, load, features=features)
