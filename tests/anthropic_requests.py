"""Requests of Anthropic's Messages API to a gateway in front of scripted engines."""

import base64
from typing import Any

from scripted_upstream import ScriptedUpstream, event, scripted

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(32)).decode()
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
TOOL: dict[str, Any] = {
    "name": "weather",
    "description": "Tell the weather.",
    "input_schema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"place": {"type": "object", "properties": {"city": {"type": "string"}}}},
        "additionalProperties": False,
    },
}
ROUTES = """
version: 1
models:
  - {{name: m, aliases: [claude-*], backend: vllm, backend_url: "{url}"}}
  - {{name: small, aliases: ["claude-*haiku*"], backend: vllm, backend_url: "{url}"}}
  - {{name: cpp, backend: llamacpp, backend_url: "{url}"}}
  - {{name: rust, backend: mistral, backend_url: "{url}", upstream_model: its-own}}
  - {{name: unplaced, backend: ollama}}
  - {{name: whale, backend: ollama, backend_url: "{url}"}}
"""


def image_at(url: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "url", "url": url}}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def request(name: str, **fields: Any) -> dict[str, Any]:
    """Return a request that the scripted engine answers by *name*."""
    return {"model": "m", "max_tokens": 64, "messages": [user(scripted(name))], **fields}


def chunk_of(model: str = "m", **fields: Any) -> bytes:
    choice = {"index": 0, "delta": fields, "finish_reason": None}
    return event({"id": "chatcmpl-1", "model": model, "choices": [choice]})


def call_piece(index: int, arguments: str, **fields: str) -> dict[str, Any]:
    name = {"name": fields["name"]} if "name" in fields else {}
    ids = {"id": fields["id"], "type": "function"} if "id" in fields else {}
    return {"index": index, **ids, "function": {**name, "arguments": arguments}}


def calls(*pieces: dict[str, Any]) -> bytes:
    return chunk_of(tool_calls=list(pieces))


def sent(upstream: ScriptedUpstream, name: str) -> dict[str, Any]:
    return upstream.requests(name)[-1].body
