"""Lines as the real programs wrote them: xllamacpp b11549, Debian's nginx and node exporter here;
vLLM, Ollama and mistral.rs as in tests/fixtures/compute."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from frontier.domain.errors import UsageError
from frontier.domain.log_line import LogLine, Reading, Wanted, moment


def read(*raw: str) -> list[LogLine]:
    reading = Reading("s")
    return [reading(line) for line in raw]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("0.00.002.422 I srv          init: build_info: b0-unknown", "info"),
        ("0.00.002.499 W srv          init: embeddings enabled with n_batch (2048)", "warning"),
        ("0.00.041.120 E llama_model_load: error loading model: missing tensor", "error"),
        ("0.00.041.120 D que          post: new task, id = 0/1, front = 0", "debug"),
        ("\x1b[31mERROR\x1b[0m 11-20 09:12:01 [core.py:700] EngineCore failed to start.", "error"),
        ("(EngineCore_DP0 pid=271) INFO 11-20 09:12:01 [gpu_model_runner.py:2653] x", "info"),
        ("(APIServer pid=1) WARNING 11-20 09:12:01 [config.py:1] x", "warning"),
        ('INFO:     127.0.0.1:4 - "POST /v1/completions HTTP/1.1" 500 Internal', "error"),
        ('(APIServer pid=1) INFO:     127.0.0.1:4 - "GET /x HTTP/1.1" 404 Not Found', "warning"),
        ('time=2026-11-20T09:12:00.118Z level=INFO source=routes.go:1910 msg="x"', "info"),
        ("time=2026-11-21T20:49:38.747Z level=ERROR source=diskstats_linux.go:264", "error"),
        ("logger=settings t=2026-11-21T20:49:38.747Z level=warn msg=x", "warning"),
        ('[GIN] 2026/11/20 - 09:12:03 | 200 |  1.2s | 127.0.0.1 | POST "/api/chat"', "info"),
        ('[GIN] 2026/11/20 - 09:12:03 | 500 |  1.2s | 127.0.0.1 | POST "/api/chat"', "error"),
        ("2026-11-20T09:12:03.118253Z  WARN mistralrs_core::pipeline: x", "warning"),
        ("2026-11-20T09:12:03.118253Z  INFO mistralrs_core::pipeline: x", "info"),
        ('2026/11/21 20:49:37 [notice] 1#1: using the "epoll" event method', "info"),
        ("2026/11/21 20:49:37 [warn] 1#1: x", "warning"),
        ("2026/11/21 20:49:37 [crit] 8#8: *1 connect() failed", "error"),
        ("error: invalid argument: llama-server", "error"),
        ("prometheus: error: unexpected prometheus", "error"),
        ("Traceback (most recent call last):", "error"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory.", "error"),
        ('{"time":"2026-11-21T20:44:29.744Z","route":"/x","status":200}', "info"),
        ('{"time":"2026-11-21T20:44:29.744Z","route":"/x","status":499}', "warning"),
        ('{"time":"2026-11-21T20:44:29.744Z","route":"/x","status":503}', "error"),
        ('{"time":"x","level":"error","event":"bug","status":200}', "error"),
        ('{"level":"strange"}', None),
        ('{"event": "half', None),
        ("[1, 2]", None),
        ("Hello, I state none; INFO is not the first word", None),
        ("ERRORS are no level", None),
    ],
)
def test_a_line_has_the_level_that_it_states(line: str, level: str | None) -> None:
    # the guard stamps what is no JSON, the engine's own time follows
    stamp = "" if line.startswith("{") else "2026-11-21T20:44:29.744Z "

    (found,) = read(stamp + line)

    assert (found.level, found.line) == (level, line)


def test_what_goes_on_over_several_lines_has_the_level_and_time_of_the_first() -> None:
    first, second, third = read(
        "2026-11-21T20:44:29.744Z ValueError: no", "\tsecond", "2026-11-21T20:44:30.000Z third"
    )

    assert (second.level, second.time) == (first.level, first.time) == ("error", first.time)
    assert (third.level, third.time) == (None, "2026-11-21T20:44:30.000Z")


def test_the_time_is_the_collectors_or_that_of_a_json_line_or_unknown() -> None:
    docker = read("2026-11-21T20:49:29.323993594Z err 7")[0]
    gateway = read('{"time":"2026-11-21T20:44:29.744Z"}')[0]

    assert (docker.time, docker.line) == ("2026-11-21T20:49:29.323Z", "err 7")
    assert gateway.time == "2026-11-21T20:44:29.744Z"
    assert read("an old line")[0].time is None


def test_dockers_stamps_within_a_long_line_are_taken_out() -> None:
    stamp = "2026-11-21T20:49:34.715756147Z "

    assert read(f"{stamp}{'x' * 16384}{stamp}{'x' * 10}")[0].line == "x" * 16394


def test_json_is_shown_as_words_and_nothing_moves_the_cursor() -> None:
    access = {"time": "t", "route": "/v1/models", "status": 200, "duration_ms": 1.5}
    daemon = {"time": "t", "level": "info", "message": "gateway: ready"}

    assert read(json.dumps(access))[0].text == "/v1/models status=200 duration_ms=1.5"
    assert read(json.dumps(daemon))[0].text == "gateway: ready"
    assert read("\x1b[2J\x1b]0;title\x07bold\x1b[1m\r")[0].text == "]0;titlebold"


def test_what_steers_terminals_or_reorders_text_is_not_shown() -> None:
    assert read("a\x9b2Jb\x85\u202ec\u202c\u2066d\u2069é")[0].text == "a2Jbcdé"
    assert read('{"message":"half \\ud800"}')[0].text == "half "


@pytest.mark.parametrize("stamp", ["2026-13-45T09:12:00.118Z", "2026-11-21T25:00:00.000Z"])
@pytest.mark.parametrize("line", ['{"time":"%s"}', "%s said"])
def test_what_is_no_time_is_text(line: str, stamp: str) -> None:
    found = read(line % stamp)[0]

    assert (found.time, found.line) == (None, line % stamp)


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_a_time_that_has_no_place_in_every_zone_is_none(year: str) -> None:
    assert read(f'{{"time":"{year}-12-31T23:59:59.999Z"}}')[0].time is None


@pytest.mark.parametrize(
    "line", ['{"a":' + "[" * depth + "]" * depth + "}" for depth in (100, 900, 100_000)]
)
def test_json_that_nests_too_deep_is_text(line: str) -> None:
    found = read(line)[0]

    assert (found.text, found.fields) == (line, {})


def test_a_status_of_thousands_of_digits_is_none() -> None:
    assert read(json.dumps({"status": "5" * 5000}))[0].level is None


def test_wanted_lines_are_late_enough_bad_enough_and_match() -> None:
    early, late, bad = read(
        "2026-11-21T09:12:00.118Z early",
        "2026-11-21T09:13:00.118Z late",
        '{"time":"2026-11-21T09:14:00.118Z","route":"/x","status":500}',
    )
    since = Wanted(since="2026-11-21T09:13:00.118Z")

    assert [since.takes(line) for line in (early, late, bad)] == [False, True, True]
    assert [Wanted(level="warning").takes(line) for line in (late, bad)] == [False, True]
    for words in ('"status":500', "status=500"):  # as it was written, and as it is shown
        assert Wanted(pattern=re.compile(words)).takes(bad)
    assert not since.takes(read("nobody knows when")[0])
    assert (Wanted().is_all, since.is_all) == (True, False)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", "2026-11-21T08:11:30.000Z"),
        ("10m", "2026-11-21T08:02:00.000Z"),
        ("2h", "2026-11-21T06:12:00.000Z"),
        ("1d", "2026-11-20T08:12:00.000Z"),
        ("2026-11-21T09:12", "2026-11-21T08:12:00.000Z"),
        ("2026-11-21 09:12:01.5", "2026-11-21T08:12:01.500Z"),
        ("2026-11-21T09:12:00Z", "2026-11-21T09:12:00.000Z"),
        ("2026-11-21", "2026-11-20T23:00:00.000Z"),
        ("2026-10-24T12:00", "2026-10-24T10:00:00.000Z"),  # in summer
    ],
)
def test_a_moment_is_a_while_ago_or_a_time_here(text: str, expected: str) -> None:
    now = datetime(2026, 11, 21, 8, 12, tzinfo=UTC)

    assert moment(text, now) == expected


@pytest.mark.parametrize(
    "text",
    ["", "soon", "10", "-5m", "10 months", "25:00", "99999999999d", "9999-12-31T23:59-12:00"],
)
def test_what_is_no_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        moment(text, datetime.now(UTC))
