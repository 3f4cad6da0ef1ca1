"""Where a stack runs and computes, as it was decided."""

from dataclasses import dataclass, field
from typing import Literal

from frontier.domain.accelerator import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What runs a stack, and where its engine computes.

    Attributes:
        runtime: ``hybrid`` is an engine on the host behind containers.
        choice: Where the engine will compute.
        reasons: Each decision with its reason, for people.
        memory_bytes: What the runtime can give at most, None where the machine is the limit.
    """

    runtime: Literal["native", "docker", "hybrid"]
    choice: Choice = field(
        default_factory=lambda: Choice(accelerator="cpu", reason="there is no GPU")
    )
    reasons: tuple[str, ...] = ()
    memory_bytes: int | None = None
