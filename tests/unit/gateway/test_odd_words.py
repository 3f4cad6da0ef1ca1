"""What engines, models and clients say that no program expects: nested too deep, of odd types."""

import json
from pathlib import Path
from typing import Any

import pytest

from frontier.gateway.apis.api import Ask, BadAnswerError, BadRequestError, Outgoing
from frontier.gateway.apis.known import OPERATIONS
from frontier.gateway.route_file import Content
from frontier.gateway.route_table import build, parse
from frontier.gateway.routes import Route

DEEP = "[" * 100_000
BACKENDS = ("llamacpp", "mistral", "ollama", "openai", "vllm")
MESSAGES = [{"role": "user", "content": "Hi"}]
REQUESTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/completions": {"prompt": "Hi"},
    "/v1/embeddings": {"input": "Hi"},
    "/v1/rerank": {"query": "Hi", "documents": ["a"]},
    "/v1/responses": {"input": "Hi"},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 9},
    "/api/chat": {"messages": MESSAGES},
    "/api/generate": {"prompt": "Hi"},
    "/api/embed": {"input": "Hi"},
    "/api/embeddings": {"prompt": "Hi"},
}


def route(backend: str) -> Route:
    model = f"{{name: m, backend: {backend}, backend_url: 'http://127.0.0.1:1'}}"
    text = f"version: 1\nmodels: [{model}]\n"
    found = build([parse(Content(Path("m.yaml"), text.encode()))]).find("m")
    assert found is not None
    return found.each[0]


def asked(path: str, **fields: object) -> Ask:
    body = {"model": "m", "stream": False} | REQUESTS[path] | fields
    return OPERATIONS[path].api.read(path, json.dumps(body).encode())


@pytest.mark.parametrize("path", REQUESTS)
@pytest.mark.parametrize("backend", [b for b in BACKENDS if b != "ollama"])
def test_an_answer_nested_too_deeply_makes_no_sense_or_passes_as_it_came(
    path: str, backend: str
) -> None:
    assert is_refused_or_passed(asked(path), backend)


@pytest.mark.parametrize("path", [path for path in REQUESTS if path != "/v1/rerank"])
def test_so_does_ollamas(path: str) -> None:
    assert is_refused_or_passed(asked(path), "ollama")


def is_refused_or_passed(ask: Ask, backend: str) -> bool:
    outgoing = ask.outgoing(route(backend))
    assert isinstance(outgoing, Outgoing)
    body = f'{{"embeddings": {DEEP}, "choices": {DEEP}, "data": {DEEP}'.encode()
    try:
        return outgoing.answer.whole(body) == body
    except BadAnswerError as error:
        return "makes no sense" in error.problem.message


def test_arguments_nested_too_deeply_are_the_clients_fault() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": DEEP}}
    messages = [*MESSAGES, {"role": "assistant", "tool_calls": [call]}]

    with pytest.raises(BadRequestError, match="arguments of `f` are not valid JSON"):
        asked("/v1/chat/completions", messages=messages).outgoing(route("ollama"))


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ["a"]}]}]}, "text"),
        ({"messages": [{"role": "assistant", "tool_calls": ["f"]}]}, "tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": "f"}]}]}, "function"),
        ({"messages": MESSAGES, "options": ["seed"]}, "options"),
        ({"messages": MESSAGES, "tools": {"f": 1}}, "tools"),
    ],
)
def test_what_only_ollamas_engine_makes_us_read_has_the_right_type(
    fields: dict[str, Any], where: str
) -> None:
    with pytest.raises(BadRequestError, match=f"{where}.* is not valid"):
        asked("/v1/chat/completions", **fields).outgoing(route("ollama"))
