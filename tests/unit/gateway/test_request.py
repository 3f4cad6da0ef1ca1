"""A request that is over waits to be counted, its prompt does not."""

import json
import weakref

from frontier.gateway.apis.openai import OpenAI, Passed
from frontier.gateway.apis.openai_answer import CompletionAnswer
from frontier.gateway.apis.openai_request import WantedChat
from frontier.gateway.wire.request import Request


def test_a_request_that_is_over_lets_go_of_what_was_asked() -> None:
    messages = [{"role": "user", "content": "Hi"}]
    body = json.dumps({"model": "m", "messages": messages}).encode()
    ask = OpenAI().read("/v1/chat/completions", body)
    assert isinstance(ask, Passed)
    assert isinstance(ask.wanted, WantedChat)
    request = Request()
    request.ask, request.parts = ask, [body]
    request.opened = answer = CompletionAnswer(ask.wanted, b"")
    left = weakref.ref(answer)
    del ask, answer

    request.let_go()

    assert left() is None
    assert not request.parts
