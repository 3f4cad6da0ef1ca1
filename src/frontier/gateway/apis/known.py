"""Every path that leads to an engine, and the API that it belongs to."""

from typing import Final

from frontier.gateway.apis import ollama
from frontier.gateway.apis.anthropic import COUNT_PATH, Anthropic
from frontier.gateway.apis.anthropic_request import Prompt, Wanted
from frontier.gateway.apis.api import Api, Operation
from frontier.gateway.apis.ollama_body import Chat, Embed, Embeddings, Generate
from frontier.gateway.apis.openai import OpenAI
from frontier.gateway.apis.openai_request import (
    WantedChat,
    WantedEmbeddings,
    WantedRanking,
    WantedText,
)
from frontier.gateway.apis.responses import Responses
from frontier.gateway.apis.responses_request import Wanted as WantedResponse

_OPENAI: Final = OpenAI()
_ANTHROPIC: Final = Anthropic()
OLLAMA: Final = ollama.Ollama()

OPERATIONS: Final = {
    "/v1/chat/completions": Operation(_OPENAI, "chat", WantedChat),
    "/v1/completions": Operation(_OPENAI, "text_completion", WantedText),
    "/v1/embeddings": Operation(_OPENAI, "embeddings", WantedEmbeddings, streams=False),
    "/v1/rerank": Operation(_OPENAI, "rerank", WantedRanking, streams=False),
    "/v1/responses": Operation(Responses(), "chat", WantedResponse),
    "/v1/messages": Operation(_ANTHROPIC, "chat", Wanted),
    COUNT_PATH: Operation(_ANTHROPIC, "count_tokens", Prompt, streams=False, waits=False),
    "/api/chat": Operation(OLLAMA, "chat", Chat, missing=ollama.not_found),
    "/api/generate": Operation(OLLAMA, "text_completion", Generate, missing=ollama.not_found),
    "/api/embed": Operation(OLLAMA, "embeddings", Embed, streams=False, missing=ollama.not_pulled),
    "/api/embeddings": Operation(
        OLLAMA, "embeddings", Embeddings, streams=False, missing=ollama.not_pulled
    ),
}
# Of paths that lead to no engine: whose clients ask them.
_BELOW: Final = {"/v1/messages/": _ANTHROPIC}


def api_of(path: str) -> Api:
    """Return the API whose words an error on *path* is told in."""
    if path.startswith("/api/"):
        return OLLAMA
    operation = OPERATIONS.get(path)
    if operation is not None:
        return operation.api
    return next((api for start, api in _BELOW.items() if path.startswith(start)), _OPENAI)
