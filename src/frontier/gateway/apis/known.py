"""Every path that leads to an engine, and the API that it belongs to."""

from typing import Final

from frontier.gateway.apis.anthropic import COUNT_PATH, Anthropic
from frontier.gateway.apis.anthropic_request import Prompt, Wanted
from frontier.gateway.apis.api import Api, Operation
from frontier.gateway.apis.openai import OpenAI
from frontier.gateway.apis.openai_request import (
    WantedChat,
    WantedEmbeddings,
    WantedRanking,
    WantedText,
)
from frontier.gateway.apis.responses import Responses
from frontier.gateway.apis.responses_request import Wanted as ResponsesWanted

_OPENAI: Final = OpenAI()
_ANTHROPIC: Final = Anthropic()

OPERATIONS: Final = {
    "/v1/chat/completions": Operation(_OPENAI, "chat", WantedChat),
    "/v1/completions": Operation(_OPENAI, "text_completion", WantedText),
    "/v1/embeddings": Operation(_OPENAI, "embeddings", WantedEmbeddings, streams=False),
    "/v1/rerank": Operation(_OPENAI, "rerank", WantedRanking, streams=False),
    "/v1/messages": Operation(_ANTHROPIC, "chat", Wanted),
    COUNT_PATH: Operation(_ANTHROPIC, "count_tokens", Prompt, streams=False, waits=False),
    "/v1/responses": Operation(Responses(), "chat", ResponsesWanted),
}
# Of paths that lead to no engine: whose clients ask them.
_BELOW: Final = {"/v1/messages/": _ANTHROPIC}


def api_of(path: str) -> Api:
    """Return the API whose words an error on *path* is told in."""
    operation = OPERATIONS.get(path)
    if operation is not None:
        return operation.api
    return next((api for start, api in _BELOW.items() if path.startswith(start)), _OPENAI)
