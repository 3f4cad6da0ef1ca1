"""The file in which Frontier's commands and daemon tell the gateway what only they know."""

from pathlib import Path

from frontier.domain.facts import Facts
from frontier.gateway.reload import marks


class FactsFile:
    """Read when somebody asks for metrics, if it has changed.

    A file that is missing or damaged is as good as an empty one: nobody configures it.

    Args:
        path: The file; None where there is none.
    """

    def __init__(self, path: Path | None) -> None:
        self._paths = [path] if path else []
        self._seen = marks(())
        self._facts = Facts()

    def read(self) -> Facts:
        """Return what it says now."""
        seen = marks(self._paths)
        if seen != self._seen:
            self._seen, self._facts = seen, self._load()
        return self._facts

    def _load(self) -> Facts:
        try:
            return Facts.from_json(self._paths[0].read_bytes())
        except (OSError, ValueError):
            return Facts()
