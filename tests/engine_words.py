"""What engines and clients of OpenAI's API say to each other in the tests."""

import base64
import json
from typing import Any

from gateway_process import Answer
from scripted_upstream import ScriptedUpstream, answer, event, scripted

ENGINES = {"cpp": "llamacpp", "v": "vllm", "mis": "mistral", "oll": "ollama", "any": "openai"}
"""Models of the fixture `engines`, each at an engine of its own kind."""

F = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
G = {"type": "function", "function": {"name": "g", "parameters": {"type": "object"}}}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()


def chat(model: str, script: str, **fields: Any) -> dict[str, Any]:
    messages = fields.pop("messages", [{"role": "user", "content": scripted(script)}])
    return {"model": model, "messages": messages, **fields}


def sent(upstream: ScriptedUpstream, script: str) -> dict[str, Any]:
    return upstream.requests(script)[-1].body


def chunks(got: Answer) -> list[dict[str, Any]]:
    assert got.events[-1] == "[DONE]"
    return [json.loads(text) for text in got.events[:-1]]


def deltas(got: Answer) -> list[dict[str, Any]]:
    return [c["choices"][0]["delta"] for c in chunks(got) if c["choices"]]


def choice(**fields: Any) -> bytes:
    """Return one chunk as an event."""
    one = {"index": 0, "finish_reason": None, **fields}
    return event(
        {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "x",
            "choices": [one],
        }
    )


def lines(*found: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in found)


def native(*found: dict[str, Any]) -> Any:
    """Script: what Ollama streams."""
    return answer(lines(*found), Content_Type="application/x-ndjson")


def call(index: int, **fields: Any) -> bytes:
    function = {k: fields.pop(k) for k in ("name", "arguments") if k in fields}
    return choice(delta={"tool_calls": [{"index": index, "function": function, **fields}]})


def calls_of(got: Answer) -> dict[int, dict[str, Any]]:
    """Put the calls of a stream together as strict clients do: whatever is repeated shows."""
    found: dict[int, dict[str, Any]] = {}
    for piece in [p for d in deltas(got) for p in d.get("tool_calls", [])]:
        whole = found.setdefault(
            piece["index"], {"id": "", "type": "", "name": "", "arguments": ""}
        )
        for name in ("id", "type"):
            whole[name] += piece.get(name, "")
        for name in ("name", "arguments"):
            whole[name] += piece["function"].get(name, "")
    return found
