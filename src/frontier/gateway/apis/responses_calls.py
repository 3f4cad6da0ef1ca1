"""Calls of the client's tools as items of a response's output."""

from collections.abc import Iterator
from typing import Final

import msgspec

from frontier.gateway.apis.responses_items import LONGEST_DELTA, Event, Item, event
from frontier.gateway.apis.responses_object import Document
from frontier.gateway.apis.responses_tools import Tool


class _Input(msgspec.Struct, frozen=True):
    input: str


_INPUT: Final = msgspec.json.Decoder(_Input)


class CallItem(Item):
    """A call of one of the client's functions.

    Args:
        call_id: What the client answers it by.
        tool: Whom it means.
    """

    prefix = "fc"

    def __init__(self, index: int, key: str, call_id: str, tool: Tool) -> None:
        super().__init__(index, key)
        self._call: Document = {"id": self.id, "call_id": call_id, "name": tool.name}
        if tool.namespace is not None:
            self._call["namespace"] = tool.namespace

    def document(self, status: str) -> Document:
        """Return the item as it is now."""
        arguments = "".join(self.pieces) or ("{}" if status == "completed" else "")
        call = {"type": "function_call", **self._call, "arguments": arguments}
        return {**call, "status": status}

    def deltas(self, arguments: str) -> Iterator[Event]:
        """Yield the events that tell of a piece of the arguments."""
        for start in range(0, len(arguments), LONGEST_DELTA):
            delta = arguments[start : start + LONGEST_DELTA]
            yield event(b"response.function_call_arguments.delta", **self.place, delta=delta)

    def closing(self, status: str) -> Iterator[Event]:
        """Yield the events with which it ends."""
        arguments = self.document(status)["arguments"]
        if not self.pieces:
            yield from self.deltas(str(arguments))
        yield event(b"response.function_call_arguments.done", **self.place, arguments=arguments)
        yield from super().closing(status)


class CustomCallItem(CallItem):
    """A call of a tool that takes text, which the engine wraps in JSON."""

    prefix = "ctc"

    def document(self, status: str) -> Document:
        """Return the item as it is now."""
        return {"type": "custom_tool_call", **self._call, "input": self._input()}

    def deltas(self, arguments: str) -> Iterator[Event]:
        """Yield nothing: the text is told of when all of its JSON is there."""
        return iter(())

    def closing(self, status: str) -> Iterator[Event]:
        """Yield the events with which it ends."""
        text = self._input()
        for start in range(0, len(text), LONGEST_DELTA):
            delta = text[start : start + LONGEST_DELTA]
            yield event(b"response.custom_tool_call_input.delta", **self.place, delta=delta)
        yield event(b"response.custom_tool_call_input.done", **self.place, input=text)
        yield from Item.closing(self, status)

    def _input(self) -> str:
        """Return the text; what is no such JSON, because the model went astray, is it itself."""
        arguments = "".join(self.pieces)
        try:
            return _INPUT.decode(arguments).input
        except (msgspec.DecodeError, RecursionError):
            return arguments
