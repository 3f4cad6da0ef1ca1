"""The machine, its clock, its images, and an engine's API."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from frontier.domain.chat import Message, Piece, Sampling
from frontier.domain.machine import Machine


class MachineProbe(Protocol):
    """Looks at the machine; never raises and never takes longer than its own limit."""

    def __call__(self) -> Machine:
        """Return the machine, with the disk that models lie on."""
        ...


class Clock(Protocol):
    """Seconds since some moment, never going back."""

    def __call__(self) -> float:
        """Return the present moment."""
        ...


class ChatClient(Protocol):
    """A chat completion API."""

    def stream(
        self, model: str, messages: Sequence[Message], sampling: Sampling
    ) -> Iterator[Piece]:
        """Yield the answer as it comes."""
        ...


class ImageDigests(Protocol):
    """What the container engine knows about images."""

    def digest(self, reference: str) -> str | None:
        """Return ``sha256:...``, "" for an image built here, None for one that is not here."""
        ...
