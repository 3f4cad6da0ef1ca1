"""What a machine should run: a stack, a model and its quantisation, with the reason."""

from dataclasses import dataclass
from typing import Literal

from frontier.domain.gpu import Accelerator


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """One thing that a machine could run well.

    Attributes:
        stack: Folder name of the stack.
        runtime: What runs it.
        accelerator: Where its engine computes.
        model: Name in the catalog.
        quantisation: As files are named: ``Q4_K_M``, ``BF16``; "" where the catalog does not tell.
        context: Tokens of one request slot.
        needed_bytes: Weights, KV cache and engine, where the engine computes.
        free_bytes: What is there for them.
        reason: One sentence for people.
    """

    stack: str
    runtime: Literal["native", "docker", "hybrid"]
    accelerator: Accelerator
    model: str
    quantisation: str
    context: int
    needed_bytes: int
    free_bytes: int
    reason: str
