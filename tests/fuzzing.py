"""Requests and engines' words that are nearly right: valid ones, changed at random.

Everything is drawn from one `random.Random`, so a seed repeats it.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

Json = Any

_IMAGE = "data:image/png;base64,iVBORw0KGgo="
_SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
_FUNCTION = {"name": "f", "description": "d", "parameters": _SCHEMA, "strict": True}
_TOOLS = [{"type": "function", "function": _FUNCTION}]
_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x":"1"}'}}

CHAT: Json = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be short."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Hi"},
                {"type": "image_url", "image_url": {"url": _IMAGE}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [_CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_completion_tokens": 9,
    "temperature": 0.5,
    "n": 1,
    "stop": ["x"],
    "logprobs": True,
    "top_logprobs": 2,
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": _SCHEMA}},
    "reasoning_effort": "low",
    "tools": _TOOLS,
    "tool_choice": {"type": "function", "function": {"name": "f"}},
}
TEXT: Json = {
    "model": "m",
    "prompt": "Hi",
    "input": ["a", "b"],
    "query": "q",
    "documents": ["a", "b"],
    "stream": False,
    "max_tokens": 5,
    "encoding_format": "float",
}
RESPONSES: Json = {
    "model": "m",
    "instructions": "Be short.",
    "input": [
        {"role": "developer", "content": "x"},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Hi"},
                {"type": "input_image", "image_url": _IMAGE, "detail": "auto"},
            ],
        },
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "b", "name": "p", "input": "x"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {
            "type": "custom_tool_call_output",
            "call_id": "b",
            "output": [{"type": "input_text", "text": "2"}],
        },
        {"type": "web_search_call", "id": "ws"},
    ],
    "tools": [
        {"type": "function", **_FUNCTION},
        {"type": "custom", "name": "p", "format": {"type": "grammar", "definition": "s: x"}},
        {"type": "namespace", "name": "n", "tools": [{"type": "function", **_FUNCTION}]},
        {"type": "web_search"},
    ],
    "tool_choice": {"type": "allowed_tools", "tools": [{"type": "function", "name": "f"}]},
    "text": {"format": {"type": "json_schema", "name": "s", "schema": _SCHEMA}},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["message.output_text.logprobs"],
    "metadata": {"a": "b"},
    "max_output_tokens": 9,
    "parallel_tool_calls": False,
    "stream": True,
}
ANTHROPIC: Json = {
    "model": "m",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Hi"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": ""},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t", "content": "1"}],
        },
    ],
    "tools": [{"name": "f", "description": "d", "input_schema": _SCHEMA}],
    "tool_choice": {"type": "tool", "name": "f"},
    "thinking": {"type": "enabled", "budget_tokens": 5},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": _SCHEMA}},
    "stop_sequences": ["x"],
    "stream": True,
}
OLLAMA: Json = {
    "model": "m",
    "prompt": "Hi",
    "system": "Be short.",
    "suffix": "x",
    "raw": False,
    "input": ["a"],
    "messages": [
        {"role": "user", "content": "Hi", "images": ["iVBORw0KGgo="]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "Hm.",
            "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}],
        },
        {"role": "tool", "content": "1", "tool_name": "f"},
    ],
    "tools": _TOOLS,
    "format": _SCHEMA,
    "options": {"temperature": 0.5, "num_predict": 5, "stop": ["x"], "repeat_penalty": 1.1},
    "keep_alive": "5m",
    "think": True,
    "logprobs": True,
    "stream": True,
}
REQUESTS = (CHAT, TEXT, RESPONSES, ANTHROPIC, OLLAMA)
_BY_PATH = {
    "/v1/chat/": CHAT,
    "/v1/responses": RESPONSES,
    "/v1/messages": ANTHROPIC,
    "/api/": OLLAMA,
}

_TOKEN = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
_USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "total_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 1},
}


def _chunk(finish: str | None = None, **delta: Json) -> Json:
    choice = {
        "index": 0,
        "delta": delta,
        "finish_reason": finish,
        "logprobs": {"content": [_TOKEN]},
    }
    return {"id": "c", "created": 1, "model": "m", "choices": [choice]}


CHUNKS: tuple[Json, ...] = (
    _chunk(role="assistant", content=None),
    _chunk(reasoning_content="Hm."),
    _chunk(content="Hello \N{SNOWMAN}"),
    _chunk(tool_calls=[{"index": 0, **_CALL}]),
    _chunk(tool_calls=[{"index": 0, "function": {"arguments": "x"}}]),
    _chunk("stop"),
    {"choices": [], "usage": _USAGE, "timings": {"prompt_n": 3, "predicted_ms": 1.5}},
    {"error": {"message": "oom", "code": 500, "type": "server_error"}},
    {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "tool_calls": [_CALL]},
                "finish_reason": "tool_calls",
            }
        ],
        "usage": _USAGE,
    },
    {"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": True},
    {
        "model": "m",
        "message": {
            "thinking": "Hm.",
            "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}],
        },
        "logprobs": [_TOKEN],
        "done": False,
    },
    {"model": "m", "data": [{"index": 0, "embedding": [0.5]}], "embeddings": [[0.5]]},
)

_ODD: tuple[Json, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**25,
    0.5,
    1e300,
    "",
    "x",
    "\x00",
    "\u2028\u0085",
    "\N{GRINNING FACE}",
    "data:image/png;base64,%",
    "none",
    "required",
    "user",
    [],
    {},
    [None],
    [[]],
    {"type": "text"},
    {"": None},
)


def mutated(random: Random, value: Json) -> Json:
    """Return *value* with a few of its parts changed."""
    value = json.loads(json.dumps(value))
    for _ in range(random.choice((0, 1, 1, 2, 3, 8))):
        value = _changed(random, value)
    return value


def _changed(random: Random, value: Json) -> Json:
    """Return *value* with one part changed, found by a walk from its root."""
    if not isinstance(value, (dict, list)) or not value or random.random() < 0.1:
        return random.choice((deepcopy(random.choice(_ODD)), [value], {"x": value}))
    keys: Json = list(value) if isinstance(value, dict) else range(len(value))
    key = random.choice(keys)
    match random.randrange(8):
        case 0:
            del value[key]
        case 1 if isinstance(value, list):
            value.append(deepcopy(value[key]))
        case 1:
            value[random.choice(("type", "content", "x"))] = value.pop(key)
        case 2:
            value[key] = deepcopy(value[random.choice(keys)])
        case _:
            value[key] = _changed(random, value[key])
    return value


def encoded(random: Random, value: Json) -> bytes:
    """Return *value* as JSON, now and then with broken bytes."""
    data = json.dumps(value, ensure_ascii=random.random() < 0.5).encode()
    return garbled(random, data) if random.random() < 0.15 else data


def garbled(random: Random, data: bytes) -> bytes:
    """Return *data* with some bytes cut, doubled or replaced."""
    at, size = random.randrange(len(data) + 1), random.choice((1, 1, 2, 9, 60))
    noise = random.choice((b"", b"\xff", b"\x00", b'"', b"[" * 2000, b"\\ud800", b"1e999", b"\r\n"))
    match random.randrange(3):
        case 0:
            return data[:at] + noise + data[at + size :]
        case 1:
            return data[:at] + data[max(0, at - size) : at] + data[at:]
        case _:
            return data[:at]


def body(random: Random, path: str = "") -> bytes:
    """Return a request's body, mostly one for *path*."""
    fitting = next((request for start, request in _BY_PATH.items() if path.startswith(start)), TEXT)
    request = fitting if path and random.random() < 0.8 else random.choice(REQUESTS)
    return encoded(random, mutated(random, request))


def words(random: Random) -> list[bytes]:
    """Return what an engine says, chunk by chunk."""
    count = random.choice((1, 3, 8))
    chosen = [random.choice(CHUNKS) for _ in range(count)]
    change: Callable[[Json], Json] = lambda one: mutated(random, one)  # noqa: E731
    return [encoded(random, change(one) if random.random() < 0.4 else one) for one in chosen]


_LINES = (
    b"Host: x",
    b"Content-Length: %d",
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding : chunked",
    b"Expect: 100-continue",
    b"Connection: close",
    b"Connection: Upgrade",
    b"Upgrade: h2c",
    b"Authorization: Bearer x",
    b"X-Request-Id: \xff",
    b" folded",
    b"X: " + b"y" * 5000,
    b"",
)
_STARTS = (
    b"POST /v1/chat/completions HTTP/1.1",
    b"POST /v1/responses HTTP/1.1",
    b"POST /api/chat HTTP/1.0",
    b"GET / HTTP/1.1",
    b"CONNECT x:1 HTTP/1.1",
    b"GET http://[ HTTP/1.1",
    b"GET http://x/%ff?a#b HTTP/1.1",
    b"PRI * HTTP/2.0",
)


def connection(random: Random) -> bytes:
    """Return what a client sends over one connection: requests, well framed or not."""
    return b"".join(_request(random) for _ in range(random.choice((1, 1, 2, 3))))


def _request(random: Random) -> bytes:
    content = body(random)[: random.choice((0, 5, 200))]
    lines = [random.choice(_LINES) for _ in range(random.randrange(5))]
    if random.random() < 0.7:
        lines += [_LINES[0], random.choice(_LINES[1:3])]
    if any(b"chunked" in line for line in lines) or random.random() < 0.1:
        lines.append(b"Transfer-Encoding: chunked")
        content = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (content[:3], content[3:], b""))
    head = b"\r\n".join(random.choice(_STARTS) if not i else x for i, x in enumerate([b"", *lines]))
    head = head.replace(b"%d", b"%d" % len(content))
    data = head + b"\r\n\r\n" + content
    return garbled(random, data) if random.random() < 0.3 else data


def cuts(random: Random, data: bytes) -> list[bytes]:
    """Return *data* as it may arrive."""
    if random.random() < 0.1 and len(data) < 2000:
        return [data[i : i + 1] for i in range(len(data))]
    at = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(4)))
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]
