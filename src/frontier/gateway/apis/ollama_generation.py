"""`/api/chat` and `/api/generate`: requests, as engines take them."""

import time
from dataclasses import dataclass, field
from typing import Final

import msgspec

from frontier.gateway.apis import chat, ollama_infill, ollama_messages
from frontier.gateway.apis.api import Outgoing, Reply
from frontier.gateway.apis.ollama_answer import Clock, Decode, LinesAnswer
from frontier.gateway.apis.ollama_body import Chat, Generate, Generating, Json, bad
from frontier.gateway.apis.ollama_leases import Leases
from frontier.gateway.apis.ollama_lines import Line, chat_voice, generate_voice
from frontier.gateway.apis.ollama_options import constraint, sampling, thinking
from frontier.gateway.apis.ollama_passed import passed
from frontier.gateway.details import lacks
from frontier.gateway.routes import Route

_CHAT: Final = "/v1/chat/completions"
_TEXT: Final = "/v1/completions"
_INFILL: Final = "/infill"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """What both have in common.

    Attributes:
        options: Checked.
        keep_s: How long the model is to stay, None if not said.
        read_ns: When it came.
    """

    path: str
    body: bytes
    model: str
    options: Json
    keep_s: float | None
    leases: Leases
    read_ns: int = field(default_factory=time.time_ns)

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory: as it came, and decoded."""
        return 2 * len(self.body)

    def loaded(self, line: Line) -> Reply:
        """Return the answer to a request that only loads a model, or unloads it."""
        reason = "unload" if self.keep_s == 0 else "load"
        return Reply(line.last("", "", reason, {}).rstrip())

    def nothing(self, line: Line) -> Reply:
        """Return the answer to a request for no token at all."""
        metrics: Json = {"total_duration": time.time_ns() - self.read_ns, "eval_count": 0}
        return Reply(line.last("", "", "length", metrics).rstrip())

    def require(self, wanted: Generating, route: Route, *, has_images: bool) -> None:
        """Refuse what the model is known not to do.

        Raises:
            BadRequestError: with the ability that it lacks.
        """
        if wanted.think and lacks(route.target, "thinking"):
            raise bad(f'"{self.model}" does not support thinking')
        if has_images and lacks(route.target, "vision"):
            raise bad(f'"{self.model}" does not support images')

    def fields(self, wanted: Generating, route: Route) -> Json:
        """Return what all requests to an engine have in common."""
        backend = route.target.backend
        fields: Json = {"model": route.upstream_model, **sampling(self.options, backend)}
        if _streams(wanted):
            fields["stream"] = True
            if backend != "mistral":  # it knows no such field, and tells the usage anyway
                fields["stream_options"] = {"include_usage": True}
        return fields

    def as_chat(
        self, wanted: Generating, messages: list[Json], route: Route, line: Line, **more: object
    ) -> Outgoing:
        """Return a chat for the engine."""
        backend = route.target.backend
        fields = self.fields(wanted, route) | {"messages": messages, **more}
        fields |= thinking(wanted.think, backend)
        fields |= constraint(wanted.format, backend, is_chat=True)
        if wanted.logprobs:
            fields |= {"logprobs": True, "top_logprobs": wanted.top_logprobs or 0}
        return self.answered(line, _CHAT, fields)

    def answered(
        self, line: Line, path: str, fields: Json, decode: Decode = chat.decode
    ) -> Outgoing:
        """Return the request for the engine, and who says its answer."""
        is_stream = bool(fields.get("stream"))
        answer = LinesAnswer(line, Clock(self.read_ns), stream=is_stream, decode=decode)
        return Outgoing(path, msgspec.json.encode(fields), answer)


def _streams(wanted: Generating) -> bool:
    """Tell whether pieces are wanted; they are where nothing is said."""
    return wanted.stream is not False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAsk(_Ask):
    """A chat."""

    wanted: Chat

    @property
    def stream(self) -> bool:
        """Tell whether the client wants the answer in pieces."""
        return _streams(self.wanted)

    def outgoing(self, route: Route) -> Outgoing | Reply:
        """Return the chat for the engine of *route*.

        Raises:
            BadRequestError: the model lacks an ability, or an image cannot be read.
        """
        wanted, target, line = self.wanted, route.target, Line(self.model, chat_voice)
        self.leases.renew(target.name, self.keep_s)
        if target.backend == "ollama":
            return passed(self.path, self.body, route, line)
        if not wanted.messages:
            return self.loaded(line)
        if wanted.tools and lacks(target, "tools"):
            raise bad(f"{self.model} does not support tools")
        self.require(wanted, route, has_images=any(m.images for m in wanted.messages))
        if self.options.get("num_predict") == 0:
            return self.nothing(line)
        messages = ollama_messages.translated(wanted.messages, target.backend)
        tools = [{"type": "function", **tool} for tool in wanted.tools or ()]
        return self.as_chat(wanted, messages, route, line, **({"tools": tools} if tools else {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateAsk(_Ask):
    """A text: a prompt for a chat of one turn, a raw one, or a gap to be filled."""

    wanted: Generate

    @property
    def stream(self) -> bool:
        """Tell whether the client wants the answer in pieces."""
        return _streams(self.wanted)

    def outgoing(self, route: Route) -> Outgoing | Reply:
        """Return the text's request for the engine of *route*.

        Raises:
            BadRequestError: the model lacks an ability, or an image cannot be read.
        """
        wanted, target, line = self.wanted, route.target, Line(self.model, generate_voice)
        self.leases.renew(target.name, self.keep_s)
        if target.backend == "ollama":
            return passed(self.path, self.body, route, line)
        if not wanted.prompt and not wanted.suffix:
            return self.loaded(line)
        if wanted.template:
            raise bad("template is not supported: the engine uses the model's own")
        self.require(wanted, route, has_images=bool(wanted.images))
        if self.options.get("num_predict") == 0:
            return self.nothing(line)
        if wanted.suffix:
            return self._infill(route, line)
        return self._text(route, line) if wanted.raw else self._turn(route, line)

    def _turn(self, route: Route, line: Line) -> Outgoing:
        wanted, backend = self.wanted, route.target.backend
        content = ollama_messages.content(wanted.prompt or "", wanted.images or (), backend)
        messages: list[Json] = [{"role": "user", "content": content}]
        if wanted.system:
            messages.insert(0, {"role": "system", "content": wanted.system})
        return self.as_chat(wanted, messages, route, line)

    def _text(self, route: Route, line: Line) -> Outgoing:
        wanted = self.wanted
        fields = self.fields(wanted, route) | {"prompt": wanted.prompt or ""}
        fields |= constraint(wanted.format, route.target.backend, is_chat=False)
        if wanted.logprobs:
            fields["logprobs"] = wanted.top_logprobs or 1
        return self.answered(line, _TEXT, fields)

    def _infill(self, route: Route, line: Line) -> Outgoing:
        """Return the request to fill a gap: llama.cpp has a way of its own."""
        wanted, fields = self.wanted, self.fields(self.wanted, route)
        if lacks(route.target, "insert"):
            raise bad(f'"{self.model}" does not support insert')
        if route.target.backend == "llamacpp":
            fields |= {"input_prefix": wanted.prompt or "", "input_suffix": wanted.suffix}
            fields["n_predict"] = fields.pop("max_tokens", -1)
            return self.answered(line, _INFILL, fields, ollama_infill.decode)
        fields |= {"prompt": wanted.prompt or "", "suffix": wanted.suffix}
        return self.answered(line, _TEXT, fields)
