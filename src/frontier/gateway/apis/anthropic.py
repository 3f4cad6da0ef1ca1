"""Anthropic's Messages API, in front of any engine that speaks OpenAI's chat."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from frontier.gateway.apis import anthropic_errors, ollama_engine
from frontier.gateway.apis.anthropic_answer import MessageAnswer
from frontier.gateway.apis.anthropic_content import chat_messages
from frontier.gateway.apis.anthropic_count import counting, document, estimate
from frontier.gateway.apis.anthropic_request import (
    Prompt,
    Tool,
    ToolChoice,
    Wanted,
    read_prompt,
    read_wanted,
    usable,
)
from frontier.gateway.apis.api import Outgoing, Reply
from frontier.gateway.apis.dialects import Dialect, dialect
from frontier.gateway.apis.engine import with_model
from frontier.gateway.apis.json_body import bad, without_bom
from frontier.gateway.errors import Problem
from frontier.gateway.routes import Route

COUNT_PATH: Final = "/v1/messages/count_tokens"
_CHAT_PATH: Final = "/v1/chat/completions"
_CHOICES: Final = {"auto": "auto", "none": "none", "any": "required", "tool": "required"}
# Not every engine knows the vendor's words for more than much.
_EFFORTS: Final = {"xhigh": "high", "max": "high"}
_SAMPLING: Final = ("temperature", "top_p", "top_k")


class Anthropic:
    """Anthropic's Messages API."""

    def read(self, path: str, body: bytes) -> "MessageAsk | CountAsk":
        """Return what the request asks.

        Raises:
            BadRequestError: no JSON object, or a field is missing or of the wrong type.
        """
        if path == COUNT_PATH:
            return CountAsk(_talk(read_prompt(body)), body)
        wanted = read_wanted(body)
        return MessageAsk(wanted, _talk(wanted), len(body))

    def problem(self, problem: Problem, request_id: str) -> bytes:
        """Return *problem* as a JSON document, ASCII only."""
        return anthropic_errors.document(problem, request_id)


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation and its tools as engines take them.

    Attributes:
        messages: Earlier reasoning stands under ``reasoning_content``.
        prefill: How the answer begins: the client has written that already.
    """

    prompt: Prompt
    messages: list[dict[str, Any]]
    prefill: str

    @property
    def estimate(self) -> int:
        """About how many tokens it has."""
        return estimate(self.messages, sum(len(bytes(t.input_schema)) for t in self._tools))

    @property
    def is_single(self) -> bool:
        """Tell whether at most one tool may be called."""
        choice = self.prompt.tool_choice
        return bool(choice and choice.disable_parallel_tool_use)

    @property
    def _tools(self) -> list[Tool]:
        """The tools that may be called; the one that must be comes alone, as all engines know."""
        tools, choice = usable(self.prompt.tools), self.prompt.tool_choice
        if choice is not None and choice.type == "tool":
            return [tool for tool in tools if tool.name == choice.name]
        return tools

    def chat(self, backend: str, model: str) -> dict[str, Any]:
        """Return the fields of a chat request that make its prompt.

        Raises:
            BadRequestError: an engine of that kind cannot go on with a message that has begun.
        """
        speech = dialect(backend)
        fields: dict[str, Any] = {"model": model, "messages": self._messages(speech)}
        if tools := self._tools:
            fields["tools"] = [_function(tool) for tool in tools]
            if (choice := self.prompt.tool_choice) is not None:
                fields |= _choice(choice)
        if (thinking := self.prompt.thinking) is not None:
            is_on = thinking.type != "disabled"
            fields |= speech.thinking(is_on=is_on, budget_tokens=thinking.budget_tokens)
        config = self.prompt.output_config
        if config and config.effort and speech.takes_effort:
            fields["reasoning_effort"] = _EFFORTS.get(config.effort, config.effort)
        if self.prefill:
            if speech.prefill is None:
                reason = "its engine cannot go on with a message of the assistant that has begun"
                raise bad(f"The last of the `messages` must be the user's: {reason}.", "messages")
            fields |= speech.prefill
        return fields

    def _messages(self, speech: Dialect) -> list[dict[str, Any]]:
        return [_with_reasoning(message, speech.reasoning) for message in self.messages]


def _talk(prompt: Prompt) -> Talk:
    messages = chat_messages(prompt.system, prompt.messages)
    last = messages[-1]
    if last["role"] != "assistant":
        return Talk(prompt, messages, "")
    if "tool_calls" in last:
        raise bad("The last of the `messages` calls tools whose results are missing.", "messages")
    return Talk(prompt, messages, last["content"])


def _with_reasoning(message: dict[str, Any], field: str) -> dict[str, Any]:
    """Return *message* with its reasoning under the engine's own name for it."""
    if "reasoning_content" not in message or field == "reasoning_content":
        return message
    message = dict(message)
    thought = message.pop("reasoning_content")
    return message | {field: thought} if field else message


def _function(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.input_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> dict[str, Any]:
    fields: dict[str, Any] = {"tool_choice": _CHOICES[choice.type]}
    if choice.disable_parallel_tool_use is not None:
        fields["parallel_tool_calls"] = not choice.disable_parallel_tool_use
    return fields


@dataclass(frozen=True, slots=True)
class MessageAsk:
    """A request for an answer.

    Attributes:
        size: Bytes that it keeps in memory.
    """

    wanted: Wanted
    talk: Talk
    size: int

    @property
    def model(self) -> str:
        """As the client named it."""
        return self.wanted.model

    @property
    def stream(self) -> bool:
        """Tell whether the client wants the answer in pieces."""
        return bool(self.wanted.stream)

    def outgoing(self, route: Route) -> Outgoing:
        """Return it as a chat request.

        Raises:
            BadRequestError: the engine cannot do what is asked.
        """
        target, talk = route.target, self.talk
        speech = dialect(target.backend)
        fields = talk.chat(target.backend, route.upstream_model) | self._fields()
        if self.stream:
            fields["stream"] = True
            if speech.asks_usage:
                fields["stream_options"] = {"include_usage": True}
        answer = MessageAnswer(
            route.asked,
            estimate=talk.estimate if self.stream else 0,
            echoed=talk.prefill if speech.echoes_prefill else "",
            is_single=talk.is_single,
        )
        body = msgspec.json.encode(fields)
        if target.backend == "ollama":
            return ollama_engine.outgoing(_CHAT_PATH, body, route, answer)
        return Outgoing(_CHAT_PATH, body, answer)

    def _fields(self) -> dict[str, Any]:
        """Return what bounds the answer, whoever gives it."""
        wanted = self.wanted
        fields: dict[str, Any] = {"max_tokens": wanted.max_tokens}
        if wanted.stop_sequences:
            fields["stop"] = wanted.stop_sequences
        for name in _SAMPLING:
            if (value := getattr(wanted, name)) is not None:
                fields[name] = value
        if wanted.metadata is not None and wanted.metadata.user_id is not None:
            fields["user"] = wanted.metadata.user_id
        if (config := wanted.output_config) is not None and config.format is not None:
            schema = {"name": "answer", "schema": config.format.schema}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        return fields


@dataclass(frozen=True, slots=True)
class CountAsk:
    """A request to count a prompt's tokens."""

    talk: Talk
    body: bytes
    stream = False

    @property
    def model(self) -> str:
        """As the client named it."""
        return self.talk.prompt.model

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory."""
        return len(self.body)

    def outgoing(self, route: Route) -> Outgoing | Reply:
        """Return the engine's own question, or an estimate if it has none or does not run."""
        kind, name = route.target.backend, route.upstream_model
        question = None
        if route.backend.address is not None:
            chat = self.talk.chat(kind, name)
            question = counting(kind, chat, with_model(without_bom(self.body), name))
        return question or Reply(document(self.talk.estimate))
