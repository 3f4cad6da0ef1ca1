"""Keys and limits, against a real gateway process: who gets in, and how the others are refused."""

import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI, RateLimitError

from frontier.domain.keys import Budget
from gateway_process import Answer, GatewayProcess, RawClient, ask, chat, get
from key_files import NOW, PAST, Keys
from scripted_upstream import (
    DONE,
    LAST_CHUNK,
    STREAM_HEAD,
    Exchange,
    ScriptedUpstream,
    chunk,
    delta,
    stream,
    usage_event,
)
from waiting import until

ROUTES = """
version: 1
models:
  - {{name: m, aliases: [m-alias], backend: vllm, backend_url: "{url}"}}
  - {{name: other, aliases: [other-alias], backend: vllm, backend_url: "{url}"}}
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys") / "keys.yaml")


@pytest.fixture(scope="module")
def routes(upstream: ScriptedUpstream, keys: Keys) -> Path:
    path = keys.path.with_name("routes.yaml")
    path.write_text(ROUTES.format(url=upstream.url))
    return path


@pytest.fixture(scope="module")
def guarded(keys: Keys, routes: Path) -> Iterator[GatewayProcess]:
    keys.add("first")
    for name in ("api", "admin", "metrics"):
        routes.with_name(f"{name}.key").write_text(f"{name}-secret\n")
    files = [f"--{kind}-key-file={routes.with_name(f'{kind}.key')}" for kind in
             ("api", "admin", "metrics")]  # fmt: skip
    with GatewayProcess("--config", routes, "--keys", keys.path, *files) as gateway:
        yield gateway


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def loaded(gateway: GatewayProcess, header: dict[str, str], status: int = 200) -> None:
    """Wait until a key is in force, or refused; a second at most."""
    until(
        lambda: get(gateway.port, "/v1/models", **header).status == status,
        timeout_s=1,
        what="the keys to be loaded",
    )


def added(gateway: GatewayProcess, keys: Keys, name: str, **fields: Any) -> dict[str, str]:
    header = keys.add(name, **fields)
    loaded(gateway, header)
    return header


def metric(gateway: GatewayProcess, start: str) -> float:
    text = get(gateway.port, "/metrics", **bearer("metrics-secret")).body.decode()
    return sum(float(x.rpartition(" ")[2]) for x in text.splitlines() if x.startswith(start))


def log_of(gateway: GatewayProcess, answer: Answer) -> dict[str, Any]:
    return gateway.access_line(answer.headers["x-request-id"])


# Who gets in


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_conformance_021_a_key_comes_as_bearer_of_any_case_or_as_x_api_key(
    guarded: GatewayProcess, keys: Keys, scheme: str
) -> None:
    secret = keys.secrets["first"]

    by_scheme = ask(guarded.port, chat("m"), Authorization=f"{scheme} {secret}")
    by_header = ask(guarded.port, chat("m"), x_api_key=secret)
    both = ask(guarded.port, chat("m"), x_api_key=secret, Authorization="Bearer none")

    assert [by_scheme.status, by_header.status, both.status] == [200, 200, 200]
    assert log_of(guarded, by_scheme)["key"] == keys.ids["first"]
    assert "key" not in log_of(guarded, ask(guarded.port, chat("m")))


@pytest.mark.parametrize(
    "header", [{}, bearer("sk-frontier-nobody"), {"x_api_key": "K"}, {"Authorization": "Basic K"}]
)
def test_without_a_known_key_nothing_is_answered_and_that_is_counted(
    guarded: GatewayProcess, header: dict[str, str]
) -> None:
    name = 'frontier_refused_requests_total{reason="no_key"}'
    before = metric(guarded, name)

    answer = ask(guarded.port, chat("m"), **header)

    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert metric(guarded, name) == before + 1
    assert log_of(guarded, answer)["status"] == 401


def test_the_one_key_of_the_settings_goes_on_working_beside_the_file(
    guarded: GatewayProcess,
) -> None:
    answer = ask(guarded.port, chat("m"), **bearer("api-secret"))

    assert answer.status == 200
    assert log_of(guarded, answer)["key"] == "default"


def test_an_expired_key_is_refused_and_the_log_tells_whose_it_was(
    guarded: GatewayProcess, keys: Keys
) -> None:
    header = keys.add("late", expires=PAST)
    added(guarded, keys, "after-late")

    answer = ask(guarded.port, chat("m"), **header)

    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert "expired" in answer.error["message"]
    assert log_of(guarded, answer)["key"] == keys.ids["late"]


def test_a_key_expires_while_the_gateway_runs(guarded: GatewayProcess, keys: Keys) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    header = added(guarded, keys, "short", expires=soon)

    until(lambda: ask(guarded.port, chat("m"), **header).status == 401, timeout_s=4)

    assert datetime.now(UTC) >= soon - timedelta(milliseconds=150)


def test_a_revoked_key_is_refused_within_a_second_and_its_stream_goes_on(
    guarded: GatewayProcess, keys: Keys, upstream: ScriptedUpstream
) -> None:
    is_revoked = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "before ")))
        is_revoked.wait(10)
        exchange.send(chunk(delta("m", "after")) + chunk(DONE) + LAST_CHUNK)

    header = added(guarded, keys, "leaver")
    name = upstream.on("revoked", script)
    with RawClient(guarded.port) as client:
        client.post(chat("m", name, stream=True), **header)
        upstream.wait_for_request(name)
        keys.change("leaver", revoked=NOW)
        loaded(guarded, header, status=401)
        refused = ask(guarded.port, chat("m"), **header)
        is_revoked.set()
        answer = client.read()

    assert "revoked" in refused.error["message"]
    assert log_of(guarded, refused)["key"] == keys.ids["leaver"]
    assert answer.events[-1] == "[DONE]"
    assert not answer.is_cut_short


def test_a_key_for_some_models_gets_403_for_the_others_and_sees_only_its_own(
    guarded: GatewayProcess, keys: Keys
) -> None:
    header = added(guarded, keys, "narrow", models=("m-alias",))

    allowed = [ask(guarded.port, chat(name), **header).status for name in ("m", "m-alias")]
    refused = ask(guarded.port, chat("other-alias"), **header)
    seen = get(guarded.port, "/v1/models", **header).json["data"]
    hidden = get(guarded.port, "/v1/models/other", **header)

    assert allowed == [200, 200]
    assert (refused.status, refused.error["code"]) == (403, "permission_denied")
    assert refused.error["param"] == "model"
    assert log_of(guarded, refused)["model"] == "other"
    assert metric(guarded, 'frontier_refused_requests_total{reason="model"}') >= 1
    assert [model["id"] for model in seen] == ["m"]
    assert hidden.status == 404


def test_a_body_over_the_limit_is_413_with_the_key_in_the_log(
    guarded: GatewayProcess, keys: Keys
) -> None:
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857601\r\n"
        f"Authorization: Bearer {keys.secrets['first']}\r\n\r\n"
    )
    with RawClient(guarded.port) as client:
        client.send(head.encode())
        answer = client.read()

    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert log_of(guarded, answer)["key"] == keys.ids["first"]


# The routes that are guarded apart


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/models", {"api": 200, "admin": 200, "metrics": 403, "first": 200, "": 401}),
        ("/metrics", {"api": 200, "admin": 200, "metrics": 200, "first": 403, "": 401}),
        ("/admin/routes", {"api": 403, "admin": 200, "metrics": 403, "first": 403, "": 401}),
        ("/%61dmin/routes", {"api": 403, "admin": 200, "metrics": 403, "first": 403, "": 401}),
        ("/admin%2Froutes", {"api": 403, "admin": 200, "metrics": 403, "first": 403, "": 401}),
        ("//admin//routes/", {"api": 403, "admin": 200, "metrics": 403, "first": 403, "": 401}),
        ("/m%65trics", {"api": 200, "admin": 200, "metrics": 200, "first": 403, "": 401}),
        ("/healthz", {"api": 200, "admin": 200, "metrics": 200, "first": 200, "": 200}),
    ],
)
def test_each_kind_of_key_opens_its_own_routes(
    guarded: GatewayProcess, keys: Keys, path: str, expected: dict[str, int]
) -> None:
    headers = {
        "": {},
        "first": bearer(keys.secrets["first"]),
        **{name: bearer(f"{name}-secret") for name in ("api", "admin", "metrics")},
    }

    assert {who: get(guarded.port, path, **headers[who]).status for who in expected} == expected


def test_an_open_gateway_shows_metrics_to_all_and_admin_to_its_key(
    routes: Path, keys: Keys
) -> None:
    admin = routes.with_name("admin.key")
    admin.write_text("admin-secret\n")
    with GatewayProcess("--config", routes, "--admin-key-file", admin) as gateway:
        statuses = [get(gateway.port, path).status for path in ("/metrics", "/admin/routes")]

        assert statuses == [200, 401]
        assert ask(gateway.port, chat("m"), **bearer("whatever")).status == 200
        assert get(gateway.port, "/admin/routes", **bearer("admin-secret")).status == 200


def test_the_first_key_closes_an_open_gateway_and_the_last_revoked_one_does_not_open_it(
    routes: Path, tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "keys.yaml")
    with GatewayProcess("--config", routes, "--keys", keys.path) as gateway:
        assert ask(gateway.port, chat("m")).status == 200
        header = keys.add("only")
        until(lambda: ask(gateway.port, chat("m")).status == 401, timeout_s=1)
        assert ask(gateway.port, chat("m"), **header).status == 200
        keys.change("only", revoked=NOW)
        loaded(gateway, header, status=401)
        assert ask(gateway.port, chat("m")).status == 401


def test_a_gateway_that_requires_keys_answers_nobody_while_there_is_none(
    routes: Path, tmp_path: Path
) -> None:
    nowhere = tmp_path / "none.yaml"
    with GatewayProcess("--config", routes, "--keys", nowhere, "--require-key") as gateway:
        assert ask(gateway.port, chat("m")).status == 401
        assert get(gateway.port, "/metrics").status == 401
        assert get(gateway.port, "/healthz").status == 200


# Limits


def test_requests_per_minute_are_a_bucket_that_says_when_to_come_back(
    guarded: GatewayProcess, keys: Keys
) -> None:
    name = 'frontier_rate_limited_total{scope="requests"}'
    header = added(guarded, keys, "slow", rpm=3)
    before = metric(guarded, name)

    answers = [ask(guarded.port, chat("m"), **header) for _ in range(4)]

    assert [a.status for a in answers] == [200, 200, 200, 429]
    assert [a.headers["x-ratelimit-remaining-requests"] for a in answers] == ["2", "1", "0", "0"]
    assert answers[0].headers["x-ratelimit-limit-requests"] == "3"
    assert answers[3].error["code"] == "rate_limit_exceeded"
    assert answers[3].error["type"] == "rate_limit_error"
    assert 18 <= int(answers[3].headers["retry-after"]) <= 20
    assert metric(guarded, name) == before + 1
    assert log_of(guarded, answers[3])["key"] == keys.ids["slow"]
    assert get(guarded.port, "/v1/models", **header).status == 200


def test_openais_client_sees_its_own_error_at_the_limit(
    guarded: GatewayProcess, keys: Keys
) -> None:
    added(guarded, keys, "once", rpm=1)
    url, secret = f"{guarded.url}/v1", keys.secrets["once"]
    with OpenAI(base_url=url, api_key=secret, max_retries=0) as client:
        messages: Any = [{"role": "user", "content": "Hi"}]
        client.chat.completions.create(model="m", messages=messages)
        with pytest.raises(RateLimitError) as caught:
            client.chat.completions.create(model="m", messages=messages)

    assert caught.value.code == "rate_limit_exceeded"
    assert int(caught.value.response.headers["retry-after"]) > 50


def test_tokens_per_minute_count_what_answers_really_took(
    guarded: GatewayProcess, keys: Keys
) -> None:
    header = added(guarded, keys, "frugal", tpm=15)  # an answer takes 10

    answers = [ask(guarded.port, chat("m"), **header) for _ in range(3)]

    assert [a.status for a in answers] == [200, 200, 429]
    assert answers[1].headers["x-ratelimit-remaining-tokens"] == "5"
    assert answers[2].headers["x-ratelimit-remaining-tokens"] == "0"
    assert "tokens per minute" in answers[2].error["message"]
    assert 20 <= int(answers[2].headers["retry-after"]) <= 25  # five in debt, and one to go on
    tokens = f'frontier_tokens_total{{model="m",backend="vllm",key="{keys.ids["frugal"]}"'
    assert metric(guarded, tokens) == 20


def test_a_stream_counts_too_with_its_usage_or_by_its_size(
    guarded: GatewayProcess, keys: Keys, upstream: ScriptedUpstream
) -> None:
    told = upstream.on("told", stream(delta("m", "a"), usage_event("m", 40, 60), DONE))
    untold = upstream.on("untold", stream(*(delta("m", "word") for _ in range(20)), DONE))
    header = added(guarded, keys, "streamer", tpm=1000)

    first = ask(guarded.port, chat("m", told, stream=True), **header)
    second = ask(guarded.port, chat("m", untold, stream=True), **header)
    third = ask(guarded.port, chat("m", told, stream=True), **header)

    left = [int(a.headers["x-ratelimit-remaining-tokens"]) for a in (first, second, third)]
    assert left[0] == 1000
    assert 900 <= left[1] <= 903
    assert 20 < left[1] - left[2] < 200  # 20 events were guessed to be some 20 tokens


def test_a_budget_that_is_used_up_is_told_and_outlives_the_gateway(
    routes: Path, tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "keys.yaml")
    header = keys.add("team", budget=Budget(15, "day"))
    arguments = ("--config", routes, "--keys", keys.path, "--usage-file", tmp_path / "usage.json")
    with GatewayProcess(*arguments) as gateway:
        statuses = [ask(gateway.port, chat("m"), **header).status for _ in range(3)]
    with GatewayProcess(*arguments) as gateway:
        again = ask(gateway.port, chat("m"), **header)

    assert statuses == [200, 200, 429]
    assert (again.status, again.error["code"]) == (429, "insufficient_quota")
    assert 0 < int(again.headers["retry-after"]) <= 86_400
    assert again.headers["x-should-retry"] == "false"


def test_the_default_limit_is_for_keys_without_their_own_and_for_those_without_a_key(
    routes: Path, tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "keys.yaml")
    with GatewayProcess("--config", routes, "--keys", keys.path, "--rate-limit", "2") as gateway:
        nobody = [ask(gateway.port, chat("m")).status for _ in range(3)]
        plain = keys.add("plain")
        more = keys.add("more", rpm=3)
        loaded(gateway, {}, status=401)
        loaded(gateway, more)
        two = [ask(gateway.port, chat("m"), **plain).status for _ in range(3)]
        three = [ask(gateway.port, chat("m"), **more).status for _ in range(4)]

    assert nobody == two == [200, 200, 429]
    assert three == [200, 200, 200, 429]


def test_a_limit_keeps_its_count_when_the_file_is_loaded_again(
    guarded: GatewayProcess, keys: Keys
) -> None:
    header = added(guarded, keys, "steady", rpm=2)
    assert [ask(guarded.port, chat("m"), **header).status for _ in range(3)] == [200, 200, 429]

    added(guarded, keys, "somebody-else")

    assert ask(guarded.port, chat("m"), **header).status == 429


# Files that change

RELOADS = int(os.environ.get("FRONTIER_RELOADS", "200"))  # `make soak`: 1000


def test_a_wrong_file_is_named_with_its_line_and_the_keys_of_before_go_on(
    routes: Path, tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "keys.yaml")
    header = keys.add("kept")
    with GatewayProcess("--config", routes, "--keys", keys.path) as gateway:
        good = keys.path.read_text()
        keys.path.write_text(good + "  rpm: many\n")
        rejected = until(lambda: gateway.events("config_rejected"), timeout_s=2)[0]
        line = len(good.splitlines()) + 1
        assert rejected["reason"].startswith(f"{keys.path}:{line}: keys.0.rpm: ")
        assert ask(gateway.port, chat("m"), **header).status == 200
        ready = get(gateway.port, "/readyz").json
        assert f":{line}: keys.0.rpm" in ready["config_error"]
        keys.path.write_text(good)
        until(lambda: get(gateway.port, "/readyz").json["config_error"] is None, timeout_s=2)
        assert ask(gateway.port, chat("m"), **header).status == 200


def test_reloads_of_keys_and_routes_fail_no_request(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    keys, routes = Keys(tmp_path / "keys.yaml"), tmp_path / "routes.yaml"
    header = keys.add("user")
    text = ROUTES.format(url=upstream.url)
    routes.write_text(text)
    stop = threading.Event()
    statuses: list[int] = []
    with GatewayProcess("--config", routes, "--keys", keys.path) as gateway:

        def load() -> None:
            with RawClient(gateway.port) as client:
                while not stop.is_set():
                    client.post(chat("m"), **header)
                    statuses.append(client.read().status)
                    time.sleep(0.005)

        users = [threading.Thread(target=load) for _ in range(4)]
        for user in users:
            user.start()
        reloads = _reload(gateway, keys, routes, text, times=RELOADS // 2)
        stop.set()
        for user in users:
            user.join(10)

    sys.stdout.write(f"{len(statuses)} requests during {reloads} reloads\n")
    assert reloads == RELOADS
    assert len(statuses) > RELOADS
    assert set(statuses) == {200}


def _reload(gateway: GatewayProcess, keys: Keys, routes: Path, text: str, *, times: int) -> int:
    """Change both files *times* times, each once the gateway has taken the change before."""
    read, reloads = 0, 0
    for i in range(times):
        keys.change("user", rpm=1_000_000 + i)
        beside = routes.with_suffix(".new")
        beside.write_text(f"# change {i}\n{text}")
        beside.replace(routes)
        end = time.monotonic() + 5
        while reloads < 2 * (i + 1) and time.monotonic() < end:
            new = gateway.lines[read:]
            read += len(new)
            reloads += sum(x.get("event") in ("keys_loaded", "config_loaded") for x in new)
            time.sleep(0.005)
    return reloads


# Secrets


def test_no_secret_is_in_logs_metrics_errors_or_the_list_of_processes(
    guarded: GatewayProcess, keys: Keys
) -> None:
    unknown = "sk-frontier-leak-me-if-you-can"
    bodies = [ask(guarded.port, chat("m"), **bearer(unknown)).body]
    bodies += [ask(guarded.port, chat("m"), x_api_key=unknown).body]
    bodies += [ask(guarded.port, chat("nope"), **bearer(keys.secrets["first"])).body]
    bodies += [ask(guarded.port, b"{", **bearer(keys.secrets["first"])).body]
    bodies += [get(guarded.port, f"/{path}", **bearer("admin-secret")).body
               for path in ("metrics", "admin/routes", "readyz", "nope")]  # fmt: skip
    log_of(guarded, ask(guarded.port, chat("m"), **bearer(keys.secrets["first"])))
    processes = Path(f"/proc/{guarded.pid}/cmdline").read_bytes()
    environment = Path(f"/proc/{guarded.pid}/environ").read_bytes()
    told = b"\n".join([*bodies, processes, environment, json.dumps(guarded.lines).encode()])
    stored = keys.path.read_bytes()

    for secret in (*keys.secrets.values(), unknown, "api-secret", "admin-secret"):
        assert secret.encode() not in told
        assert secret.encode() not in stored
    assert oct(keys.path.stat().st_mode)[-3:] == "600"


def test_the_time_of_a_refusal_tells_nothing_about_the_secret(
    guarded: GatewayProcess, keys: Keys
) -> None:
    secret = keys.secrets["first"]
    wrong = {
        "all of it": "x" * len(secret),
        "its last byte": secret[:-1] + ("x" if secret[-1] != "x" else "y"),
    }
    times_s: dict[str, list[float]] = {name: [] for name in wrong}
    with RawClient(guarded.port) as client:
        for _ in range(400):
            for name, given in wrong.items():
                start = time.perf_counter()
                client.post(chat("m"), **bearer(given))
                assert client.read().status == 401
                times_s[name].append(time.perf_counter() - start)

    medians = [statistics.median(times) for times in times_s.values()]
    spread = statistics.median(abs(t - medians[0]) for t in times_s["all of it"])
    assert abs(medians[0] - medians[1]) < max(spread, 20e-6)
