"""What requests in OpenAI's API want, as far as the gateway has to know or to refuse it.

Everything else is the engine's to judge.
"""

import binascii
import re
from typing import Annotated, Any, Final, Literal

import msgspec

from frontier.gateway.apis.api import BadRequestError
from frontier.gateway.apis.json_body import bad, decoded, unsupported, without_bom

_PATH: Final = re.compile(r" - at `\$\.?(\w*).*`$")
_MISSING: Final = re.compile(r"missing required field `(\w+)`")
_DATA_URL: Final = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.=+-]+)*;base64,", re.ASCII)

# Engines take 1.0 for 1, and some clients have no other numbers.
_Natural = Annotated[float, msgspec.Meta(ge=1)]
_TopLogprobs = Annotated[float, msgspec.Meta(ge=0, le=20)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _ImageUrl(msgspec.Struct, frozen=True):
    url: str


class _Part(msgspec.Struct, frozen=True):
    type: str
    image_url: _ImageUrl | str | None = None

    def check(self) -> None:
        """Refuse images that no engine should see.

        An engine that fetches what a client names does so from inside the network.
        """
        if self.image_url is None:
            return
        url = self.image_url if isinstance(self.image_url, str) else self.image_url.url
        head = _DATA_URL.match(url)
        if head is None:
            raise bad("Images are taken as data URLs only: `data:image/png;base64,...`", "messages")
        try:
            binascii.a2b_base64(url[head.end() :], strict_mode=True)
        except ValueError as error:
            raise bad(f"The image is not valid base64: {error}.", "messages") from error


class _Message(msgspec.Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None

    def check(self) -> None:
        """Refuse images as `_Part` does."""
        if isinstance(self.content, list):
            for part in self.content:
                part.check()


class _StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class _Schema(msgspec.Struct, frozen=True):
    name: str | None = None


class _ResponseFormat(msgspec.Struct, frozen=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class Wanted(msgspec.Struct, frozen=True):
    """A request of any kind.

    Attributes:
        model: As the client named it.
    """

    model: _Text

    def check(self) -> None:
        """Look at what types do not say.

        Raises:
            BadRequestError: it contradicts itself, or wants what no engine here has.
        """


class WantedGeneration(Wanted, frozen=True):
    """A request whose answer is generated."""

    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: _Natural | None = None
    max_tokens: float | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    seed: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None

    @property
    def wants_usage(self) -> bool:
        """Tell whether a stream has to end with its usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def choices(self) -> int:
        """How many choices the answer has."""
        return int(self.n or 1)


class WantedChat(WantedGeneration, frozen=True):
    """A chat completion."""

    messages: tuple[_Message, ...] = ()
    max_completion_tokens: float | None = None
    logprobs: bool | None = None
    top_logprobs: _TopLogprobs | None = None
    response_format: _ResponseFormat | None = None
    tool_choice: Any = None
    functions: Any = None
    modalities: list[str] | None = None
    audio: Any = None
    web_search_options: Any = None

    def check(self) -> None:
        """Look at what types do not say; raises as its base does."""
        if not self.messages:
            raise bad("The field `messages` must hold at least one message.", "messages")
        if self.top_logprobs is not None and not self.logprobs:
            raise bad("`top_logprobs` needs `logprobs: true`.", "top_logprobs")
        self._check_support()
        for message in self.messages:
            if isinstance(message.content, list):  # searching the body's bytes would take longer
                message.check()

    def _check_support(self) -> None:
        if self.modalities and self.modalities != ["text"]:
            raise unsupported_field("modalities")
        if self.audio is not None:
            raise unsupported_field("audio")
        if self.web_search_options is not None:
            raise unsupported_field("web_search_options")
        if self.functions is not None:
            raise unsupported_field("functions", "`tools` took its place.")


class WantedText(WantedGeneration, frozen=True):
    """A text completion; each prompt may be text or tokens."""

    prompt: str | list[str | int | list[int]] | None = None

    def check(self) -> None:
        """Look at what types do not say; raises as its base does."""
        if self.prompt is None or self.prompt == []:
            raise bad("The field `prompt` is missing or empty.", "prompt")

    @property
    def choices(self) -> int:
        """How many choices the answer has: each prompt has its own."""
        prompt, each = self.prompt, int(self.n or 1)
        if not isinstance(prompt, list) or isinstance(prompt[0], int):
            return each
        return each * len(prompt)


class WantedEmbeddings(Wanted, frozen=True):
    """Embeddings."""

    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None

    def check(self) -> None:
        """Look at what types do not say; raises as its base does."""
        if not self.input:
            raise bad("The field `input` is empty.", "input")
        if not isinstance(self.input, str) and not all(isinstance(x, str) for x in self.input):
            message = (
                "The field `input` holds tokens, of a tokenizer that is not this model's. Send "
                "text; with langchain-openai set `check_embedding_ctx_length=False`."
            )
            raise bad(message, "input")


class WantedRanking(Wanted, frozen=True):
    """Documents, to be ordered by how well they fit a query."""

    query: str
    documents: Annotated[list[str | dict[str, Any]], msgspec.Meta(min_length=1)]
    top_n: _Natural | None = None


_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "/v1/chat/completions": msgspec.json.Decoder(WantedChat),
    "/v1/completions": msgspec.json.Decoder(WantedText),
    "/v1/embeddings": msgspec.json.Decoder(WantedEmbeddings),
    "/v1/rerank": msgspec.json.Decoder(WantedRanking),
}


def read(path: str, body: bytes) -> tuple[Wanted, bytes]:
    """Return what the request wants, and the body as engines take it: without a byte order mark.

    Raises:
        BadRequestError: no JSON object, or a field is missing, of the wrong type, or not to be had.
    """
    body = without_bom(body)
    wanted: Wanted = decoded(_DECODERS[path].decode, body, _invalid)
    wanted.check()
    return wanted, body


def _invalid(error: msgspec.ValidationError) -> BadRequestError:
    message = str(error)
    found = _PATH.search(message)
    if missing := _MISSING.search(message):
        return bad(f"The field `{missing[1]}` is missing.", found[1] if found else missing[1])
    if found is None:
        return bad(f"The request body is not valid: {message}", None)
    return bad(f"The field `{found[1]}` is not valid: {message[: found.start()]}", found[1])


def unsupported_field(param: str, why: str = "No engine here can do that.") -> BadRequestError:
    """Return the 400 for a field that means something, but not here."""
    return unsupported(f"The field `{param}` is not supported: {why}", param)
