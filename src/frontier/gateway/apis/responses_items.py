"""Items of a response's output while they grow, and the events that tell of it."""

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

from frontier.gateway.apis.responses_object import Document, dumped

# Some clients refuse a line over 64 KiB, and a character may take 12 bytes.
LONGEST_DELTA: Final = 4096


class Event(NamedTuple):
    """One event of a stream, without its number.

    Attributes:
        fields: JSON without braces.
    """

    name: bytes
    fields: bytes


def event(name: bytes, **fields: object) -> Event:
    """Return an event whose *fields* are not JSON yet."""
    return Event(name, dumped(fields)[1:-1])


class Item:
    """One item of the output.

    Args:
        index: Its place in the output.
        key: The part of its id that makes it unique.

    Attributes:
        prefix: What its id begins with.
        place: The fields that say in an event which item it is about.
        pieces: Of its text or arguments, so far.
    """

    prefix = ""

    def __init__(self, index: int, key: str) -> None:
        self.index = index
        self.id = f"{self.prefix}_{key}{index:x}"
        self.place: Document = {"item_id": self.id, "output_index": index}
        self.pieces: list[str] = []

    def document(self, status: str) -> Document:
        """Return the item as it is now."""
        raise NotImplementedError

    def opening(self) -> Iterator[Event]:
        """Yield the events with which it begins."""
        item = self.document("in_progress")
        yield event(b"response.output_item.added", output_index=self.index, item=item)

    def closing(self, status: str) -> Iterator[Event]:
        """Yield the events with which it ends."""
        item = self.document(status)
        yield event(b"response.output_item.done", output_index=self.index, item=item)


class TextItem(Item):
    """An item that is one text.

    Attributes:
        part: Type of the part that holds the text.
        field: Where the part holds it.
        position: The field that counts parts; there is one.
        part_event: What begins the names of the events about the part.
        text_event: What begins the names of those about the text.
    """

    part = ""
    field = "text"
    position = ""
    part_event = b""
    text_event = b""

    def __init__(self, index: int, key: str) -> None:
        super().__init__(index, key)
        self.place = {**self.place, self.position: 0}
        self._name = self.text_event + b".delta"
        self._head = dumped(self.place)[1:-1] + b',"delta":'

    @property
    def parts(self) -> list[Document]:
        """The text as a list of the one part, empty while there is none."""
        return [self._part("".join(self.pieces))] if self.pieces else []

    def _part(self, text: str) -> Document:
        return {"type": self.part, self.field: text}

    def _whole(self, text: str) -> Document:
        return {self.field: text}

    def opening(self) -> Iterator[Event]:
        """Yield the events with which it begins."""
        yield from super().opening()
        yield event(self.part_event + b".added", **self.place, part=self._part(""))

    def deltas(self, text: str) -> Iterator[Event]:
        """Yield the events that tell of a piece of the text."""
        for start in range(0, len(text), LONGEST_DELTA):
            delta = json.dumps(text[start : start + LONGEST_DELTA]).encode("ascii")
            yield Event(self._name, self._head + delta)

    def closing(self, status: str) -> Iterator[Event]:
        """Yield the events with which it ends."""
        part = self.parts[0]
        yield event(self.text_event + b".done", **self.place, **self._whole("".join(self.pieces)))
        yield event(self.part_event + b".done", **self.place, part=part)
        yield from super().closing(status)


class ReasoningItem(TextItem):
    """What the model thought."""

    prefix = "rs"
    part = "summary_text"
    position = "summary_index"
    part_event = b"response.reasoning_summary_part"
    text_event = b"response.reasoning_summary_text"

    def document(self, status: str) -> Document:
        """Return the item as it is now."""
        return {"type": "reasoning", "id": self.id, "summary": self.parts}


class RefusalItem(TextItem):
    """What the model says when it does not want to."""

    prefix = "msg"
    part = field = "refusal"
    position = "content_index"
    part_event = b"response.content_part"
    text_event = b"response.refusal"

    def document(self, status: str) -> Document:
        """Return the item as it is now."""
        message = {"type": "message", "id": self.id, "status": status, "role": "assistant"}
        return {**message, "content": self.parts}


class MessageItem(RefusalItem):
    """What the model says."""

    part = "output_text"
    field = "text"
    text_event = b"response.output_text"

    def __init__(self, index: int, key: str) -> None:
        super().__init__(index, key)
        self.logprobs: list[Document] = []

    def _part(self, text: str) -> Document:
        return super()._part(text) | {"annotations": [], "logprobs": self.logprobs}

    def _whole(self, text: str) -> Document:
        return super()._whole(text) | {"logprobs": self.logprobs}

    def spoken(self, text: str, logprobs: list[Document]) -> Iterator[Event]:
        """Yield the same with its tokens' probabilities, which go with the first event."""
        for name, fields in self.deltas(text):
            tokens = dumped(logprobs) if logprobs else b"[]"
            yield Event(name, b'%b,"logprobs":%b' % (fields, tokens))
            logprobs = []
