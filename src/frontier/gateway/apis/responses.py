"""OpenAI's Responses API in front of any engine: translated to chat completions, kept nowhere."""

from dataclasses import dataclass

import msgspec

from frontier.gateway.apis import ollama_engine
from frontier.gateway.apis.api import Outgoing
from frontier.gateway.apis.dialects import Dialect, dialect
from frontier.gateway.apis.json_body import bad
from frontier.gateway.apis.responses_input import to_messages
from frontier.gateway.apis.responses_object import ResponseObject, to_ascii
from frontier.gateway.apis.responses_request import Wanted, read, response_format
from frontier.gateway.apis.responses_stream import ResponsesAnswer
from frontier.gateway.apis.responses_tools import Tools, read_tools
from frontier.gateway.apis.responses_turns import Message, with_thoughts
from frontier.gateway.errors import Problem
from frontier.gateway.routes import Route

_PATH = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Attributes:
        size: Bytes of the request's body, of which this is made.
        fields: Of the chat request, as all engines take them.
        effort: How much the model is to think, which they do not take alike.
        response: Is begun once, even if another engine ends it.
    """

    model: str
    stream: bool
    size: int
    messages: list[Message]
    fields: dict[str, object]
    effort: str | None
    tools: Tools
    response: ResponseObject

    def outgoing(self, route: Route) -> Outgoing:
        """Return the chat request for the engine of *route*.

        Raises:
            BadRequestError: that engine cannot do what is asked.
        """
        engine = dialect(route.target.backend)
        body = {
            "model": route.upstream_model,
            "messages": with_thoughts(self.messages, engine.reasoning),
            **self.fields,
            **_effort(self.effort, engine),
        }
        if self.stream:
            body["stream"] = True
            if engine.asks_usage:
                body["stream_options"] = {"include_usage": True}
        answer = ResponsesAnswer(
            self.response,
            self.tools,
            one_call=self.fields.get("parallel_tool_calls") is False,
            with_logprobs="logprobs" in self.fields,
        )
        encoded = msgspec.json.encode(body)
        if route.target.backend == "ollama":
            return ollama_engine.outgoing(_PATH, encoded, route, answer)
        return Outgoing(_PATH, encoded, answer)


class Responses:
    """OpenAI's Responses API."""

    def read(self, path: str, body: bytes) -> Asked:
        """Return what the request asks.

        Raises:
            BadRequestError: see `Api.read`; or it needs stored responses, or a kind of content
                that is not served.
        """
        try:
            wanted = read(body)
            tools = read_tools(wanted.tools or ())
            messages = to_messages(wanted.input or "", wanted.instructions)
            fields = _fields(wanted, tools)
        except RecursionError as error:
            raise bad("The request body is nested too deeply.", None) from error
        if not messages:
            raise bad("The field `input` has nothing that an engine could answer.", "input")
        return Asked(
            wanted.model,
            stream=bool(wanted.stream),
            size=len(body),
            messages=messages,
            fields=fields,
            effort=wanted.reasoning.effort if wanted.reasoning else None,
            tools=tools,
            response=ResponseObject(wanted.model, _echo(wanted)),
        )

    def problem(self, problem: Problem, request_id: str) -> bytes:
        """Return *problem* as a JSON document, ASCII only."""
        return problem.body


def _fields(wanted: Wanted, tools: Tools) -> dict[str, object]:
    fields: dict[str, object] = {
        "max_tokens": wanted.max_output_tokens,
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        "response_format": response_format(wanted.text),
    }
    if wanted.wants_logprobs:
        fields |= {"logprobs": True, "top_logprobs": wanted.top_logprobs}
    if (chosen := tools.chosen(wanted.tool_choice)) is not None:
        fields |= {"tools": chosen.definitions, "tool_choice": chosen.choice}
        fields["parallel_tool_calls"] = wanted.parallel_tool_calls
    return {name: value for name, value in fields.items() if value is not None}


def _effort(effort: str | None, engine: Dialect) -> dict[str, object]:
    if effort is None:
        return {}
    if effort == "none":
        return engine.thinking(is_on=False) or {"reasoning_effort": effort}
    return {"reasoning_effort": effort} if engine.takes_effort else {}


def _echo(wanted: Wanted) -> bytes:
    parallel, reasoning = wanted.parallel_tool_calls, wanted.reasoning
    fields = {
        "instructions": wanted.instructions,
        "max_output_tokens": wanted.max_output_tokens,
        "metadata": wanted.metadata or {},
        "parallel_tool_calls": True if parallel is None else parallel,
        "previous_response_id": None,
        "reasoning": {
            "effort": reasoning.effort if reasoning else None,
            "summary": reasoning.summary if reasoning else None,
        },
        "background": False,
        "store": False,
        "temperature": wanted.temperature,
        "text": _given(wanted.text, {"format": {"type": "text"}}),
        "tool_choice": _given(wanted.tool_choice, "auto"),
        "tools": wanted.tools or [],
        "top_logprobs": wanted.top_logprobs or 0,
        "top_p": wanted.top_p,
        "truncation": "disabled",
    }
    return to_ascii(msgspec.json.encode(fields))[1:-1]


def _given(raw: msgspec.Raw, otherwise: object) -> object:
    return otherwise if bytes(raw) == b"null" else raw
