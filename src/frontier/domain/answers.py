"""What a model has said, read out of the answers of each API, streamed or whole."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

QUESTION: Final = "Say hello in one short sentence."
TOKENS: Final = 24
"""Enough to see a stream flow, little enough for a slow machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One way to ask for a completion.

    Attributes:
        id: ``openai-chat`` and the like.
        title: For people.
        path: On the gateway.
        body: Returns the request for a model, streamed or not.
        whole: Returns the text of a whole answer.
        piece: Returns the text of one event of a stream.
        is_end: Tells whether an event is the one that ends a stream in order.
    """

    id: str
    title: str
    path: str
    body: Callable[[str, bool], dict[str, Any]]
    whole: Callable[[Any], str]
    piece: Callable[[Any], str]
    is_end: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Said:
    """What a model has said.

    Attributes:
        text: Thoughts included: a model may think longer than we let it speak.
        pieces: Events with text; 1 for a whole answer.
    """

    text: str
    pieces: int


def read_whole(api: Api, body: str) -> Said:
    """Return what the whole answer *body* says.

    Raises:
        ValueError: it is not what *api* answers with, or says nothing.
    """
    try:
        text = api.whole(json.loads(body))
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"this is not its shape: {body[:200]}") from error
    if not text:
        raise ValueError("the answer is empty")
    return Said(text, 1)


def read_stream(api: Api, body: str) -> Said:
    """Return what the stream *body* said.

    Raises:
        ValueError: it holds an error, broke off, or says nothing.
    """
    pieces: list[str] = []
    has_ended = False
    for event in _events(body):
        try:
            if error := _error(event):
                raise ValueError(f"the stream ends with an error: {error}")
            has_ended = has_ended or api.is_end(event)
            if text := api.piece(event):
                pieces.append(text)
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"an event is not its shape: {str(event)[:200]}") from error
    if not has_ended:
        raise ValueError("the stream broke off")
    if not pieces:
        raise ValueError("the stream is empty")
    return Said("".join(pieces), len(pieces))


def _events(body: str) -> Iterator[Any]:
    """Yield the events of an SSE or NDJSON stream; OpenAI's last word stays text."""
    for line in body.splitlines():
        data = line.removeprefix("data:").strip()
        if not data or line.startswith((":", "event:", "id:", "retry:")):
            continue
        yield data if data == "[DONE]" else json.loads(data)


def _error(event: Any) -> str:
    error = None if event == "[DONE]" else event.get("error")
    return str(error) if error else ""


def _message() -> list[dict[str, str]]:
    return [{"role": "user", "content": QUESTION}]


def _text_of(part: Mapping[str, Any]) -> str:
    names = ("content", "reasoning_content", "reasoning", "thinking", "response", "text")
    return "".join(str(part.get(name) or "") for name in names)


def _inside(whole: Any, name: str) -> list[Any]:
    """Return the list that *whole* has under *name*, empty where it has none."""
    found = whole.get(name)
    return [*found] if isinstance(found, list) else []


def _choice(answer: Any, name: str) -> str:
    choices = answer["choices"]
    return _text_of(choices[0][name]) if choices else ""


def _completion(answer: Any) -> str:
    choices = answer["choices"]
    return str(choices[0]["text"]) if choices else ""


def _done(event: Any) -> bool:
    return bool(event == "[DONE]")


def _unless_done(read: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda event: "" if event == "[DONE]" else read(event)


def _response(answer: Any) -> str:
    parts = [part for item in _inside(answer, "output") for part in _inside(item, "content")]
    return "".join(map(_text_of, parts))


def _blocks(answer: Any) -> str:
    return "".join(map(_text_of, _inside(answer, "content")))


def _response_delta(event: Any) -> str:
    return str(event["delta"]) if str(event["type"]).endswith("text.delta") else ""


def _block_delta(event: Any) -> str:
    return _text_of(event["delta"]) if event["type"] == "content_block_delta" else ""


def _is_done(event: Any) -> bool:
    return event.get("done") is True


APIS: Final = (
    Api(
        id="openai-chat",
        title="OpenAI chat completions",
        path="/v1/chat/completions",
        body=lambda m, s: {
            "model": m,
            "messages": _message(),
            "max_tokens": TOKENS,
            "stream": s,
        },
        whole=lambda a: _choice(a, "message"),
        piece=_unless_done(lambda e: _choice(e, "delta")),
        is_end=_done,
    ),
    Api(
        id="openai-completions",
        title="OpenAI completions",
        path="/v1/completions",
        body=lambda m, s: {"model": m, "prompt": "Hello,", "max_tokens": TOKENS, "stream": s},
        whole=_completion,
        piece=_unless_done(_completion),
        is_end=_done,
    ),
    Api(
        id="openai-responses",
        title="OpenAI responses",
        path="/v1/responses",
        body=lambda m, s: {
            "model": m,
            "input": QUESTION,
            "max_output_tokens": TOKENS,
            "stream": s,
        },
        whole=_response,
        piece=_response_delta,
        is_end=lambda e: e["type"] in ("response.completed", "response.incomplete"),
    ),
    Api(
        id="ollama-chat",
        title="Ollama chat",
        path="/api/chat",
        body=lambda m, s: {
            "model": m,
            "messages": _message(),
            "options": {"num_predict": TOKENS},
            "stream": s,
        },
        whole=lambda a: _text_of(a["message"]),
        piece=lambda e: _text_of(e["message"]) if "message" in e else "",
        is_end=_is_done,
    ),
    Api(
        id="ollama-generate",
        title="Ollama generate",
        path="/api/generate",
        body=lambda m, s: {
            "model": m,
            "prompt": QUESTION,
            "options": {"num_predict": TOKENS},
            "stream": s,
        },
        whole=lambda a: _text_of({k: a.get(k) for k in ("response", "thinking")}),
        piece=lambda e: _text_of({k: e.get(k) for k in ("response", "thinking")}),
        is_end=_is_done,
    ),
    Api(
        id="anthropic-messages",
        title="Anthropic messages",
        path="/v1/messages",
        body=lambda m, s: {
            "model": m,
            "messages": _message(),
            "max_tokens": TOKENS,
            "stream": s,
        },
        whole=_blocks,
        piece=_block_delta,
        is_end=lambda e: e["type"] == "message_stop",
    ),
)
"""Source: `docs/reference/conformance.md`; each is asked as its own clients ask it."""
