"""A stack: a folder that declares services."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What ``stacks/<name>/stack.yaml`` says.

    Attributes:
        engine: What computes tokens: ``llamacpp`` is the one this version runs.
        provides: Capabilities it offers, such as ``openai-api``.
        runtimes: Where it can run; this version knows ``native``.
    """

    name: str
    title: str
    engine: str
    provides: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ("native",)
