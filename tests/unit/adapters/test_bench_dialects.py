"""What a benchmark understands of streamed answers, however they are cut into pieces."""

import json

import pytest

from frontier.adapters.bench_dialects import DIALECTS, Answer, BrokenAnswerError, said
from frontier.domain.bench_prompt import Question

QUESTION = Question(texts=("a", "b"), output_tokens=7)
CHAT, LINES = DIALECTS["openai", "chat"], DIALECTS["ollama", "chat"]

EVENTS = (
    b': ping\r\n\r\ndata: {"choices":[{"delta":{"role":"assistant","content":null}}]}\r\n\r\n'
    b'event: x\nid: 1\nretry: 5\ndata:{"choices":[{"delta":{"reasoning_content":"hm"}}]}\n\n'
    b'data: {"choices":[{"delta":{"reasoning":"hm"}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"h\xc3\xa9"},"finish_reason":null}]}\n\n'
    b'data: {"choices":[{"delta":{"content":""}}]}\n\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"length"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5}}\n\n'
    b"data: [DONE]\n\n"
)
NDJSON = (
    b'{"message":{"role":"assistant","content":"","thinking":"hm"},"done":false}\n'
    b'{"message":{"role":"assistant","content":"a"},"done":false}\n'
    b'{"message":{"role":"assistant","content":""},"done":true,'
    b'"prompt_eval_count":9,"eval_count":5}'
)


def fed(answer: Answer, data: bytes, size: int) -> Answer:
    for moment, at in enumerate(range(0, len(data), size)):
        answer.feed(data[at : at + size], float(moment))
    answer.end(1e6)
    return answer


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
@pytest.mark.parametrize(("dialect", "data", "pieces"), [(CHAT, EVENTS, 3), (LINES, NDJSON, 2)])
def test_tokens_are_noted_when_their_piece_came(
    dialect: object, data: bytes, pieces: int, size: int
) -> None:
    answer = fed(dialect.answer(), data, size)  # type: ignore[attr-defined]

    assert len(answer.tokens_s) == pieces
    assert answer.tokens_s == sorted(answer.tokens_s)
    assert (answer.tokens_in, answer.tokens_out) == (9, 5)


def test_a_piece_counts_once_it_is_whole() -> None:
    answer = CHAT.answer()
    head, tail = b'data: {"choices":[{"delta":{"content":"a', b'"}}]}\n\n'

    assert (answer.feed(head, 1.0), answer.feed(tail, 2.0)) == (0, 1)
    assert answer.tokens_s == [2.0]


@pytest.mark.parametrize(
    ("dialect", "data", "code", "detail"),
    [
        (CHAT, b"<html>\n", "garbage", "no event stream: <html>"),
        (CHAT, b"data: {broken\n", "garbage", "{broken"),
        (CHAT, b"data: 7\n", "garbage", "Expected `object`"),
        (
            CHAT,
            b'data: {"choices":[{"delta":{"content":7}}]}\n',
            "garbage",
            "Expected `str | null`",
        ),
        (CHAT, b'data: {"choices":"\xff"}\n', "garbage", ""),
        (CHAT, b'data: {"error":{"message":"no memory","code":5}}\n', "failed", "no memory"),
        (CHAT, b'data: {"error":"no memory"}\n', "failed", "no memory"),
        (CHAT, b'data: {"error":{"code":5}}\n', "failed", "{'code': 5}"),
        (CHAT, b"data: [DONE]\n", "empty", "without a single token"),
        (CHAT, b'data: {"choices":[{"delta":{"content":"a"}}]}\n', "broken", "stops without"),
        (CHAT, b"", "broken", "stops without"),
        (CHAT, b'data: {"error":' + b"[" * 60_000 + b"\n", "garbage", "[[["),
        (CHAT, b'data: {"error":"\\u001b[2J full"}\n', "failed", "[2J full"),
        (LINES, b"no json\n", "garbage", "no json"),
        (LINES, b'{"error":"model failed"}\n', "failed", "model failed"),
        (LINES, b'{"message":{"content":"a"},"done":false}\n', "broken", "stops without"),
        (DIALECTS["openai", "embedding"], b'{"data":[]}', "garbage", "no vectors"),
        (DIALECTS["ollama", "embedding"], b"oops", "garbage", "oops"),
    ],
)
def test_what_is_no_answer_is_told(dialect: object, data: bytes, code: str, detail: str) -> None:
    with pytest.raises(BrokenAnswerError) as caught:
        fed(dialect.answer(), data, 4096)  # type: ignore[attr-defined]

    assert caught.value.code == code
    assert detail in caught.value.detail
    assert len(caught.value.detail) <= 200


def test_a_line_without_an_end_takes_no_memory_without_end() -> None:
    answer = CHAT.answer()

    answer.feed(b"x" * (1 << 20), 0.0)

    with pytest.raises(BrokenAnswerError, match="without an end"):
        answer.feed(b"x", 0.0)


def test_vectors_without_an_end_take_no_memory_without_end() -> None:
    answer, piece = DIALECTS["openai", "embedding"].answer(), bytes(1 << 22)

    for _ in range(16):
        answer.feed(piece, 0.0)

    with pytest.raises(BrokenAnswerError, match="without an end"):
        answer.feed(piece, 0.0)


@pytest.mark.parametrize("told", [b"-5", b"18446744073709551615"])
def test_tokens_that_no_answer_has_are_none(told: bytes) -> None:
    data = EVENTS.replace(b":5}}", b":%b}}" % told).replace(b":9,", b":%b," % told)

    answer = fed(CHAT.answer(), data, 64)

    assert (answer.tokens_in, answer.tokens_out) == (0, 3)


def test_vectors_are_counted_by_what_they_took() -> None:
    openai = b'{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":6}}'
    ollama = b'{"embeddings":[[0.1]],"prompt_eval_count":6}'

    for api, body in (("openai", openai), ("ollama", ollama)):
        answer = fed(DIALECTS[api, "embedding"].answer(), body, 5)  # type: ignore[index]
        assert (answer.tokens_in, answer.tokens_out, answer.tokens_s) == (6, 0, [])


@pytest.mark.parametrize("key", DIALECTS)
def test_a_request_names_model_text_and_length(key: tuple[str, str]) -> None:
    dialect = DIALECTS[key]  # type: ignore[index]

    body = json.loads(dialect.body("m", QUESTION, ignores_end=True))

    assert body["model"] == "m"
    assert '"a"' in json.dumps(body)
    if key[1] == "embedding":
        assert body["input"] == ["a", "b"]
    else:
        assert body.get("max_tokens", body.get("options", {}).get("num_predict")) == 7


def test_only_those_who_may_know_it_are_asked_to_ignore_the_end() -> None:
    assert json.loads(CHAT.body("m", QUESTION, ignores_end=True))["ignore_eos"]
    assert b"ignore_eos" not in CHAT.body("m", QUESTION, ignores_end=False)
    assert b"ignore_eos" not in LINES.body("m", QUESTION, ignores_end=True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":{"message":"no such model"}}', "no such model"),
        (b'{"error":"no such model"}', "no such model"),
        (b'{"detail":"x"}', '{"detail":"x"}'),
        (b"<html>\n  <b>502</b>", "<html> <b>502</b>"),
        (b"", ""),
        (b"[1]", "[1]"),
        (b"[" * 60_000, "[" * 200),
        (b'{"error":"\\u001b[31mred\\n\\u009b \\ud800"}', "[31mred  "),
        (b"\xff" * 1000, "\ufffd" * 200),
    ],
)
def test_an_error_says_what_its_body_says(body: bytes, words: str) -> None:
    assert said(body) == words
