"""What a benchmark asks of the outside."""

from typing import Protocol

from frontier.domain.bench import Case, Reply, Sample
from frontier.domain.bench_prompt import Question


class Server(Protocol):
    """A server under load; `chunks` counts all pieces of text that came so far."""

    chunks: int

    def prepared(self, question: Question) -> bytes:
        """Return the request that asks *question*, so that none of its cost is measured."""
        ...

    async def ask(self, request: bytes, *, timeout_s: float) -> Reply:
        """Send *request* and return what became of it; a failure is a reply, too."""
        ...


class Watcher(Protocol):
    """Sees a benchmark run; whatever it does delays the measurement, so it is quick."""

    def wait(self, what: str) -> None:
        """Something goes on that is not measured: *what*, "" for nothing any more."""
        ...

    def begin(self, case: Case, nth: int, count: int | None) -> None:
        """A round of *case* begins, with *count* requests or as many as its time allows."""
        ...

    def sent(self) -> None:
        """A request is on its way."""
        ...

    def seen(self, sample: Sample) -> None:
        """One has ended."""
        ...

    def tick(self, chunks: int) -> None:
        """Time has passed; *chunks* of text have come since the run began."""
        ...

    def end(self) -> None:
        """The round is over."""
        ...
