"""An engine's chat completion as a response, streamed or whole."""

import secrets
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from frontier.gateway.apis.api import BadAnswerError
from frontier.gateway.apis.chat import Collected, CollectedCall, Completion, Piece, decode
from frontier.gateway.apis.responses_calls import CallItem, CustomCallItem
from frontier.gateway.apis.responses_items import (
    Event,
    Item,
    MessageItem,
    ReasoningItem,
    RefusalItem,
    TextItem,
)
from frontier.gateway.apis.responses_object import Document, ResponseObject, limit_of, usage_of
from frontier.gateway.apis.responses_tools import Tools
from frontier.gateway.errors import Problem, bad_gateway

ItemT = TypeVar("ItemT", bound=Item)
TextT = TypeVar("TextT", bound=TextItem)


class _Token(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: "list[_Token] | None" = None


class _Logprobs(msgspec.Struct, frozen=True):
    content: list[_Token] | None = None


_LOGPROBS: Final = msgspec.json.Decoder(_Logprobs | None)


class ResponsesAnswer:
    """Turns one engine's answer into a response.

    Args:
        response: What is known of it before it begins.
        tools: Whom its calls may mean.
        one_call: Of several tool calls only the first counts.
        with_logprobs: The client wants each token's probability.

    Attributes:
        tokens: Input, output and cached tokens, as soon as the engine told.
        is_whole: The engine has said why it ended.
    """

    stream_type = b"text/event-stream; charset=utf-8"

    def __init__(
        self, response: ResponseObject, tools: Tools, *, one_call: bool, with_logprobs: bool
    ) -> None:
        self.tokens: tuple[int, int, int] | None = None
        self.is_whole = False
        self._response = response
        self._tools = tools
        self._one_call = one_call
        self._with_logprobs = with_logprobs
        self._said = Collected()
        self._items: list[Item] = []
        self._text: TextItem | None = None
        self._calls: dict[int, CallItem] = {}
        self._tells = True
        self._out: list[bytes] = []

    def event(self, data: bytes) -> bytes:
        """Return what the client gets for one event of the engine."""
        chunk, said = decode(data), self._said
        piece = said.add(chunk)
        self.tokens = said.tokens
        self.is_whole = said.finish_reason is not None
        self._begin()
        if piece is not None:
            self._take(piece, chunk)
        if self.is_whole and not all(call.name for call in said.calls.values()):
            raise BadAnswerError(bad_gateway("sent a tool call without a name"))
        return self._flush()

    def end(self) -> bytes:
        """Return the end of the stream."""
        response = self._finished()
        reason = self._said.finish_reason
        name = b"response.incomplete" if limit_of(reason) else b"response.completed"
        self._emit(Event(name, b'"response":' + response))
        return self._flush()

    def whole(self, body: bytes) -> bytes:
        """Return the response for an engine's whole completion."""
        self._tells = False
        self.event(body)
        if not self.is_whole:
            raise BadAnswerError(bad_gateway("sent an answer that makes no sense"))
        return self.collected()

    def collected(self) -> bytes:
        """Return the response that the engine's events add up to."""
        response = self._finished()
        self._out.clear()
        return response

    def heartbeat(self) -> bytes:
        """Return the beginning, and then comments."""
        self._begin()
        return self._flush() or b":\n\n"

    def failure(self, problem: Problem, request_id: str) -> bytes:
        """Return the end of a stream that goes wrong."""
        self._begin()
        output = [item.document("incomplete") for item in self._items]
        response = self._response.failed(problem, output, self._usage())
        self._emit(Event(b"response.failed", b'"response":' + response))
        return self._flush()

    # Events

    def _begin(self) -> None:
        if self._response.events == 0 and self._tells:
            response = b'"response":' + self._response.in_progress()
            self._emit(Event(b"response.created", response))
            self._emit(Event(b"response.in_progress", response))

    def _emit(self, event: Event) -> None:
        name, fields = event
        self._out.append(
            b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b}\n\n'
            % (name, name, self._response.events, fields)
        )
        self._response.events += 1

    def _emit_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._emit(event)

    def _flush(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    # Items

    def _take(self, piece: Piece, chunk: Completion) -> None:
        if piece.thought:
            self._take_text(ReasoningItem, piece.thought)
        if piece.content:
            self._take_message(piece.content, chunk)
        if piece.refusal:
            self._take_text(RefusalItem, piece.refusal)
        if piece.tool_calls:
            self._take_calls()

    def _take_text(self, kind: type[TextItem], text: str) -> None:
        item = self._growing(kind)
        item.pieces.append(text)
        if self._tells:
            self._emit_all(item.deltas(text))

    def _take_message(self, text: str, chunk: Completion) -> None:
        item = self._growing(MessageItem)
        logprobs = _logprobs(chunk.choices[0].logprobs) if self._with_logprobs else []
        item.pieces.append(text)
        item.logprobs += logprobs
        if self._tells:
            self._emit_all(item.spoken(text, logprobs))

    def _growing(self, kind: type[TextT]) -> TextT:
        """Return the item that text of this *kind* belongs to: the last one, or a new one."""
        text = self._text
        if type(text) is kind:
            return text
        self._text = text = self._open(kind(len(self._items), self._response.key))
        return text

    def _open(self, item: ItemT) -> ItemT:
        """Begin *item*; a text ends where something else begins."""
        self._close_text()
        self._items.append(item)
        if self._tells:
            self._emit_all(item.opening())
        return item

    def _close_text(self) -> None:
        if self._text is not None and self._tells:
            self._emit_all(self._text.closing("completed"))
        self._text = None

    def _take_calls(self) -> None:
        """Pass on what the engine has added to its calls; they stay open, for pieces may mix."""
        for index, call in self._said.calls.items():
            item = self._calls.get(index)
            if item is None:
                if not call.name or (self._one_call and self._calls):
                    return
                item = self._calls[index] = self._open(self._call(call))
            new = call.arguments[len(item.pieces) :]
            item.pieces += new
            for arguments in new if self._tells else ():
                self._emit_all(item.deltas(arguments))

    def _call(self, call: CollectedCall) -> CallItem:
        tool = self._tools.tool(call.name)
        kind = CustomCallItem if tool.is_custom else CallItem
        call_id = call.id or f"call_{secrets.token_hex(12)}"
        return kind(len(self._items), self._response.key, call_id, tool)

    # The end

    def _finished(self) -> bytes:
        """Close what is open; return the response."""
        said = self._said
        status = "incomplete" if limit_of(said.finish_reason) else "completed"
        last = self._items[-1] if self._items else None
        for item in (self._text, *self._calls.values()):
            if item is not None and self._tells:
                self._emit_all(item.closing(status if item is last else "completed"))
        output = [item.document(status if item is last else "completed") for item in self._items]
        return self._response.finished(said.finish_reason, output, self._usage())

    def _usage(self) -> Document | None:
        return usage_of(self._said.usage, self.tokens)


def _logprobs(raw: msgspec.Raw) -> list[Document]:
    """Return an engine's probabilities as clients want them: every field there."""
    try:
        found = _LOGPROBS.decode(raw) if bytes(raw) else None
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadAnswerError(bad_gateway("sent an answer that makes no sense")) from error
    return [
        _token(token) | {"top_logprobs": [_token(top) for top in token.top_logprobs or ()]}
        for token in (found.content if found else None) or ()
    ]


def _token(token: _Token) -> Document:
    raw = token.bytes if token.bytes is not None else list(token.token.encode())
    return {"token": token.token, "logprob": token.logprob, "bytes": raw}
