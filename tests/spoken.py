"""The APIs that clients speak, as the tests that hold for all of them need to know them.

Add a row to `TRANSLATED` and every test of ``tests/e2e/test_gateway_failures.py`` and
``tests/unit/gateway/test_silence.py`` runs on it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from gateway_process import Answer
from scripted_upstream import scripted
from spoken_anthropic import AnthropicMessages
from spoken_responses import Responses


class Spoken(Protocol):
    """One API, and the model that is asked for by it."""

    @property
    def path(self) -> str: ...

    @property
    def stream_type(self) -> str:
        """What the content type of a streamed answer begins with."""
        ...

    def ask(self, script: str, *, stream: bool) -> dict[str, Any]:
        """Return a request that the scripted engine answers by *script*."""
        ...

    def text(self, got: Answer) -> str:
        """Return the text of an answer, streamed or whole, complete or not."""
        ...

    def is_complete(self, got: Answer) -> bool:
        """Tell whether a streamed answer carries its success marker."""
        ...

    def failure(self, got: Answer) -> str:
        """Return the message of the error that a stream ends with, "" if there is none."""
        ...

    def problem(self, got: Answer) -> str:
        """Return the message of an error document, whose shape is checked."""
        ...

    def beats(self, body: bytes) -> int:
        """Count the heartbeats in what a stream has brought so far."""
        ...


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """OpenAI's chat completions."""

    model: str
    path: str = "/v1/chat/completions"
    stream_type: str = "text/event-stream"

    def ask(self, script: str, *, stream: bool) -> dict[str, Any]:
        messages = [{"role": "user", "content": scripted(script)}]
        return {"model": self.model, "messages": messages, "stream": stream}

    def text(self, got: Answer) -> str:
        if not got.headers["content-type"].startswith(self.stream_type):
            text: str = got.json["choices"][0]["message"]["content"]
            return text
        deltas = [c["choices"][0]["delta"] for c in self._chunks(got) if c.get("choices")]
        return "".join(delta.get("content") or "" for delta in deltas)

    def is_complete(self, got: Answer) -> bool:
        return b"[DONE]" in got.body

    def failure(self, got: Answer) -> str:
        errors = [c["error"] for c in self._chunks(got) if "error" in c]
        return self._message(errors[-1]) if errors else ""

    def problem(self, got: Answer) -> str:
        assert got.headers["content-type"] == "application/json"
        return self._message(got.json["error"])

    def beats(self, body: bytes) -> int:
        return body.count(b":\n\n")

    def _message(self, error: Mapping[str, Any]) -> str:
        assert isinstance(error["message"], str)
        assert isinstance(error["type"], str)
        message: str = error["message"]
        return message

    def _chunks(self, got: Answer) -> list[dict[str, Any]]:
        lines = got.body.decode().replace("\r\n", "\n").split("\n")
        texts = [x.removeprefix("data:").strip(" ") for x in lines if x.startswith("data:")]
        return [json.loads(text) for text in texts if text != "[DONE]"]


# Rows whose answers are written by an `Answer`, whatever the engine sends.
TRANSLATED = [
    pytest.param(OpenAIChat("m-alias"), id="openai-renamed"),
    pytest.param(OpenAIChat("v"), id="openai-vllm"),
    pytest.param(Responses("m-alias"), id="responses"),
    pytest.param(AnthropicMessages("v"), id="anthropic"),
]
# And those that pass as llama.cpp wrote them, so that only its own oddities can come.
SPOKEN = [pytest.param(OpenAIChat("m"), id="openai-raw"), *TRANSLATED]
