"""Chat messages, put together from items of which several may make one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, cast

from frontier.gateway.apis.json_body import bad

Message = dict[str, object]


_THOUGHT: Final = "reasoning_content"


def with_thoughts(messages: list[Message], name: str) -> list[Message]:
    """Return *messages* with ``reasoning_content`` called *name*, or dropped if that is ""."""
    if name == _THOUGHT or not any(_THOUGHT in message for message in messages):
        return messages
    return [_renamed(message, name) for message in messages]


def _renamed(message: Message, name: str) -> Message:
    rest = {field: value for field, value in message.items() if field != _THOUGHT}
    if name and _THOUGHT in message:
        rest[name] = message[_THOUGHT]
    return rest


@dataclass(slots=True)
class Turn:
    """One message while it grows; lists are joined once, when it is complete.

    Attributes:
        content: Of a system message: its texts.
        call_id: Of a tool's result: the call that it answers.
    """

    role: str
    content: object = None
    thoughts: list[str] = field(default_factory=list[str])
    calls: list[Message] = field(default_factory=list[Message])
    call_id: str = ""

    @property
    def message(self) -> Message:
        """What an engine gets."""
        content = self.content
        if isinstance(content, list) and self.role == "system":
            content = "\n\n".join(cast("list[str]", content))
        message: Message = {"role": self.role, "content": content}
        if self.thoughts:
            message[_THOUGHT] = "\n\n".join(self.thoughts)
        if self.calls:
            message["tool_calls"] = self.calls
        if self.call_id:
            message["tool_call_id"] = self.call_id
        return message


class Chat:
    """Messages so far, and what waits for the next one to carry it."""

    def __init__(self, instructions: str | None) -> None:
        self._turns: list[Turn] = []
        self._thoughts: list[str] = []
        self._images: list[Message] = []
        if instructions:
            self._instruct(instructions)

    def messages(self) -> list[Message]:
        """Return them all, in order."""
        self._show_images()
        return [turn.message for turn in self._turns]

    def say(self, role: str, content: str | list[Message], where: str) -> None:
        """Add a message."""
        self._show_images()
        if role in ("system", "developer"):
            if not isinstance(content, str):
                raise bad(f"`{where}`: a system message can hold text only.", "input")
            self._instruct(content)
        else:
            self._turns.append(Turn(role, content))
            if role == "assistant":
                self._turns[-1].thoughts += self._thoughts
        self._thoughts.clear()

    def _instruct(self, text: str) -> None:
        """Add a system message; several in a row become one, since most templates want one."""
        if self._turns and self._turns[-1].role == "system":
            cast("list[str]", self._turns[-1].content).append(text)
        else:
            self._turns.append(Turn("system", [text]))

    def call(self, call_id: str, name: str, arguments: str) -> None:
        """Add a tool call to the assistant's message, or as one."""
        self._show_images()
        if not self._turns or self._turns[-1].role != "assistant":
            self._turns.append(Turn("assistant"))
        turn = self._turns[-1]
        function = {"name": name, "arguments": arguments}
        turn.calls.append({"id": call_id, "type": "function", "function": function})
        turn.thoughts += self._thoughts
        self._thoughts.clear()

    def result(self, call_id: str, content: str | list[Message]) -> None:
        """Add a tool's result; its images follow when all results are there."""
        if not isinstance(content, str):
            self._images += [part for part in content if part["type"] != "text"]
            content = "\n".join(str(part["text"]) for part in content if part["type"] == "text")
        self._turns.append(Turn("tool", content, call_id=call_id))
        self._thoughts.clear()

    def think(self, thoughts: Iterable[str]) -> None:
        """Keep *thoughts* for the assistant's next message."""
        self._thoughts += thoughts

    def _show_images(self) -> None:
        """Add what tools have returned besides text; few templates take it from a tool."""
        if self._images:
            self._turns.append(Turn("user", self._images))
            self._images = []
