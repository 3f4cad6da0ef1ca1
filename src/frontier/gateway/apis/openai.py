"""OpenAI's API: the engines' own, so requests and answers pass as they come where they can."""

from frontier.gateway.apis import ollama_engine
from frontier.gateway.apis.api import Outgoing
from frontier.gateway.apis.engine import Fields, changed, with_model
from frontier.gateway.apis.openai_answer import CompletionAnswer, DocumentAnswer
from frontier.gateway.apis.openai_request import Wanted, WantedGeneration, read
from frontier.gateway.errors import Problem
from frontier.gateway.routes import Route

__all__ = ["Fields", "OpenAI", "Passed", "with_model"]

# It has every field under OpenAI's name, and never sends what a client must not see.
_FAITHFUL = "llamacpp"


class Passed:
    """A request that engines take as it came, or nearly so.

    Attributes:
        path: Of the API.
        wanted: What it asks for.
        body: Without a byte order mark.
        model: As the client named it.
        stream: The client wants the answer in pieces.
        size: Bytes that it keeps in memory.
    """

    __slots__ = ("body", "model", "path", "size", "stream", "wanted")

    def __init__(self, path: str, wanted: Wanted, body: bytes) -> None:
        self.path, self.wanted, self.body = path, wanted, body
        self.model, self.size = wanted.model, len(body)
        self.stream = isinstance(wanted, WantedGeneration) and bool(wanted.stream)

    def outgoing(self, route: Route) -> Outgoing:
        """Return it as the engine takes it.

        Raises:
            BadRequestError: that engine cannot do what is asked.
        """
        answer = self._answer(route)
        if route.target.backend == "ollama":
            return ollama_engine.outgoing(self.path, self.body, route, answer)
        body = changed(self.body, self.wanted, route)
        is_raw = route.target.backend == _FAITHFUL or isinstance(answer, DocumentAnswer)
        return Outgoing(self.path, body, answer, is_raw)

    def _answer(self, route: Route) -> CompletionAnswer | DocumentAnswer:
        wanted = self.wanted
        if isinstance(wanted, WantedGeneration):
            return CompletionAnswer(wanted, route.echo)
        return DocumentAnswer(route.echo)


class OpenAI:
    """OpenAI's API."""

    def read(self, path: str, body: bytes) -> Passed:
        """Return what the request asks.

        Raises:
            BadRequestError: no JSON object, or a field is missing or of the wrong type.
        """
        wanted, body = read(path, body)
        return Passed(path, wanted, body)

    def problem(self, problem: Problem, request_id: str) -> bytes:
        """Return *problem* as a JSON document, ASCII only."""
        return problem.body
