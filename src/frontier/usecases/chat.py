"""Asking the running stack, through the path that users take."""

from collections.abc import Callable, Sequence
from typing import Final

from frontier.domain.chat import Answer, Message, Sampling
from frontier.domain.errors import RuntimeFailedError
from frontier.ports import ChatClient, Clock

PROOF: Final = Sampling(temperature=0.0, max_tokens=48)
_QUESTION: Final = Message("user", "Say hello in one short sentence.")


def prove(
    model: str,
    *,
    chat: ChatClient,
    clock: Clock,
    on_text: Callable[[str], None] = lambda _: None,
    sampling: Sampling = PROOF,
) -> Answer:
    """Return what *model* answers to a greeting: the proof that it works.

    Raises:
        RuntimeFailedError: the answer failed, or ended without a single token.
    """
    return ask(model, [_QUESTION], chat=chat, clock=clock, on_text=on_text, sampling=sampling)


def ask(
    model: str,
    messages: Sequence[Message],
    *,
    chat: ChatClient,
    clock: Clock,
    on_text: Callable[[str], None],
    sampling: Sampling | None = None,
) -> Answer:
    """Stream one answer to *on_text* and return it measured.

    Raises:
        RuntimeFailedError: the answer failed, or ended without a single token.
    """
    begin = clock()
    first = last = 0.0
    pieces: list[str] = []
    tokens, is_cut = 0, False
    for piece in chat.stream(model, messages, sampling or Sampling()):
        if piece.text:
            last = clock()
            first = first or last
            pieces.append(piece.text)
            on_text(piece.text)
        tokens = piece.completion_tokens or tokens
        is_cut = is_cut or piece.is_cut
    if not pieces:
        raise RuntimeFailedError(
            f"{model} answered without a single token", hint="`frontier logs` tells what it did."
        )
    tokens = tokens or len(pieces)
    return Answer(
        text="".join(pieces),
        completion_tokens=tokens,
        time_to_first_token_s=first - begin,
        rate_tokens_per_s=(tokens - 1) / (last - first) if last > first else 0.0,
        is_cut=is_cut,
    )
