"""llama.cpp's own completions, which `/infill` answers with, as everybody else's."""

from typing import Final

import msgspec

from frontier.gateway.apis import chat

_NOTHING: Final = (b"", b"null")


class _Native(msgspec.Struct, frozen=True):
    """A piece, or the whole; only the last one has counts and says why it stopped."""

    content: str = ""
    stop: bool = False
    stop_type: str = ""
    tokens_evaluated: int = 0
    tokens_predicted: int = 0
    timings: chat.Timings | None = None
    error: msgspec.Raw = msgspec.Raw()


_DECODER: Final = msgspec.json.Decoder(_Native)


def decode(data: bytes) -> chat.Completion:
    """Return *data* as a completion.

    Raises:
        BadAnswerError: the engine says that it failed, or *data* is no completion.
    """
    try:
        native = _DECODER.decode(data)
    except (ValueError, RecursionError):
        return chat.decode(data)  # finds the words for it
    if bytes(native.error) not in _NOTHING:
        return chat.decode(data)
    if not native.stop:
        return chat.Completion(choices=[chat.Choice(text=native.content)])
    reason = "length" if native.stop_type == "limit" else "stop"
    return chat.Completion(
        choices=[chat.Choice(text=native.content, finish_reason=reason)],
        usage=chat.Usage(
            prompt_tokens=native.tokens_evaluated, completion_tokens=native.tokens_predicted
        ),
        timings=native.timings,
    )
