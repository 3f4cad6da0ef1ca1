"""Lines of JSON as engines write them, taken apart."""


class Lines:
    """Each line of one stream that is not empty, wherever it was cut."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Return every line that *data* completes."""
        if b"\n" not in data:
            self._parts.append(data)
            return []
        *lines, rest = b"".join((*self._parts, data)).split(b"\n")
        self._parts = [rest]
        return [line for line in lines if line.strip()]

    def rest(self) -> list[bytes]:
        """Return the line that the stream's end leaves without a line end behind it."""
        return self.feed(b"\n")
