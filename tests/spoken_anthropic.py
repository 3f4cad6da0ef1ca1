"""Anthropic's Messages API as the tests that hold for all APIs need to know it."""

import json
from dataclasses import dataclass
from typing import Any

from gateway_process import Answer
from scripted_upstream import scripted


@dataclass(frozen=True, slots=True)
class AnthropicMessages:
    """Anthropic's messages."""

    model: str
    path: str = "/v1/messages"
    stream_type: str = "text/event-stream"

    def ask(self, script: str, *, stream: bool) -> dict[str, Any]:
        messages = [{"role": "user", "content": scripted(script)}]
        return {"model": self.model, "max_tokens": 64, "messages": messages, "stream": stream}

    def text(self, got: Answer) -> str:
        if not got.headers["content-type"].startswith(self.stream_type):
            return "".join(block["text"] for block in got.json["content"])
        deltas = [e["delta"] for e in events(got.body) if e["type"] == "content_block_delta"]
        return "".join(delta["text"] for delta in deltas)

    def is_complete(self, got: Answer) -> bool:
        return events(got.body)[-1]["type"] == "message_stop"

    def failure(self, got: Answer) -> str:
        errors = [e["error"] for e in events(got.body) if e["type"] == "error"]
        return self._message(errors[-1]) if errors else ""

    def problem(self, got: Answer) -> str:
        document = got.json
        assert document["type"] == "error"
        assert document["request_id"] == got.headers["request-id"]
        return self._message(document["error"])

    def beats(self, body: bytes) -> int:
        return body.count(b'event: ping\ndata: {"type":"ping"}\n\n')

    def _message(self, error: dict[str, Any]) -> str:
        assert error["type"].endswith("_error")
        message: str = error["message"]
        return message


def events(body: bytes) -> list[dict[str, Any]]:
    """Return the data of each event; its name must be there, and be the data's type."""
    found = []
    for text in body.decode().removesuffix("\n\n").split("\n\n"):
        name, data = text.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found
