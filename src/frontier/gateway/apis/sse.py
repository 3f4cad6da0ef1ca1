"""Server-sent events as engines write them, or lines of JSON, taken apart."""

from typing import Final

_BOM: Final = b"\xef\xbb\xbf"


class Events:
    """The data of each event of one stream, whatever its line ends and wherever it was cut.

    Ollama sends no events but a document on each line; an event's line cannot begin like one.
    Comments, and the fields event, id and retry, are dropped; several data lines become one text.
    """

    def __init__(self) -> None:
        self._carry = b""
        self._data: list[bytes] = []
        self._is_first = True

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data of every event that *data* completes."""
        text = self._carry + data
        if self._is_first and len(text) >= len(_BOM):
            self._is_first = False
            text = text.removeprefix(_BOM)
        if text.endswith(b"\r"):  # half of a line end, maybe
            text, tail = text[:-1], b"\r"
        else:
            tail = b""
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._carry = rest + tail
        return [event for line in lines if (event := self._line(line)) is not None]

    def rest(self) -> list[bytes]:
        """Return the event that the stream's end leaves without an empty line behind it."""
        events = self.feed(b"\n\n")
        self._carry = b""
        return events

    def _line(self, line: bytes) -> bytes | None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif line.startswith(b"{"):
            return line
        elif not line and self._data:
            event = b"\n".join(self._data)
            self._data.clear()
            return event
        return None
