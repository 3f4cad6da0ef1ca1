"""Ollama's API, as the tests that hold for every API need to know it: see ``spoken.py``."""

import json
from dataclasses import dataclass
from typing import Any

from gateway_process import Answer
from scripted_upstream import scripted


@dataclass(frozen=True, slots=True)
class OllamaLines:
    """What chat and generate have in common.

    Attributes:
        path: Decides where the prompt and the text stand.
    """

    model: str
    path: str = "/api/chat"
    stream_type: str = "application/x-ndjson"

    def ask(self, script: str, *, stream: bool) -> dict[str, Any]:
        prompt = scripted(script)
        if self.path == "/api/generate":
            return {"model": self.model, "prompt": prompt, "stream": stream}
        messages = [{"role": "user", "content": prompt}]
        return {"model": self.model, "messages": messages, "stream": stream}

    def text(self, got: Answer) -> str:
        return "".join(self._said(line) for line in self.lines(got) if "error" not in line)

    def is_complete(self, got: Answer) -> bool:
        return any(line.get("done") for line in self.lines(got))

    def failure(self, got: Answer) -> str:
        lines = self.lines(got)
        assert not any("error" in line for line in lines[:-1])
        return self._message(lines[-1]) if lines and "error" in lines[-1] else ""

    def problem(self, got: Answer) -> str:
        assert got.headers["content-type"] == "application/json"
        assert list(got.json) == ["error"]
        return self._message(got.json)

    def beats(self, body: bytes) -> int:
        found = [json.loads(line) for line in body.split(b"\n") if line.startswith(b"{")]
        return sum(1 for line in found if not line["done"] and not self._said(line))

    def lines(self, got: Answer) -> list[dict[str, Any]]:
        """Return every line; each must be ASCII and stand alone."""
        text = got.body.decode("ascii")
        if got.headers["content-type"].startswith(self.stream_type):
            assert text.endswith("\n")
            text = text[:-1]
        return [json.loads(line) for line in text.split("\n")] if text else []

    def _said(self, line: dict[str, Any]) -> str:
        text: str = line["response"] if "response" in line else line["message"]["content"]
        return text

    def _message(self, line: dict[str, Any]) -> str:
        message: str = line["error"]
        assert isinstance(message, str)
        return message
