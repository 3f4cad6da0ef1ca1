"""An engine's completion as Ollama's clients read it."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from frontier.gateway.apis import chat
from frontier.gateway.apis.api import BadAnswerError
from frontier.gateway.apis.ollama_body import Json
from frontier.gateway.apis.ollama_lines import STREAM_TYPE, Line, failure
from frontier.gateway.apis.ollama_logprobs import logprobs
from frontier.gateway.errors import Problem, bad_gateway

_ARGUMENTS: Final = msgspec.json.Decoder(Json)
_NS_PER_MS: Final = 1_000_000
# Twelve bytes each at worst, and readers of lines have buffers of 64 KiB.
_MOST_CHARACTERS: Final = 5000

Decode = Callable[[bytes], chat.Completion]


@dataclass(slots=True)
class Clock:
    """When what happened, in nanoseconds.

    Attributes:
        read: The request was here.
        sent: It went to the engine.
        first: The engine's first word came, 0 so far.
        last: Its latest.
    """

    read: int
    sent: int = field(default_factory=time.time_ns)
    first: int = 0
    last: int = 0

    def tick(self) -> None:
        """Note that the engine said something."""
        self.last = time.time_ns()
        self.first = self.first or self.last


class LinesAnswer:
    """Turns chunks of a completion into lines.

    Tool calls are gathered and stand on the last line: clients that look there alone find them,
    and those that look on every line find them once.

    Args:
        line: Writes them.
        clock: Knows when the request came.
        stream: The client wants pieces; else everything is kept for one document.
        decode: Reads what the engine writes.
    """

    stream_type = STREAM_TYPE

    def __init__(
        self, line: Line, clock: Clock, *, stream: bool, decode: Decode = chat.decode
    ) -> None:
        self._line = line
        self._clock = clock
        self._stream = stream
        self._decode = decode
        self._all = chat.Collected()
        self._logprobs: list[Json] = []

    @property
    def tokens(self) -> tuple[int, int, int] | None:
        """Input, output and cached tokens."""
        return self._all.tokens

    @property
    def is_whole(self) -> bool:
        """Tell whether the engine said why it stopped."""
        return self._all.finish_reason is not None

    def event(self, data: bytes) -> bytes:
        """Return the lines for one chunk; none for what only counts."""
        said = self._take(data)
        if said is None or not self._stream:
            return b""
        self._all.text.clear()  # a stream may be long
        self._all.thought.clear()
        text, thought = said.content or "", said.thought
        out = self._pieces(thought, is_thought=True) if thought else b""
        return out + self._pieces(text, is_thought=False) if text else out

    def _take(self, data: bytes) -> chat.Piece | None:
        chunk = self._decode(data)
        piece = self._all.add(chunk)
        if piece is not None and (piece.content or piece.thought or piece.tool_calls):
            self._clock.tick()
        for choice in chunk.choices[:1]:
            self._logprobs += logprobs(choice.logprobs)
        return piece

    def _pieces(self, text: str, *, is_thought: bool) -> bytes:
        more = ""
        if self._logprobs:
            more = f',"logprobs":{json.dumps(self._logprobs)}'
            self._logprobs.clear()
        if len(text) <= _MOST_CHARACTERS:
            return self._piece(text, is_thought, more)
        parts = [text[i : i + _MOST_CHARACTERS] for i in range(0, len(text), _MOST_CHARACTERS)]
        first = self._piece(parts[0], is_thought, more)
        return first + b"".join(self._piece(part, is_thought, "") for part in parts[1:])

    def _piece(self, text: str, is_thought: bool, more: str) -> bytes:
        return self._line.piece("", text, more) if is_thought else self._line.piece(text, "", more)

    def end(self) -> bytes:
        """Return the last line.

        Raises:
            BadAnswerError: the arguments of a tool call are no JSON object.
        """
        return self._last("", "")

    def whole(self, body: bytes) -> bytes:
        """Return the one document for the engine's."""
        self._take(body)
        return self.collected()

    def collected(self) -> bytes:
        """Return all that came as one document."""
        return self._last("".join(self._all.text), "".join(self._all.thought)).rstrip()

    def _last(self, text: str, thought: str) -> bytes:
        reason = "length" if self._all.finish_reason == "length" else "stop"
        metrics = self._metrics()
        if self._logprobs:
            metrics["logprobs"] = self._logprobs
        return self._line.last(text, thought, reason, metrics, _calls(self._all))

    def _metrics(self) -> Json:
        clock, timings = self._clock, self._all.timings
        now = time.time_ns()
        if timings is not None and timings.predicted_ms:
            prompt = round(timings.prompt_ms * _NS_PER_MS)
            output = round(timings.predicted_ms * _NS_PER_MS)
        elif clock.first < clock.last:
            prompt, output = clock.first - clock.sent, clock.last - clock.first
        else:  # all came at once: nobody can tell reading from writing
            prompt, output = 0, now - clock.sent
        tokens = self._all.tokens or (0, 0, 0)
        return {
            "total_duration": now - clock.read,
            "load_duration": clock.sent - clock.read,
            "prompt_eval_count": tokens[0],
            "prompt_eval_duration": prompt,
            "eval_count": tokens[1],
            "eval_duration": output,
        }

    def heartbeat(self) -> bytes:
        """Return a line without text."""
        return self._line.piece("")

    def failure(self, problem: Problem, request_id: str) -> bytes:
        """Return the line that ends a stream that failed."""
        return failure(problem)


def _calls(said: chat.Collected) -> str:
    """Return the tool calls as JSON, arguments as objects; empty if there are none."""
    if not said.calls:
        return ""
    calls = [_call(number, said.calls[i]) for number, i in enumerate(sorted(said.calls))]
    return json.dumps(calls)


def _call(number: int, call: chat.CollectedCall) -> Json:
    try:
        arguments = _ARGUMENTS.decode("".join(call.arguments) or "{}")
    except (ValueError, RecursionError) as error:
        raise _bad_call(call.name) from error
    function = {"index": number, "name": call.name, "arguments": arguments}
    return {"id": call.id or f"call_{os.urandom(4).hex()}", "function": function}


def _bad_call(name: str) -> BadAnswerError:
    return BadAnswerError(bad_gateway(f"sent invalid tool call arguments for {name!r}"))
