"""Ports that keep their state in memory."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Literal

from frontier.domain.chat import Message, Piece, Sampling


class FakeChat:
    """Answers with the given pieces, one second apart on its own clock."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self.now = 0.0
        self.asked: list[tuple[str, Sequence[Message], Sampling]] = []

    def clock(self) -> float:
        return self.now

    def models(self) -> tuple[str, ...]:
        return ("fake",)

    def stream(
        self, model: str, messages: Sequence[Message], sampling: Sampling
    ) -> Iterator[Piece]:
        self.asked.append((model, messages, sampling))
        for piece in self.pieces:
            self.now += 1.0
            yield piece


class FakeReporter:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    @contextlib.contextmanager
    def task(
        self, label: str, *, total: int | None = None, unit: Literal["bytes", "steps"] = "steps"
    ) -> "Iterator[FakeReporter]":
        self.said.append(label)
        yield self

    def update(self, done: int, total: int | None = None) -> None:
        self.done = (done, total)
