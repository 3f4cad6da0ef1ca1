"""Every path that leads to an engine, and the API that it belongs to."""

from typing import Final

from frontier.gateway.apis.api import Api, Operation
from frontier.gateway.apis.openai import OpenAI
from frontier.gateway.apis.responses import Responses

_OPENAI: Final = OpenAI()

OPERATIONS: Final = {
    "/v1/chat/completions": Operation(_OPENAI, "chat"),
    "/v1/completions": Operation(_OPENAI, "text_completion"),
    "/v1/embeddings": Operation(_OPENAI, "embeddings", streams=False),
    "/v1/rerank": Operation(_OPENAI, "rerank", streams=False),
    "/v1/responses": Operation(Responses(), "chat"),
}


def api_of(path: str) -> Api:
    """Return the API whose words an error on *path* is told in."""
    operation = OPERATIONS.get(path)
    return operation.api if operation else _OPENAI
