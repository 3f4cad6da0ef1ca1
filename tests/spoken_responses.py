"""OpenAI's Responses API, as the tests that hold for all APIs need to know it."""

import json
import re
from dataclasses import dataclass
from typing import Any

from gateway_process import Answer
from scripted_upstream import scripted

# The first heartbeat is the beginning, in a chunk of its own; else the text is in that chunk too.
_BEGUN_BY_ITSELF = re.compile(rb"event: response\.in_progress\ndata: [^\n]*\n\n\r\n")


@dataclass(frozen=True, slots=True)
class Responses:
    """A row for `spoken.TRANSLATED`."""

    model: str
    path: str = "/v1/responses"
    stream_type: str = "text/event-stream"

    def ask(self, script: str, *, stream: bool) -> dict[str, Any]:
        return {"model": self.model, "input": scripted(script), "stream": stream}

    def text(self, got: Answer) -> str:
        if not got.headers["content-type"].startswith(self.stream_type):
            return output_text(got.json)
        events = events_of(got.body)
        return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")

    def is_complete(self, got: Answer) -> bool:
        return any(e["type"] == "response.completed" for e in events_of(got.body))

    def failure(self, got: Answer) -> str:
        last = events_of(got.body)[-1]
        if last["type"] != "response.failed":
            return ""
        assert last["response"]["status"] == "failed"
        message: str = last["response"]["error"]["message"]
        return message

    def problem(self, got: Answer) -> str:
        assert got.headers["content-type"] == "application/json"
        message: str = got.error["message"]
        assert isinstance(got.error["type"], str)
        return message

    def beats(self, body: bytes) -> int:
        return len(_BEGUN_BY_ITSELF.findall(body)) + body.count(b"\n:\n\n")


def output_text(response: dict[str, Any]) -> str:
    """Return what openai-python calls so."""
    messages = [item for item in response["output"] if item["type"] == "message"]
    return "".join(part["text"] for item in messages for part in item["content"])


def events_of(body: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream, in which each must be named and numbered as it says.

    A stream that broke off may end in the middle of one.
    """
    found: list[dict[str, Any]] = []
    *blocks, _ = body.decode().split("\n\n")
    for block in blocks:
        if block == ":":
            continue
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == len(found)
        found.append(event)
    return found
