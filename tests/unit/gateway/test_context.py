"""Contexts that engines tell, and texts that certainly do not fit."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.gateway.context import TOKEN_BYTES, overflow
from frontier.gateway.engine_context import listed, loaded, props

CHAT = "/v1/chat/completions"


def chat(*contents: object, role: str = "user") -> bytes:
    return json.dumps({"messages": [{"role": role, "content": c} for c in contents]}).encode()


def test_a_text_that_cannot_fit_is_refused_in_the_words_that_clients_know() -> None:
    problem = overflow(CHAT, chat("x" * (TOKEN_BYTES * 10 + 1)), 10)

    assert problem is not None
    assert (problem.status, problem.code, problem.param) == (
        400, "context_length_exceeded", "messages",
    )  # fmt: skip
    assert problem.message.startswith("This model's maximum context length is 10 tokens. ")
    assert "at least 11 tokens" in problem.message


def test_a_prompt_of_a_completion_counts_and_an_embedding_does_not() -> None:
    text = "x" * (TOKEN_BYTES * 10 + 1)

    problem = overflow("/v1/completions", json.dumps({"prompt": text}).encode(), 10)

    assert problem is not None
    assert problem.param == "prompt"
    assert overflow("/v1/embeddings", json.dumps({"input": text}).encode(), 10) is None


@pytest.mark.parametrize(
    "body",
    [
        chat("x" * (TOKEN_BYTES * 10)),
        chat(" " * TOKEN_BYTES * 20),
        chat("x" * TOKEN_BYTES * 20, "short"),
        chat("x" * TOKEN_BYTES * 20, role="assistant"),
        chat([{"type": "image_url", "image_url": {"url": "x" * TOKEN_BYTES * 20}}]),
        b'{"messages": [{"content": 1, "x": "' + b"x" * TOKEN_BYTES * 20 + b'"}]}',
    ],
    ids=["just fits", "blanks", "earlier message", "no user", "image", "strange"],
)
def test_whatever_may_fit_is_left_to_the_engine(body: bytes) -> None:
    assert overflow(CHAT, body, 10) is None


@given(st.lists(st.text(max_size=3000), min_size=1, max_size=3), st.integers(1, 4))
def test_what_is_refused_is_too_long_for_the_longest_tokens(texts: list[str], limit: int) -> None:
    parts = [{"type": "text", "text": text} for text in texts]

    problem = overflow(CHAT, chat(parts), limit)

    size = sum(len(text.encode()) for text in texts)
    assert problem is None or size > limit * TOKEN_BYTES


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ({"id": "m", "max_model_len": 8192}, 8192),
        ({"id": "m", "max_model_len": None, "meta": {"n_ctx": 4096}}, 4096),
        ({"id": "other", "context_length": 2048}, 2048),
        ({"id": "m"}, 0),
    ],
)
def test_a_list_of_models_tells_the_context(model: dict[str, Any], tokens: int) -> None:
    assert listed(json.dumps({"data": [model]}).encode(), "m") == tokens


def test_the_model_is_found_among_several_or_not_at_all() -> None:
    body = json.dumps({"data": [{"id": "a", "max_model_len": 1}, {"id": "b", "max_model_len": 2}]})

    assert listed(body.encode(), "b") == 2
    assert listed(body.encode(), "c") == 0


def test_llama_cpp_and_ollama_tell_it_in_their_own_way() -> None:
    running = {"models": [{"name": "q:latest", "model": "q:latest", "context_length": 4096}]}

    assert props(b'{"default_generation_settings":{"n_ctx":2048},"total_slots":1}') == 2048
    assert props(b"{}") == 0
    assert loaded(json.dumps(running).encode(), "q") == 4096
    assert loaded(json.dumps(running).encode(), "other") == 0
