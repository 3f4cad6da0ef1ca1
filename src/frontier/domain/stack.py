"""A stack: a folder that declares services."""

from dataclasses import dataclass

from frontier.domain.errors import UsageError

ENGINES = ("llamacpp",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What ``stacks/<name>/stack.yaml`` says.

    Attributes:
        engine: What computes tokens, one of `ENGINES` where this version is to run it.
        provides: Capabilities it offers, such as ``openai-api``.
        runtimes: Where it can run; this version knows ``native``.
    """

    name: str
    title: str
    engine: str
    provides: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ("native",)

    def require_native(self) -> None:
        """Refuse a stack that this version cannot run.

        Raises:
            UsageError: it cannot run natively, or wants an engine that is not in `ENGINES`.
        """
        if "native" not in self.runtimes:
            raise UsageError(
                f"the stack {self.name!r} cannot run natively, and this version runs nothing else",
                hint="Stacks that can: `runtimes: [native]` in their stack.yaml.",
            )
        if self.engine not in ENGINES:
            raise UsageError(
                f"the stack {self.name!r} wants the engine {self.engine!r}, "
                "which this version does not run",
                hint=f"Engines it runs: {', '.join(ENGINES)}.",
            )
