"""Ollama's API, read and said without a socket: whatever comes, the answer is typed."""

import contextlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontier.gateway.apis.api import Answer, BadAnswerError, BadRequestError, Outgoing, Reply
from frontier.gateway.apis.known import OLLAMA
from frontier.gateway.apis.ollama import not_found
from frontier.gateway.apis.ollama_body import seconds
from frontier.gateway.errors import Problem
from frontier.gateway.names import canonical, display, is_valid
from frontier.gateway.route_file import Content
from frontier.gateway.route_table import build, parse
from frontier.gateway.routes import Route

TABLE = build(
    [
        parse(
            Content(
                Path("routes.yaml"),
                b"version: 1\nmodels:\n"
                + b"".join(
                    f"  - {{name: {b}, backend: {b}, backend_url: 'http://h'}}\n".encode()
                    for b in ("llamacpp", "vllm", "mistral", "openai", "ollama")
                ),
            )
        )
    ]
)
PATHS = ("/api/chat", "/api/generate", "/api/embed", "/api/embeddings")
LINE_ENDS = ("\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")


def outgoing(body: object, path: str = "/api/chat", backend: str = "vllm") -> Outgoing:
    ask = OLLAMA.read(path, json.dumps(body).encode())
    found = ask.outgoing(route(backend))
    assert isinstance(found, Outgoing)
    return found


def route(backend: str) -> Route:
    found = TABLE.find(backend)
    assert found is not None
    return found.each[0]


def answer_of(*, stream: bool, path: str = "/api/chat") -> Answer:
    messages = [{"role": "user", "content": "Hi"}]
    body = {"model": "vllm", "messages": messages, "prompt": "Hi", "stream": stream}
    answer = outgoing(body, path).answer
    assert answer is not None
    return answer


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = (
    "model messages prompt suffix input stream options keep_alive format think logprobs"
    " top_logprobs tools images system template context raw dimensions role content tool_calls"
    " function name arguments temperature num_predict stop seed".split()
)
fields = st.dictionaries(st.sampled_from(FIELDS), anything, max_size=8)
likely = st.fixed_dictionaries(
    {"model": st.sampled_from(["llamacpp", "vllm", "mistral", "openai", "ollama"])},
    optional={
        "messages": st.lists(
            st.fixed_dictionaries(
                {"role": st.sampled_from(["user", "assistant", "tool", "System"])},
                optional={
                    "content": st.text(max_size=8),
                    "images": st.lists(st.sampled_from(["iVBORw0KGgo=", "x", ""]), max_size=2),
                    "tool_name": st.sampled_from(["f", "g"]),
                    "tool_calls": st.lists(
                        st.fixed_dictionaries(
                            {
                                "function": st.fixed_dictionaries(
                                    {"name": st.sampled_from(["f", "g"])},
                                    optional={
                                        "arguments": st.dictionaries(
                                            st.text(max_size=3), anything, max_size=2
                                        )
                                    },
                                )
                            }
                        ),
                        max_size=2,
                    ),
                },
            ),
            max_size=4,
        ),
        "prompt": st.text(max_size=8),
        "suffix": st.text(max_size=8),
        "input": st.lists(st.text(max_size=4), max_size=3),
        "stream": st.booleans(),
        "think": st.sampled_from([True, False, "high", "ultra", None]),
        "format": st.one_of(st.sampled_from(["json", "", "yaml", None]), fields),
        "options": st.dictionaries(st.sampled_from(FIELDS), scalars, max_size=3),
        "keep_alive": st.one_of(st.integers(), st.floats(), st.sampled_from(["5m", "0", "abc"])),
    },
)


@settings(max_examples=500)
@given(body=st.one_of(fields, likely), path=st.sampled_from(PATHS))
def test_any_request_is_taken_or_refused_with_a_reason(body: dict[str, Any], path: str) -> None:
    for backend in ("llamacpp", "vllm", "mistral", "openai", "ollama"):
        found = tried(body, path, backend)
        if isinstance(found, Problem):
            assert found.status in (400, 404)
            assert json.loads(OLLAMA.problem(found, "req_1"))["error"]
        else:
            assert isinstance(json.loads(found.body), dict)


def tried(body: object, path: str, backend: str) -> Outgoing | Reply | Problem:
    try:
        return OLLAMA.read(path, json.dumps(body).encode()).outgoing(route(backend))
    except BadRequestError as error:
        return error.problem


@settings(max_examples=500)
@given(body=st.binary(max_size=60), path=st.sampled_from(PATHS))
def test_any_bytes_are_refused_or_taken(body: bytes, path: str) -> None:
    with pytest.raises(BadRequestError):
        OLLAMA.read(path, body)


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return json.dumps({"choices": [choice]}, ensure_ascii=False).encode()


texts = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(LINE_ENDS)), max_size=12)
pieces = st.lists(
    st.one_of(
        st.tuples(st.just("content"), texts),
        st.tuples(st.just("reasoning_content"), texts),
        st.tuples(st.just("reasoning"), texts),
        st.just(("role", "assistant")),
    ),
    max_size=12,
)
USAGE = json.dumps({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}).encode()


def said(out: bytes) -> list[dict[str, Any]]:
    """Return the lines as Python's clients split them."""
    return [json.loads(line) for line in out.decode("ascii").splitlines()]


@settings(max_examples=300)
@given(pieces=pieces, reason=st.sampled_from(["stop", "length", "tool_calls"]))
def test_any_sequence_of_chunks_gives_its_text_streamed_or_not(
    pieces: list[tuple[str, str]], reason: str
) -> None:
    text = "".join(t for kind, t in pieces if kind == "content")
    thought = "".join(t for kind, t in pieces if kind.startswith("reasoning"))
    events = [*(chunk({kind: t}) for kind, t in pieces), chunk({}, reason), USAGE]
    streamed, kept = answer_of(stream=True), answer_of(stream=False)
    whole = answer_of(stream=False)
    message = {"role": "assistant", "content": text, "reasoning_content": thought}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    document = json.dumps({"choices": [choice], "usage": json.loads(USAGE)["usage"]}).encode()

    lines = said(b"".join([*map(streamed.event, events), streamed.end()]))
    for event in events:
        kept.event(event)
    documents = [json.loads(kept.collected()), json.loads(whole.whole(document))]

    assert "".join(line["message"]["content"] for line in lines) == text
    assert "".join(line["message"].get("thinking", "") for line in lines) == thought
    for one in documents:
        assert (one["message"]["content"], one["message"].get("thinking", "")) == (text, thought)
    for last in (lines[-1], *documents):
        assert (last["done"], last["eval_count"], last["prompt_eval_count"]) == (True, 3, 7)
        assert last["done_reason"] == ("length" if reason == "length" else "stop")
    assert not any(line["done"] for line in lines[:-1])
    assert streamed.tokens == (7, 3, 0)


@settings(max_examples=300)
@given(
    events=st.lists(
        st.one_of(st.binary(max_size=40), anything.map(lambda x: json.dumps(x).encode()))
    )
)
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_any_answer_of_an_engine_is_said_or_is_an_error(events: list[bytes], path: str) -> None:
    answer = answer_of(stream=True, path=path)
    try:
        out = b"".join(map(answer.event, events))
        out += answer.end()
    except BadAnswerError as error:
        out = answer.failure(error.problem, "req_1")
    assert all(isinstance(line, dict) for line in said(out))
    for backend in ("ollama", "vllm"):
        embed = outgoing({"model": backend, "input": ["x"]}, "/api/embed", backend).answer
        assert embed is not None
        for event in events:
            with contextlib.suppress(BadAnswerError):
                assert isinstance(embed.whole(event), bytes)


def test_a_long_piece_becomes_lines_that_readers_with_small_buffers_take() -> None:
    text = "\N{GRINNING FACE}" * 20_000
    answer = answer_of(stream=True)

    out = answer.event(chunk({"content": text}))

    assert max(map(len, out.splitlines())) < 64 * 1024
    assert "".join(line["message"]["content"] for line in said(out)) == text


def test_a_long_stream_keeps_nothing() -> None:
    answer = answer_of(stream=True)
    one = chunk({"content": "word "})
    answer.event(one)
    tracemalloc.start()
    for _ in range(20_000):
        answer.event(one)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 20_000


@pytest.mark.parametrize("path", PATHS)
def test_another_name_for_the_engine_is_put_into_any_body_that_was_taken(path: str) -> None:
    spelled = TABLE.find("ollama:latest")
    assert spelled is not None
    body = b'\xef\xbb\xbf{"model": "ollama:latest", "prompt": "a", "input": "a", "\xc3\xa9": 1}'

    found = OLLAMA.read(path, body).outgoing(spelled.each[0])

    assert isinstance(found, Outgoing)
    assert json.loads(found.body)["model"] == "ollama"


@pytest.mark.parametrize("path", PATHS)
def test_text_that_nobody_reads_has_to_be_text_too(path: str) -> None:
    with pytest.raises(BadRequestError, match="not valid UTF-8"):
        OLLAMA.read(path, b'{"model": "ollama", "prompt": "a", "\xff": "nobody reads this"}')


def test_a_failure_is_a_plain_string() -> None:
    problem = Problem(502, "The engine \u2028 died.")

    assert (
        answer_of(stream=True).failure(problem, "r") == b'{"error": "The engine \\u2028 died."}\n'
    )
    assert OLLAMA.problem(problem, "r") == b'{"error": "The engine \\u2028 died."}'


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, None),
        (0, 0),
        (-1, float("inf")),
        (0.5, 0.5),
        ("5m", 300),
        ("1h30m", 5400),
        ("300ms", 0.3),
        ("1.5h", 5400),
        ("-1m", float("inf")),
        ("+10s", 10),
        ("0", 0),
        (1e300, float("inf")),
        ("9" * 40 + "h", float("inf")),
    ],
)
def test_durations_are_read_as_go_writes_them(given: Any, wanted: float | None) -> None:
    assert seconds(given) == (wanted if wanted is None else pytest.approx(wanted))


@pytest.mark.parametrize(
    "given", ["", "abc", "5", "m", "5 m", "1d", "--1m", "5m!", "9" * 1_000_000, "٣m"]
)
def test_other_durations_are_refused(given: str) -> None:
    with pytest.raises(BadRequestError, match="invalid duration"):
        seconds(given)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("mistral", "mistral:latest"),
        ("Mistral:LATEST", "mistral:latest"),
        ("library/mistral", "mistral:latest"),
        ("registry.ollama.ai/library/mistral:7b", "mistral:7b"),
        ("https://registry.ollama.ai/library/mistral", "mistral:latest"),
        ("hf.co/bartowski/X-GGUF:Q4_K_M", "hf.co/bartowski/x-gguf:q4_k_m"),
        ("localhost:5000/me/m", "localhost:5000/me/m:latest"),
    ],
)
def test_one_spelling_stands_for_all(name: str, wanted: str) -> None:
    assert canonical(name) == wanted
    assert is_valid(name)


@given(name=st.text(max_size=30))
def test_any_name_is_displayed_as_one_that_ollama_takes(name: str) -> None:
    shown = display(name)

    assert is_valid(shown)
    assert ":" in shown
    assert not_found(name).status in (400, 404)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("smollm2", "smollm2:latest"),
        ("org/Model-7B", "org/Model-7B:latest"),
        ("/models/My Model-Q4_K_M.gguf", "my-model:q4_k_m"),
        ("a/b/c/Qwen2.5-7B-AWQ", "qwen2.5-7b:awq"),
        ("///", "model:latest"),
    ],
)
def test_names_of_engines_are_made_fit_for_ollamas_clients(name: str, wanted: str) -> None:
    assert display(name) == wanted


def test_what_is_configured_wins_over_what_is_derived() -> None:
    text = (
        "version: 1\nmodels:\n"
        "  - {name: 'x:latest', backend: vllm}\n"
        "  - {name: x, backend: llamacpp}\n"
        "  - {name: /m/y.gguf, backend: mistral}\n"
        "  - {name: Y, backend: openai}\n"
    )
    table = build([parse(Content(Path("routes.yaml"), text.encode()))])

    found = {name: table.find(name) for name in ("x", "X", "x:latest", "y", "library/y", "nope")}

    backends = {name: route.target.backend for name, route in found.items() if route}
    assert backends == {
        "x": "llamacpp",
        "X": "vllm",
        "x:latest": "vllm",
        "y": "openai",
        "library/y": "openai",
    }
    spelled = table.find("Library/Y")
    assert spelled is not None
    (route,) = spelled.each
    assert (route.asked, route.echo, route.splice) == (
        "Library/Y",
        b'"model":"Library/Y"',
        True,
    )


def test_the_usual_names_lead_to_models_named_after_their_size() -> None:
    text = (
        "version: 1\nmodels:\n  - {name: mistral-7b, backend: vllm}\n"
        "  - {name: Mixtral-8x7B, backend: mistral}\n"
        "  - {name: 'mixtral:latest', backend: openai}\n"
    )
    table = build([parse(Content(Path("routes.yaml"), text.encode()))])

    names = ("mistral", "mistral:latest", "mistral:7b", "mixtral:8x7b", "mixtral")
    found = [route.target.backend for name in names if (route := table.find(name))]

    assert found == ["vllm", "vllm", "vllm", "mistral", "openai"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/api/chat", {"options": {"top_k": 1e300}}),
        ("/api/chat", {"options": {"seed": 10**30}}),
        ("/api/embed", {"dimensions": -1}),
        ("/api/chat", {"top_logprobs": 21}),
    ],
)
def test_numbers_beyond_all_reason_are_refused(path: str, fields: dict[str, Any]) -> None:
    body = {"model": "vllm", "messages": [{"role": "user", "content": "x"}], "input": "x"}

    found = tried(body | fields, path, "vllm")

    assert isinstance(found, Problem)
    assert found.status == 400
