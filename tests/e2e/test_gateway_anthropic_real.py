"""Anthropic's client against the gateway against the real llama.cpp with a real model.

``test_gateway_anthropic_old.py`` runs this file once more, with the client of before 2026-10-21.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic
from openai import OpenAI

from gateway_process import GatewayProcess, ask
from real_engine import MODEL, gateway_of, llama_cpp

HI: list[Any] = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Iterator[int]:
    """The port of the llama.cpp server that `up` starts, with the small model."""
    with llama_cpp(smollm2, context=512) as port:
        yield port


@pytest.fixture(scope="module")
def served(engine: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    routes = (
        f'version: 1\nmodels:\n  - name: {MODEL}\n    aliases: ["claude-*"]\n'
        f"    backend: llamacpp\n    backend_url: http://127.0.0.1:{engine}\n"
    )
    with gateway_of(routes, tmp_path_factory.mktemp("anthropic-real")) as gateway:
        yield gateway


@pytest.fixture
def client(served: GatewayProcess) -> Iterator[Anthropic]:
    with Anthropic(base_url=served.url, api_key="none", max_retries=0) as client:
        yield client


def test_conformance_089_097_a_message_is_answered_and_its_prompt_was_counted_right(
    client: Anthropic,
) -> None:
    counted = client.messages.count_tokens(model="claude-next", system="Be brief.", messages=HI)
    got = client.messages.create(model="claude-next", max_tokens=6, system="Be brief.", messages=HI)

    assert got.content[0].type == "text"
    assert got.content[0].text
    assert got.model == "claude-next"
    usage = got.usage
    assert usage.input_tokens + (usage.cache_read_input_tokens or 0) == counted.input_tokens
    assert 0 < usage.output_tokens <= 6


def test_conformance_091_a_message_is_streamed(client: Anthropic) -> None:
    with client.messages.stream(model=MODEL, max_tokens=6, messages=HI) as helper:
        text = "".join(helper.text_stream)
        message = helper.get_final_message()

    assert text
    assert message.content[0].to_dict() == {"type": "text", "text": text}
    assert message.usage.output_tokens > 0
    assert message.stop_reason in ("end_turn", "max_tokens")


def test_conformance_092_093_a_history_of_tools_and_thoughts_is_taken(client: Anthropic) -> None:
    # The small model's template knows no tools, so it never calls one: see the scripted tests.
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}
    thought = {"type": "thinking", "thinking": "Let me look.", "signature": ""}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "It rains."}
    turns: list[Any] = [
        {"role": "user", "content": "Is it raining in Rome?"},
        {"role": "assistant", "content": [thought, use]},
        {"role": "user", "content": [result]},
    ]

    got = client.messages.create(
        model=MODEL,
        max_tokens=4,
        messages=turns,
        tools=[{"name": "weather", "description": "The weather.", "input_schema": schema}],
        thinking={"type": "enabled", "budget_tokens": 1024},
        extra_body={"tool_choice": {"type": "auto"}},
    )

    assert got.content


def test_a_message_that_has_begun_goes_on_without_being_repeated(client: Anthropic) -> None:
    begun: list[Any] = [
        {"role": "user", "content": "Count to ten."},
        {"role": "assistant", "content": "One, two,"},
    ]

    whole = client.messages.create(model=MODEL, max_tokens=4, messages=begun)
    with client.messages.stream(model=MODEL, max_tokens=4, messages=begun) as helper:
        streamed = helper.get_final_text()

    assert not whole.content[0].to_dict()["text"].startswith("One, two,")  # type: ignore[attr-defined]
    assert not streamed.startswith("One, two,")


def test_conformance_119_the_same_prompt_gets_the_same_text_over_two_apis(
    client: Anthropic, served: GatewayProcess
) -> None:
    same: Any = {"model": MODEL, "max_tokens": 6, "messages": HI}
    greedy = {"temperature": 0, "top_k": 1}

    mine = client.messages.create(**same, extra_body=greedy)
    with OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as other:
        theirs = other.chat.completions.create(**same, extra_body=greedy)

    assert mine.content[0].to_dict()["text"] == theirs.choices[0].message.content


def test_conformance_051_a_prompt_over_the_context_is_told_with_both_sizes(
    served: GatewayProcess,
) -> None:
    body = {
        "model": MODEL,
        "max_tokens": 8,
        "messages": [{"role": "user", "content": "hello " * 3000}],
    }

    got = ask(served.port, body, "/v1/messages")

    assert got.status == 400
    assert got.error["message"] == "prompt is too long: 3031 tokens > 1024 maximum"
