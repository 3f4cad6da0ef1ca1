"""Every path that leads to an engine, and the API that it belongs to."""

from typing import Final

from frontier.gateway.apis import ollama
from frontier.gateway.apis.api import Api, Operation
from frontier.gateway.apis.openai import OpenAI

_OPENAI: Final = OpenAI()
OLLAMA: Final = ollama.Ollama()

OPERATIONS: Final = {
    "/v1/chat/completions": Operation(_OPENAI, "chat"),
    "/v1/completions": Operation(_OPENAI, "text_completion"),
    "/v1/embeddings": Operation(_OPENAI, "embeddings", streams=False),
    "/v1/rerank": Operation(_OPENAI, "rerank", streams=False),
    "/api/chat": Operation(OLLAMA, "chat", missing=ollama.not_found),
    "/api/generate": Operation(OLLAMA, "text_completion", missing=ollama.not_found),
    "/api/embed": Operation(OLLAMA, "embeddings", streams=False, missing=ollama.not_pulled),
    "/api/embeddings": Operation(OLLAMA, "embeddings", streams=False, missing=ollama.not_pulled),
}


def api_of(path: str) -> Api:
    """Return the API whose words an error on *path* is told in."""
    if path.startswith("/api/"):
        return OLLAMA
    operation = OPERATIONS.get(path)
    return operation.api if operation else _OPENAI
