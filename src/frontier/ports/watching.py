"""What `frontier top` asks of the outside."""

from typing import Protocol

from frontier.domain.top_reading import Reading


class Watch(Protocol):
    """Looks at one workspace again and again."""

    def read(self, *, patience_s: float) -> Reading:
        """Return what is known now.

        What has not answered within *patience_s* is told as it was last, and goes on being asked.
        """
        ...

    def close(self) -> None:
        """End what was started for looking."""
        ...
