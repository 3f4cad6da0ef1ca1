"""What Ollama's answers are made of: lines of JSON, ASCII only, one object each.

Python's clients split lines where Unicode would, at U+0085 and U+2028 too, so no such character
may stand in one unescaped.
"""

import json
from datetime import UTC, datetime
from typing import Final, Protocol

from frontier.gateway.apis.ollama_body import Json
from frontier.gateway.errors import Problem

STREAM_TYPE: Final = b"application/x-ndjson"


class Voice(Protocol):
    """The fields that hold the text of one line: they differ between chat and generate."""

    def __call__(self, text: str, thought: str = "") -> str:
        """Return JSON fields, without braces."""
        ...


def chat_voice(text: str, thought: str = "") -> str:
    """Say *text* as a message."""
    tail = f',"thinking":{json.dumps(thought)}' if thought else ""
    return f'"message":{{"role":"assistant","content":{json.dumps(text)}{tail}}}'


def generate_voice(text: str, thought: str = "") -> str:
    """Say *text* as a plain response."""
    tail = f',"thinking":{json.dumps(thought)}' if thought else ""
    return f'"response":{json.dumps(text)}{tail}'


def now() -> str:
    """Return the time as Ollama writes it: UTC, RFC 3339 with a fraction."""
    return datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


class Line:
    """Writes the lines of one answer.

    Args:
        model: As the client spelled it.
        voice: How text is said.
    """

    def __init__(self, model: str, voice: Voice) -> None:
        self._start = f'{{"model":{json.dumps(model)},"created_at":"'
        self._voice = voice

    def piece(self, text: str, thought: str = "", more: str = "") -> bytes:
        """Return a line in the middle of an answer; *more* are further fields, comma first."""
        line = f'{self._start}{now()}",{self._voice(text, thought)},"done":false{more}}}\n'
        return line.encode("ascii")

    def last(self, text: str, thought: str, reason: str, metrics: Json, calls: str = "") -> bytes:
        """Return the line that ends an answer, or the document that is all of it.

        Args:
            text: Everything, or nothing where it was said before.
            thought: The same of the reasoning.
            reason: ``stop``, ``length``, ``load`` or ``unload``.
            metrics: Counts, and durations in nanoseconds.
            calls: Tool calls as JSON, empty if there are none.
        """
        said = self._voice(text, thought)
        if calls:  # only a message has them
            said = f'{said[:-1]},"tool_calls":{calls}}}'
        tail = "".join(f',"{name}":{json.dumps(value)}' for name, value in metrics.items())
        line = f'{self._start}{now()}",{said},"done":true,"done_reason":"{reason}"{tail}}}\n'
        return line.encode("ascii")


def failure(problem: Problem) -> bytes:
    """Return *problem* as Ollama's errors look: a plain string."""
    return json.dumps({"error": problem.message}).encode() + b"\n"
