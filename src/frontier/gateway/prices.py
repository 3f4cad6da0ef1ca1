"""What tokens cost, where somebody says so: for comparing models, and for billing within a team."""

from typing import Annotated

import msgspec

_TOKENS = 1_000_000

Amount = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars for a million tokens.

    Attributes:
        cached: Input tokens that the engine had computed before; as other input if not given.
    """

    input: Amount = 0.0
    output: Amount = 0.0
    cached: Amount | None = None

    def usd(self, tokens: tuple[int, int, int]) -> float:
        """Return what an answer costs.

        Args:
            tokens: Input, output, and how many of the input were cached.
        """
        given, made, cached = tokens
        reused = self.input if self.cached is None else self.cached
        amount = (given - cached) * self.input + made * self.output + cached * reused
        return amount / _TOKENS
