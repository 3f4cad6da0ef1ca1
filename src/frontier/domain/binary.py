"""An engine's program: what it says about itself, and whether that is what was asked for."""

from dataclasses import dataclass
from pathlib import Path

from frontier.domain.build import Accelerator, Recipe

_UNTOLD = frozenset({"nccl", "ring"})  # features that the doctor does not tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a mistral.rs says about itself.

    Attributes:
        features: Compiled in, of those that it tells.
        problem: Why it does not fit this machine, "" where it does.
    """

    version: str
    features: tuple[str, ...] = ()
    problem: str = ""

    @property
    def accelerator(self) -> Accelerator:
        """Return what it can compute on."""
        if "cuda" in self.features:
            return "cuda"
        return "metal" if "metal" in self.features else "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """A mistral.rs that can be started.

    Attributes:
        key: Key of the inputs it was compiled from, "" where somebody else compiled it.
    """

    path: Path
    report: Report
    key: str = ""


def verify(recipe: Recipe, report: Report) -> str:
    """Return why what was compiled is not what *recipe* says, "" where it is."""
    if report.version != recipe.version:
        return f"it says version {report.version or '?'}, not {recipe.version}"
    if missing := set(recipe.features) - _UNTOLD - set(report.features):
        return f"it was compiled without {', '.join(sorted(missing))}"
    return report.problem
