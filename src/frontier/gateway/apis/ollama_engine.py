"""Requests in OpenAI's terms for an engine that speaks Ollama's own API.

Ollama's imitation of OpenAI's API drops half of the fields, and loses errors once a stream began.
"""

from typing import Any, Final, cast

import msgspec

from frontier.gateway.apis.api import Answer, Outgoing
from frontier.gateway.apis.json_body import bad, decoded
from frontier.gateway.apis.ollama_chunks import EmbeddingsAnswer, NativeAnswer
from frontier.gateway.apis.openai_request import unsupported_field
from frontier.gateway.routes import Route

Json = dict[str, Any]

_WHY: Final = "Ollama cannot do it."
_REFUSED: Final = ("logit_bias", "echo", "best_of")
_OPTIONS: Final = (
    "temperature",
    "top_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "top_k",
    "min_p",
)
_THINK: Final = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
}


class _Function(msgspec.Struct, frozen=True):
    name: str | None = None


class _Call(msgspec.Struct, frozen=True):
    function: _Function | None = None


class _Part(msgspec.Struct, frozen=True):
    text: str | None = None


class _Message(msgspec.Struct, frozen=True):
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None


class _Shape(msgspec.Struct, frozen=True):
    """What only this engine makes us read, and others judge themselves."""

    messages: list[_Message] = []
    options: Json | None = None
    tools: list[Json] | None = None


_SHAPE: Final = msgspec.json.Decoder(_Shape)


def outgoing(path: str, body: bytes, route: Route, answer: Answer) -> Outgoing:
    """Return a request for Ollama's own API.

    Args:
        path: The operation, as OpenAI calls it.
        body: What it asks, in OpenAI's terms.
        route: Leads to Ollama.
        answer: Takes what Ollama says, in OpenAI's terms again.

    Raises:
        BadRequestError: Ollama cannot do that, or a field has the wrong type.
    """
    decoded(_SHAPE.decode, body)
    wanted: Json = msgspec.json.decode(body)
    request: Json = {"model": route.upstream_model}
    match path:
        case "/v1/chat/completions":
            request |= {"messages": _messages(wanted["messages"]), **_generation(wanted)}
            request |= _chat(wanted)
            return Outgoing("/api/chat", _encoded(request), NativeAnswer(answer, is_chat=True))
        case "/v1/completions":
            request |= {**_text(wanted), **_generation(wanted)}
            return Outgoing("/api/generate", _encoded(request), NativeAnswer(answer, is_chat=False))
        case "/v1/embeddings":
            request |= {"input": wanted["input"], "truncate": False} | _given(wanted, "dimensions")
            is_base64 = wanted.get("encoding_format") == "base64"
            reply = EmbeddingsAnswer(wanted["model"], is_base64=is_base64)
            return Outgoing("/api/embed", _encoded(request), reply)
        case _:
            raise bad(f"Ollama has nothing like `{path}`.", "model")


def _encoded(request: Json) -> bytes:
    return msgspec.json.encode(request)


def _given(wanted: Json, *names: str) -> Json:
    return {name: wanted[name] for name in names if wanted.get(name) is not None}


def _generation(wanted: Json) -> Json:
    for name in _REFUSED:
        if wanted.get(name):
            raise unsupported_field(name, _WHY)
    if (wanted.get("n") or 1) > 1:
        raise unsupported_field("n", _WHY)
    options: Json = {**(wanted.get("options") or {}), **_given(wanted, *_OPTIONS)}
    most = wanted.get("max_completion_tokens") or wanted.get("max_tokens")
    if most is not None:
        options["num_predict"] = most
    if stop := wanted.get("stop"):
        options["stop"] = [stop] if isinstance(stop, str) else stop
    kept = _given(wanted, "keep_alive")
    return {"stream": bool(wanted.get("stream")), "options": options, **kept}


def _text(wanted: Json) -> Json:
    if wanted.get("logprobs") is not None:
        raise unsupported_field("logprobs", _WHY)
    prompt: object = wanted["prompt"]
    texts = cast("list[object]", prompt) if isinstance(prompt, list) else [prompt]
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise unsupported_field("prompt", "Ollama takes one text at a time.")
    suffix = _given(wanted, "suffix")
    return {"prompt": texts[0], **(suffix or {"raw": True})}


def _chat(wanted: Json) -> Json:
    """Return what only chats have."""
    request = _given(wanted, "logprobs", "top_logprobs")
    if tools := _tools(wanted):
        request["tools"] = tools
    effort = wanted.get("reasoning_effort")
    if isinstance(effort, str) and effort in _THINK:
        request["think"] = _THINK[effort]
    wished: Json = wanted.get("response_format") or {}
    if wished.get("type") == "json_object":
        request["format"] = "json"
    elif wished.get("type") == "json_schema":
        named: Json = wished.get("json_schema") or {}
        request["format"] = named.get("schema") or "json"
    return request


def _tools(wanted: Json) -> list[Json]:
    choice: Any = wanted.get("tool_choice") or "auto"
    if choice == "none":
        return []
    if choice != "auto":
        raise unsupported_field("tool_choice", "Ollama cannot be made to call a tool.")
    return wanted.get("tools") or []


def _messages(messages: list[Json]) -> list[Json]:
    names: dict[str, str] = {}
    return [_message(message, names) for message in messages]


def _message(message: Json, names: dict[str, str]) -> Json:
    """Return one message; *names* has those of the tools called so far, by the call's id."""
    role = message["role"]
    text, images = _content(message.get("content"))
    out: Json = {"role": "system" if role == "developer" else role, "content": text}
    if images:
        out["images"] = images
    if thought := message.get("reasoning_content") or message.get("reasoning"):
        out["thinking"] = thought
    if calls := message.get("tool_calls"):
        out["tool_calls"] = [_call(call, names) for call in calls]
    if role == "tool":
        called = str(message.get("tool_call_id") or "")
        out |= {"tool_call_id": called, "tool_name": names.get(called) or message.get("name", "")}
    return out


def _content(content: str | list[Json] | None) -> tuple[str, list[str]]:
    """Return the text, and the images as base64."""
    if content is None or isinstance(content, str):
        return content or "", []
    texts = [part.get("text") or "" for part in content if part["type"] == "text"]
    urls = [part["image_url"] for part in content if part.get("image_url")]
    others = {part["type"] for part in content} - {"text", "image_url"}
    if others:
        raise unsupported_field("messages", f"Ollama takes no parts of type `{min(others)}`.")
    plain = [url if isinstance(url, str) else url["url"] for url in urls]
    return "\n".join(texts), [url.partition(",")[2] for url in plain]


def _call(call: Json, names: dict[str, str]) -> Json:
    function: Json = call.get("function") or {}
    name = function.get("name") or ""
    names[str(call.get("id") or "")] = name
    try:
        arguments: Any = msgspec.json.decode(function.get("arguments") or "{}")
    except (msgspec.DecodeError, TypeError, RecursionError) as error:
        raise bad(f"The arguments of `{name}` are not valid JSON.", "messages") from error
    return {"id": call.get("id"), "function": {"name": name, "arguments": arguments}}
