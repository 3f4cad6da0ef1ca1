"""Content blocks of a streamed message: one after the other, however an engine mixes them."""

import json
import secrets
from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import msgspec

from frontier.gateway.apis.api import BadAnswerError
from frontier.gateway.apis.chat import CollectedCall
from frontier.gateway.errors import bad_gateway

_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
_TEXT: Final = _DELTA + b'"delta":{"type":"text_delta","text":%b}}\n\n'
_THOUGHT: Final = _DELTA + b'"delta":{"type":"thinking_delta","thinking":%b}}\n\n'
_SIGNATURE: Final = _DELTA + b'"delta":{"type":"signature_delta","signature":""}}\n\n'
_JSON: Final = _DELTA + b'"delta":{"type":"input_json_delta","partial_json":%b}}\n\n'
_STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NO_SENSE: Final = bad_gateway("called a tool in a way that makes no sense")

Kind = Literal["text", "thinking", "tool_use", ""]
_EMPTY: Final[dict[Kind, dict[str, Any]]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
}


def event(kind: str, fields: dict[str, Any]) -> bytes:
    """Return one event; ASCII only, since some clients end a line at U+2028."""
    data = json.dumps({"type": kind, **fields}, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()


def is_object(pieces: Sequence[str]) -> bool:
    """Tell whether *pieces* are one JSON object; it cannot go on then."""
    try:
        _OBJECT.decode("".join(pieces))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _ends(pieces: Sequence[str]) -> bool:
    """Tell whether *pieces* may be complete; cheap, since it is asked for each."""
    return bool(pieces) and pieces[-1].rstrip().endswith("}")


def call_id(call: CollectedCall) -> str:
    """Return the id of a call, a new one if the engine gave none."""
    call.id = call.id or f"toolu_{secrets.token_hex(12)}"
    return call.id


class Blocks:
    """Writes blocks in order.

    Text and thinking take turns as they come. Of the calls only the lowest that is not complete
    is written, the others wait, and so does text that comes behind a call.

    Args:
        calls: All calls so far, by the engine's index; grows while this one looks on.
        is_single: Only the first of them counts.
    """

    def __init__(self, calls: dict[int, CollectedCall], *, is_single: bool) -> None:
        self._calls = calls
        self._is_single = is_single
        self._index = -1
        self._open: Kind = ""
        self._call: int | None = None  # the one that is written
        self._sent = 0  # so many pieces of its arguments
        self._done: set[int] = set()
        self._late: list[tuple[Kind, str]] = []

    @property
    def wanted(self) -> list[CollectedCall]:
        """The calls that the client gets, in order."""
        return [self._calls[index] for index in self._indices]

    @property
    def _indices(self) -> list[int]:
        return list(self._calls)[:1] if self._is_single else sorted(self._calls)

    def add(self, thought: str, text: str, *, has_calls: bool) -> bytes:
        """Return the events for what one chunk added."""
        out = b""
        if thought:
            out += self._say("thinking", thought)
        if text:
            out += self._say("text", text)
        if has_calls:
            out += self._write_calls(is_last=False)
        return out

    def _say(self, kind: Kind, text: str) -> bytes:
        if self._call is not None or self._done:
            self._late.append((kind, text))
            return b""
        return self._write(kind, text)

    def _write(self, kind: Kind, text: str) -> bytes:
        begin = b""
        if self._open != kind:
            begin = self._begin(kind, _EMPTY[kind])
        form = _TEXT if kind == "text" else _THOUGHT
        return begin + form % (self._index, json.dumps(text).encode())

    def _begin(self, kind: Kind, fields: dict[str, Any]) -> bytes:
        before = self._end_block()
        self._index += 1
        self._open = kind
        block = {"type": kind, **fields}
        start = event("content_block_start", {"index": self._index, "content_block": block})
        return before + start

    def _end_block(self) -> bytes:
        kind, self._open = self._open, ""
        if not kind:
            return b""
        signature = _SIGNATURE % self._index if kind == "thinking" else b""
        return signature + _STOP % self._index

    # Calls

    def _write_calls(self, *, is_last: bool) -> bytes:
        """Return what can be told of the calls: all of them at the end, else one at a time."""
        out: list[bytes] = []
        while (call := self._current(out)) is not None:
            out.append(self._arguments(call))
            if not is_last and not self._is_complete(call):
                break
            self._done.add(cast("int", self._call))
            self._call = None
        return b"".join(out)

    def _current(self, out: list[bytes]) -> CollectedCall | None:
        """Return the call that is written, which may be a new one, None if there is none."""
        if self._call is None:
            left = (i for i in self._indices if i not in self._done and self._calls[i].name)
            self._call = next(left, None)
            if self._call is None:
                return None
            call = self._calls[self._call]
            self._sent = 0
            fields: dict[str, Any] = {"id": call_id(call), "name": call.name, "input": {}}
            out.append(self._begin("tool_use", fields))
        return self._calls[self._call]

    def _arguments(self, call: CollectedCall) -> bytes:
        text = "".join(call.arguments[self._sent :])
        self._sent = len(call.arguments)
        return _JSON % (self._index, json.dumps(text).encode()) if text else b""

    def _is_complete(self, call: CollectedCall) -> bool:
        """Tell whether another call may follow: one waits, and this one cannot go on."""
        waits = len(self._indices) > len(self._done) + 1
        return waits and _ends(call.arguments) and is_object(call.arguments)

    def end(self, *, may_be_cut: bool) -> bytes:
        """Return the rest of all blocks.

        Args:
            may_be_cut: The limit of tokens ended the answer, maybe inside a call.

        Raises:
            BadAnswerError: the engine called a tool with something that is no JSON object.
        """
        out = self._write_calls(is_last=True)
        for call in self.wanted:
            is_right = not call.arguments or may_be_cut or is_object(call.arguments)
            if not call.name or not is_right:
                raise BadAnswerError(_NO_SENSE)
        late = b"".join([self._write(kind, text) for kind, text in self._late])
        return out + late + self._end_block()
