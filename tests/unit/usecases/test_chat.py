import pytest

from fakes import FakeChat
from frontier.domain.chat import Message, Piece
from frontier.domain.errors import RuntimeFailedError
from frontier.usecases.chat import ask

HELLO = [Message("user", "Hello")]


def test_an_answer_is_streamed_and_measured() -> None:
    chat = FakeChat([Piece(), Piece(text="Hi"), Piece(text=" you"), Piece(completion_tokens=3)])
    heard: list[str] = []

    answer = ask("m", HELLO, chat=chat, clock=chat.clock, on_text=heard.append)

    assert heard == ["Hi", " you"]
    assert answer.text == "Hi you"
    assert answer.completion_tokens == 3
    assert answer.time_to_first_token_s == 2.0  # the fake takes one second for each piece
    assert answer.rate_tokens_per_s == 2.0


def test_an_upstream_without_usage_is_counted_by_its_pieces() -> None:
    chat = FakeChat([Piece(text="a"), Piece(text="b")])

    answer = ask("m", HELLO, chat=chat, clock=chat.clock, on_text=lambda _: None)

    assert answer.completion_tokens == 2


def test_a_single_token_has_no_rate() -> None:
    chat = FakeChat([Piece(text="a")])

    answer = ask("m", HELLO, chat=chat, clock=chat.clock, on_text=lambda _: None)

    assert answer.rate_tokens_per_s == 0.0


def test_an_answer_without_a_token_is_a_failure() -> None:
    chat = FakeChat([Piece()])

    with pytest.raises(RuntimeFailedError, match="without a single token"):
        ask("m", HELLO, chat=chat, clock=chat.clock, on_text=lambda _: None)
