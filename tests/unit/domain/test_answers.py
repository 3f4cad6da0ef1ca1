"""What a model has said, out of answers as the APIs give them."""

import json

import pytest

from frontier.domain.answers import APIS, Api, read_stream, read_whole

BY_ID = {api.id: api for api in APIS}
WHOLE = {
    "openai-chat": {"choices": [{"message": {"content": "Hello"}}]},
    "openai-completions": {"choices": [{"text": "Hello"}]},
    "openai-responses": {
        "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]},
        ]
    },
    "ollama-chat": {"message": {"role": "assistant", "content": "Hello"}, "done": True},
    "ollama-generate": {"response": "Hello", "context": [1, 2], "done": True},
    "anthropic-messages": {"content": [{"type": "text", "text": "Hello"}]},
}
STREAM = {
    "openai-chat": [
        {"choices": [{"delta": {"role": "assistant", "content": None}}]},
        {"choices": [{"delta": {"content": "Hel"}}]},
        {"choices": [{"delta": {"content": "lo"}}]},
        {"choices": [], "usage": {}},
        "[DONE]",
    ],
    "openai-completions": [
        {"choices": [{"text": "Hel"}]},
        {"choices": [{"text": "lo"}]},
        "[DONE]",
    ],
    "openai-responses": [
        {"type": "response.created"},
        {"type": "response.output_text.delta", "delta": "Hel"},
        {"type": "response.output_text.delta", "delta": "lo"},
        {"type": "response.completed"},
    ],
    "ollama-chat": [
        {"message": {"content": "Hel"}, "done": False},
        {"message": {"content": "lo"}, "done": False},
        {"message": {"content": ""}, "done": True},
    ],
    "ollama-generate": [
        {"response": "Hel", "done": False},
        {"response": "lo", "done": False},
        {"response": "", "done": True},
    ],
    "anthropic-messages": [
        {"type": "message_start", "message": {}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "message_stop"},
    ],
}


def framed(api: Api, events: list[object]) -> str:
    words = [e if isinstance(e, str) else json.dumps(e) for e in events]
    if api.id.startswith("ollama"):
        return "\n".join(words)
    return ": ping\n\n" + "".join(f"event: x\ndata: {word}\n\n" for word in words)


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.id)
def test_a_whole_answer_is_read(api: Api) -> None:
    assert read_whole(api, json.dumps(WHOLE[api.id])).text == "Hello"


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.id)
def test_a_stream_is_read_piece_by_piece(api: Api) -> None:
    said = read_stream(api, framed(api, STREAM[api.id]))

    assert (said.text, said.pieces) == ("Hello", 2)


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.id)
def test_a_stream_that_broke_off_is_no_answer(api: Api) -> None:
    with pytest.raises(ValueError, match="broke off"):
        read_stream(api, framed(api, STREAM[api.id][:-1]))


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.id)
def test_an_error_in_a_stream_is_told(api: Api) -> None:
    with pytest.raises(ValueError, match="engine died"):
        read_stream(api, framed(api, [*STREAM[api.id][:2], {"error": {"message": "engine died"}}]))


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.id)
@pytest.mark.parametrize("body", ["{}", "[]", "no json", '{"choices": [{"message": {}}]}', ""])
def test_what_is_no_answer_is_refused(api: Api, body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_whole(api, body)
    with pytest.raises(ValueError, match=r"."):
        read_stream(api, body)


def test_a_model_that_only_thought_so_far_has_said_something() -> None:
    thought = {"choices": [{"message": {"content": None, "reasoning_content": "Hm"}}]}

    assert read_whole(BY_ID["openai-chat"], json.dumps(thought)).text == "Hm"
