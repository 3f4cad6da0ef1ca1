"""How long clients asked models to stay: what `/api/ps` tells of engines that never unload."""

import time
from dataclasses import dataclass, field
from typing import Final

_FOREVER: Final = float("inf")


@dataclass(slots=True)
class Leases:
    """The latest wish for each model; one that nobody spoke of stays for ever.

    Attributes:
        ends: Seconds since 1970, by model.
    """

    ends: dict[str, float] = field(default_factory=dict[str, float])

    def renew(self, model: str, keep_s: float | None) -> None:
        """Have *model* stay *keep_s* seconds from now; None is no wish, so it stays."""
        if keep_s is None or keep_s == _FOREVER:
            self.ends.pop(model, None)
        else:
            self.ends[model] = time.time() + keep_s

    def end_of(self, model: str) -> float:
        """Return until when *model* stays; infinite for ever."""
        return self.ends.get(model, _FOREVER)
