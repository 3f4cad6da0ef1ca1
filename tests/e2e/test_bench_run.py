"""`frontier bench run` against a server whose delays are known."""

import contextlib
import csv
import http.server
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pexpect
import pytest
from typer.testing import CliRunner

from frontier.adapters import bench_files
from frontier.adapters.certificates import self_signed
from frontier.bootstrap import Services
from frontier.cli.app import app
from frontier.cli.bench_live import Silent
from frontier.cli.session import Session
from frontier.domain.bench import Result
from frontier.domain.errors import (
    FrontierError,
    NotRunningError,
    RefusedError,
    RuntimeFailedError,
    StorageError,
    UnlikeError,
    UsageError,
)
from frontier.domain.statistics import percentile
from frontier.usecases.bench import Bench as UseCase
from frontier.usecases.bench import CrashedError, run_in_turns
from frontier.usecases.bench_compare import compare
from frontier_cli import Frontier, free_port
from timed_server import FAILING, STALL_S, Timed, timed_server
from waiting import until

SHORT = ("--prompt-tokens", "16", "--output-tokens", "8", "--rounds", "1")
FEW = (*SHORT, "-c", "2", "-n", "4")
WARM = 2
NOISY = ("ttft_p50_s", "latency_p50_s", "output_tokens_per_s", "requests_per_s")
"""What the server's chance moves, and the machine's other work hardly."""

TRIES = 5
"""A busy machine delays what it likes, and never makes two clocks agree: the best one counts."""


@pytest.fixture(scope="module")
def server() -> Iterator[Timed]:
    with timed_server() as timed:
        yield timed


@pytest.fixture
def frontier(tmp_path: Path) -> Frontier:
    return Frontier(tmp_path / "ws")


@pytest.fixture
def urgent(server: Timed) -> Iterator[None]:
    """Let test and server go first where that is allowed: others use the machine, too."""
    try:
        for pid in (0, server.pid):
            policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
            os.sched_setscheduler(pid, policy, os.sched_param(1))
    except (AttributeError, PermissionError):
        yield
        return
    yield
    for pid in (0, server.pid):
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))


Bench = Callable[..., Any]


@pytest.fixture
def bench(tmp_path: Path, server: Timed) -> Bench:
    """Run the command in this process; return its JSON, or raise its error."""

    def run(*args: str, url: str = "", exit_code: int = 0) -> Any:
        words = ["bench", "run", "--url", url or server.url, *args, "--json"]
        session = Session(Services(chosen=tmp_path / "ws"))
        words = ["-w", str(tmp_path / "ws"), *words]
        done = CliRunner().invoke(app, words, obj=session)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == exit_code, done.output
        return json.loads(done.stdout)

    return run


def result_of(shown: Any) -> Result:
    return bench_files.read(Path(shown["path"]))


def agree(reported_s: float, own_s: float) -> bool:
    return abs(reported_s - own_s) <= max(0.001, 0.02 * own_s)


@pytest.mark.alone
@pytest.mark.usefixtures("urgent")
@pytest.mark.parametrize("model", ["constant", "bimodal", "tail"])
def test_percentiles_are_the_servers_own_within_2_percent_or_1_ms(
    bench: Bench, server: Timed, model: str
) -> None:
    off: dict[str, tuple[float, float]] = {}
    agreed: set[str] = set()
    for _ in range(TRIES):
        before = len(server.seen(model))
        values = bench("-m", model, *SHORT, "-c", "2", "-n", "100")["cases"][0]["values"]
        seen = server.seen(model)[before + WARM :]
        assert len(seen) == 100
        off = {
            name: (values[name]["value"], own_s)
            for name, own_s in own_times(seen).items()
            if name in values and name not in agreed
        }
        agreed |= {name for name, pair in off.items() if agree(*pair)}
        if agreed == set(own_times(seen)):
            return
    raise AssertionError(off)


def own_times(seen: list[dict[str, Any]]) -> dict[str, float]:
    """What the server itself measured, by the names of the result."""
    own = {
        "ttft": sorted(one["sent_s"][0] - one["got_s"] for one in seen),
        "latency": sorted(one["sent_s"][-1] - one["got_s"] for one in seen),
        "tpot": sorted((one["sent_s"][-1] - one["sent_s"][0]) / 7 for one in seen),
    }
    return {
        f"{name}_{word}_s": percentile(times, q)
        for name, times in own.items()
        for word, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }


def test_at_a_fixed_rate_everybody_who_was_due_while_the_server_stalled_has_waited(
    bench: Bench, server: Timed
) -> None:
    shown = bench("-m", "stall", *SHORT, "--rate", "20", "-n", "60", "--warmup", "0")

    waited = [s.first_s - s.due_s for s in result_of(shown).samples if s.first_s]
    seen = server.seen("stall")
    assert max(one["sent_s"][0] - one["got_s"] for one in seen) > 0.9 * STALL_S
    assert sum(wait > 0.1 for wait in waited) >= 0.9 * 20 * STALL_S - 2
    assert shown["cases"][0]["values"]["ttft_p50_s"]["value"] < 0.5


@pytest.mark.alone
@pytest.mark.usefixtures("urgent")
def test_requests_of_a_fixed_rate_leave_when_they_are_due(bench: Bench, server: Timed) -> None:
    for _ in range(TRIES):
        before = len(server.seen("constant"))
        bench("-m", "constant", *SHORT, "--rate", "50", "-n", "50", "--warmup", "0")
        got = [one["got_s"] for one in server.seen("constant")[before:]]
        off = sorted(abs(moment - got[0] - i / 50) for i, moment in enumerate(got))
        if percentile(off, 0.95) < 0.002:
            return
    raise AssertionError(off)


def differing(base: Result, new: Result) -> list[str]:
    """Return the metrics in which both differ beyond doubt."""
    found = compare(("", base), ("", new), allowed=("model",)).cases[0].changes
    return [c.metric for c in found if c.metric in NOISY and c.verdict in ("better", "worse")]


@pytest.mark.alone
@pytest.mark.usefixtures("urgent")
def test_three_runs_agree_within_their_intervals_and_another_server_does_not(bench: Bench) -> None:
    words = (*SHORT, "--rounds", "4", "-c", "4", "-n", "24")
    wrong: list[list[str]] = []
    for _ in range(TRIES):
        runs = [result_of(bench("-m", "tail", *words)) for _ in range(3)]
        other = result_of(bench("-m", "constant", *words))
        wrong = [differing(*pair) for pair in combinations(runs, 2)]
        # a 95 % interval is wrong once in twenty, and metrics of a run go together
        if sum(map(len, wrong)) <= 4 and "ttft_p50_s" in differing(runs[0], other):
            return
    raise AssertionError(wrong)


@pytest.mark.parametrize("model", FAILING)
def test_a_server_that_always_fails_is_told_with_its_words_and_kept(
    bench: Bench, tmp_path: Path, model: str
) -> None:
    code = {
        "not_http": "garbage",
        "cut": "broken",
        "inband": "failed",
        "hang": "timeout",
        "deep": "garbage",
        "rude": "http_500",
    }.get(model, model)

    with pytest.raises(FrontierError) as caught:
        bench("-m", model, *FEW, "--timeout", "0.5", "-o", str(tmp_path / "kept.json"))

    assert caught.value.exit_code == 4
    assert f": {code}: " in caught.value.message
    assert caught.value.hint
    kept = bench_files.read(tmp_path / "kept.json")
    assert {sample.error for sample in kept.samples} == {code}
    assert all(sample.detail for sample in kept.samples)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("early", "answers have 3 to 3 tokens, not 8"),
        ("untold", "does not tell tokens"),
    ],
)
def test_what_limits_a_result_stands_in_it(bench: Bench, model: str, told: str) -> None:
    shown = bench("-m", model, *FEW)

    assert told in " ".join(shown["notes"])
    assert result_of(shown).notes == tuple(shown["notes"])


def test_a_server_that_refuses_unknown_fields_is_asked_without_them(
    bench: Bench, server: Timed
) -> None:
    shown = bench("-m", "strict", *FEW)

    assert result_of(shown).load["ignores_eos"] is False
    assert shown["cases"][0]["errors"] == {}


def test_an_answer_may_end_with_its_connection(bench: Bench) -> None:
    shown = bench("-m", "lengthless", *FEW)

    assert shown["cases"][0]["errors"] == {}
    assert all(sample.tokens_out == 8 for sample in result_of(shown).samples)


@pytest.mark.parametrize("api", ["openai", "ollama"])
@pytest.mark.parametrize("operation", ["chat", "completion"])
def test_both_apis_are_measured_alike(
    bench: Bench, server: Timed, api: str, operation: str
) -> None:
    shown = bench("-m", "constant", "--api", api, "--operation", operation, *FEW)

    assert (shown["target"]["api"], shown["target"]["operation"]) == (api, operation)
    for sample in result_of(shown).samples:
        assert (len(sample.tokens_s), sample.tokens_out, sample.error) == (8, 8, "")
        assert abs(sample.tokens_in - 16) <= 2


@pytest.mark.parametrize("api", ["openai", "ollama"])
def test_embeddings_are_asked_for_in_batches(bench: Bench, server: Timed, api: str) -> None:
    words = (
        "--preset",
        "embedding",
        "--prompt-tokens",
        "20",
        "--rounds",
        "1",
        "-n",
        "4",
        "-c",
        "1",
    )

    shown = bench("-m", "vectors", "--api", api, *words)

    texts = server.seen("vectors")[-1]["body"]["input"]
    assert len(texts) == 16
    assert {sample.tokens_in for sample in result_of(shown).samples} == {16 * 20}
    assert shown["cases"][0]["values"]["input_tokens_per_s"]["value"] > 0
    assert "output_tokens_per_s" not in shown["cases"][0]["values"]


def test_prompts_differ_and_share_no_more_than_what_was_asked_for(
    bench: Bench, server: Timed
) -> None:
    before = len(server.seen("constant"))
    bench("-m", "constant", *FEW, "--prompt-tokens", "60", "--shared-prefix", "40", "--seed", "3")

    prompts = [one["body"]["messages"][0]["content"] for one in server.seen("constant")[before:]]

    assert len(set(prompts)) == len(prompts) > 4
    columns = zip(*(prompt.split() for prompt in prompts), strict=False)
    assert 40 <= sum(len(set(column)) == 1 for column in columns) <= 50


def test_a_result_tells_what_it_was_made_with(bench: Bench, server: Timed) -> None:
    result = result_of(bench("-m", "constant", *FEW, "--seed", "3"))

    assert result.target["url"] == server.url
    assert result.machine["cpu"]
    assert result.machine["cores"] >= 1
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|", result.commit)
    assert result.load["seed"] == 3
    assert 0 < result.client["cpu_s"] < result.client["wall_s"]
    assert result.is_complete


def test_the_table_beside_the_result_has_its_samples(bench: Bench) -> None:
    shown = bench("-m", "constant", *FEW)

    with Path(shown["table"]).open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(result_of(shown).samples) == 4


def test_results_lie_where_they_are_wanted(bench: Bench, tmp_path: Path) -> None:
    default = bench("-m", "constant", *FEW)["path"]
    (tmp_path / "there").mkdir()

    assert Path(default).parent == tmp_path / "ws" / "data" / "bench"
    assert re.fullmatch(r"\d{8}T\d{6}Z-constant.json", Path(default).name)
    assert bench("-m", "constant", *FEW, "-o", str(tmp_path / "there"))["path"].startswith(
        str(tmp_path / "there" / "2")
    )
    assert bench("-m", "constant", *FEW, "-o", str(tmp_path / "new" / "x.json"))["path"] == str(
        tmp_path / "new" / "x.json"
    )


@pytest.mark.parametrize(
    ("there", "wanted", "kind"),
    [
        ("a.json", "a.json", RefusedError),
        ("a.csv", "a.json", RefusedError),
        ("a.txt", "a.txt", UsageError),
    ],
)
def test_what_is_in_the_way_is_told_before_anything_is_measured(
    bench: Bench, tmp_path: Path, there: str, wanted: str, kind: type[FrontierError]
) -> None:
    (tmp_path / there).write_text("mine")

    with pytest.raises(kind):
        bench("-m", "constant", *FEW, "-o", str(tmp_path / wanted))

    assert (tmp_path / there).read_text() == "mine"


def test_a_place_that_goes_away_meanwhile_loses_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"

    def run(benches: Sequence[UseCase]) -> Sequence[Result | None]:
        results = run_in_turns(benches)
        place.rmdir()
        place.touch()
        return results

    monkeypatch.setattr("frontier.cli.bench_run.run_in_turns", run)
    with pytest.raises(StorageError) as caught:
        bench("-m", "constant", *FEW, "-o", str(place / "r.json"))

    kept = Path(caught.value.hint.removeprefix("The result lies in "))
    assert len(bench_files.read(kept).samples) == 4


def test_an_error_of_ours_loses_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Silent, "end", end)
    with pytest.raises(CrashedError):
        bench("-m", "constant", *FEW, "-o", str(tmp_path / "r.json"))

    kept = bench_files.read(tmp_path / "r.json")
    assert len(kept.samples) == 4
    assert not kept.is_complete


def test_a_server_that_dies_leaves_a_result_that_is_not_complete(
    bench: Bench, tmp_path: Path
) -> None:
    words = (*SHORT, "-c", "4", "--duration", "20", "-o", str(tmp_path / "r.json"))
    with timed_server() as mortal:
        timer = threading.Timer(1.5, os.kill, (mortal.pid, signal.SIGKILL))
        timer.start()
        shown = bench("-m", "constant", *words, url=mortal.url, exit_code=4)

    assert not shown["is_complete"]
    assert "was left" in " ".join(shown["notes"])
    assert bench_files.read(tmp_path / "r.json").notes == tuple(shown["notes"])


def test_the_key_that_a_server_repeats_is_not_kept(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(FrontierError) as caught:
        bench("-m", "rude", *FEW, "--key", "sk-typed", "-o", str(tmp_path / "r.json"))

    kept = (tmp_path / "r.json").read_text() + (tmp_path / "r.csv").read_text()
    assert "sk-typed" not in kept + caught.value.message
    assert "Bearer ***" in kept
    assert "\x1b" not in caught.value.message


def test_a_dry_run_tells_cases_and_time_and_writes_nothing(bench: Bench, tmp_path: Path) -> None:
    plan = bench("-m", "constant", "--preset", "chat", "--dry-run")

    assert [case["id"] for case in plan["cases"]] == [
        f"closed-c{users}-p512-o256" for users in (1, 4, 16)
    ]
    assert plan["counts"] == [8, 16, 64]
    assert 0 < plan["least_s"] < plan["most_s"]
    assert not (tmp_path / "ws" / "data").exists()


def test_a_dry_run_of_fixed_rates_knows_its_time(bench: Bench) -> None:
    plan = bench("-m", "constant", "--rate", "2,4", "--duration", "30", "--dry-run")

    assert (plan["least_s"], plan["most_s"]) == (180, 180)


@pytest.mark.parametrize(
    "words",
    [
        ("-c", "0"),
        ("-c", "many"),
        ("-c", "1.5"),
        ("--rate", "-1"),
        ("--rate", "nan"),
        ("--rate", "inf"),
        ("--output-tokens", "0"),
        ("--preset", "fast"),
        ("-c", "1", "--rate", "1"),
        ("-c", "16", "-n", "4"),
    ],
)
def test_a_load_that_is_none_is_refused(bench: Bench, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        bench(*words)


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("ftp://x", UsageError, "is no URL"),
        ("http://", UsageError, "is no URL"),
        ("http://h:99999", UsageError, "is no URL"),
        ("http://me:secret@h", UsageError, "carries a password"),
        ("http://h/v1?api_key=secret", UsageError, "carries a query"),
        ("http://[::1", UsageError, "is no URL"),
        ("127.0.0.1:{free}", NotRunningError, "nothing answers at http://127.0.0.1:"),
        ("http://nowhere.invalid", NotRunningError, "nothing answers"),
    ],
)
def test_an_address_where_nothing_is_is_told(
    bench: Bench, url: str, kind: type[FrontierError], words: str
) -> None:
    with pytest.raises(kind, match=re.escape(words)) as caught:
        bench(url=url.format(free=free_port()))

    assert "secret" not in caught.value.message
    assert caught.value.hint


class _Odd(http.server.BaseHTTPRequestHandler):
    """Lists models as the path's first part says."""

    def do_GET(self) -> None:
        status = int(self.path.split("/")[1])
        self.send_response(status)
        if status == 301:
            self.send_header("location", "http://elsewhere/")
        self.end_headers()
        self.wfile.write(b"<p>hello</p>")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def odd() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Odd) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "words", "hint"),
    [
        (401, "wants a key that it knows (401)", "--key"),
        (403, "wants a key that it knows (403)", "--key"),
        (301, "redirects to http://elsewhere/", "--url"),
        (404, "speaks neither OpenAI's API nor Ollama's", "--api"),
        (200, "speaks neither OpenAI's API nor Ollama's", "--api"),
        (500, "answered 500", "log"),
    ],
)
def test_a_server_that_cannot_be_measured_is_told(
    bench: Bench, odd: http.server.ThreadingHTTPServer, status: int, words: str, hint: str
) -> None:
    with pytest.raises(FrontierError, match=re.escape(words)) as caught:
        bench(url=f"http://127.0.0.1:{odd.server_port}/{status}")

    assert caught.value.exit_code == 4
    assert hint in caught.value.hint


def test_a_certificate_that_nobody_trusts_is_refused(
    bench: Bench, odd: http.server.ThreadingHTTPServer, tmp_path: Path
) -> None:
    self_signed(tmp_path, ["127.0.0.1"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Odd) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(FrontierError, match=r"certificate verify failed"):
            bench(url=f"https://127.0.0.1:{server.server_port}/404")
        server.shutdown()


def test_the_key_is_sent_and_never_kept(frontier: Frontier, server: Timed) -> None:
    frontier.env["FRONTIER_BENCH_KEY"] = "sk-from-the-environment"
    words = ("bench", "run", "--url", server.url, "-m", "constant", *FEW)

    said = frontier.ok(*words)
    said += frontier.ok(*words, "--key", "sk-typed", "--seed=1")

    kept = "".join(p.read_text() for p in (frontier.workspace / "data" / "bench").iterdir())
    assert "sk-" not in kept + said
    assert "--key '***'" in kept


def test_a_proxy_of_the_environment_sees_nothing(frontier: Frontier, server: Timed) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    frontier.env |= {"http_proxy": proxy, "HTTP_PROXY": proxy, "ALL_PROXY": proxy}

    assert "constant" in frontier.ok("bench", "run", "--url", server.url, "-m", "constant", *FEW)


def under_way(
    frontier: Frontier, server: Timed, tmp_path: Path, users: int
) -> subprocess.Popen[bytes]:
    """Start a run of a minute that writes r.json, and return once it has measured something."""
    load = ("-m", "constant", *SHORT, "-c", str(users), "--duration", "60")
    words = ("bench", "run", "--url", server.url, *load, "-o", str(tmp_path / "r.json"))
    before = len(server.seen("constant"))
    process = frontier.start(*words, output=tmp_path / "out")
    until(lambda: len(server.seen("constant")) > before + 20, timeout_s=30)
    return process


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_keeps_what_was_measured(
    frontier: Frontier, server: Timed, tmp_path: Path, how: signal.Signals
) -> None:
    process = under_way(frontier, server, tmp_path, 4)

    process.send_signal(how)

    assert process.wait(20) == 130
    result = bench_files.read(tmp_path / "r.json")
    assert not result.is_complete
    assert len(result.samples) >= 12
    assert not any(sample.error for sample in result.samples)
    assert "note: It was interrupted" in (tmp_path / "out").read_text()


def test_ctrl_c_again_and_again_keeps_it_all_the_same(
    frontier: Frontier, server: Timed, tmp_path: Path
) -> None:
    process = under_way(frontier, server, tmp_path, 8)

    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        process.send_signal(number)
        time.sleep(0.02)

    process.wait(20)  # by whichever came last
    assert len(bench_files.read(tmp_path / "r.json").samples) >= 12


def test_ctrl_c_while_the_result_is_written_loses_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = bench_files.write

    def interrupted(result: Result, path: Path) -> tuple[Path, Path]:
        os.kill(os.getpid(), signal.SIGINT)
        return write(result, path)

    monkeypatch.setattr(bench_files, "write", interrupted)
    shown = bench("-m", "constant", *FEW, "-o", str(tmp_path / "r.json"), exit_code=130)

    assert shown["is_complete"]
    assert bench_files.read(tmp_path / "r.json").is_complete


def test_ctrl_c_before_anything_was_measured_leaves_nothing(
    frontier: Frontier, server: Timed, tmp_path: Path
) -> None:
    words = ("-m", "hang", *SHORT, "-o", str(tmp_path / "r.json"))
    before = len(server.seen("probed"))
    process = frontier.start("bench", "run", "--url", server.url, *words, output=tmp_path / "out")
    until(lambda: len(server.seen("probed")) > before, timeout_s=30)

    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 130
    assert not (tmp_path / "r.json").exists()
    assert "Traceback" not in (tmp_path / "out").read_text()


PAIR = ("-m", "constant", "-m", "bimodal")


def test_two_models_are_measured_in_turns_and_compared(
    bench: Bench, server: Timed, tmp_path: Path
) -> None:
    before = len(server.seen())

    shown = bench(*PAIR, *SHORT, "--rounds", "2", "-c", "2", "-n", "4", "-o", str(tmp_path))

    asked = [one["model"] for one in server.seen()[before:] if one["model"] != "probed"]
    assert asked == ["constant"] * 6 + ["bimodal"] * 12 + ["constant"] * 6
    assert [run["target"]["model"] for run in shown["runs"]] == ["constant", "bimodal"]
    assert [len(bench_files.read(Path(run["path"])).samples) for run in shown["runs"]] == [8, 8]
    first, second = (bench_files.read(Path(run["path"])) for run in shown["runs"])
    assert first.created == second.created
    comparison = shown["comparison"]
    assert [comparison["base"]["path"], comparison["new"]["path"]] == [
        run["path"] for run in shown["runs"]
    ]
    assert [one["what"] for one in comparison["allowed"]] == ["model"]
    assert {c["metric"] for c in comparison["cases"][0]["changes"]} >= {"ttft_p50_s", "error_ratio"}


def test_a_person_sees_which_of_two_models_is_measured(frontier: Frontier, server: Timed) -> None:
    words = ("bench", "run", "--url", server.url, *PAIR, *FEW, "--rounds", "2")

    planned = frontier.ok(*words, "--dry-run")
    done = frontier.run(*words)

    assert [line for line in planned.splitlines() if line.startswith("would ask")] == [
        f"would ask {name} at {server.url}" for name in ("constant", "bimodal")
    ]
    assert [line.split(": ")[:2] for line in done.stderr.splitlines()] == [
        ["constant", "closed-c2-p16-o8 round 1"],
        ["bimodal", "closed-c2-p16-o8 round 1"],
        ["bimodal", "closed-c2-p16-o8 round 2"],
        ["constant", "closed-c2-p16-o8 round 2"],
    ]
    assert "VERDICT" in done.stdout
    assert done.stdout.count("wrote ") == 2


def test_ctrl_c_keeps_what_was_measured_of_both(
    frontier: Frontier, server: Timed, tmp_path: Path
) -> None:
    words = (*PAIR, *SHORT, "--rounds", "2", "-c", "4", "--duration", "2", "-o", str(tmp_path))
    before = len(server.seen("bimodal"))
    process = frontier.start("bench", "run", "--url", server.url, *words, output=tmp_path / "out")
    until(lambda: len(server.seen("bimodal")) > before + 8, timeout_s=30)

    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 130
    results = [bench_files.read(path) for path in sorted(tmp_path.glob("*.json"))]
    assert [result.target["model"] for result in results] == ["bimodal", "constant"]
    assert not any(result.is_complete for result in results)
    assert all(result.samples for result in results)


def test_one_of_two_models_that_fails_is_told_and_both_are_kept(
    bench: Bench, tmp_path: Path
) -> None:
    with pytest.raises(FrontierError, match="http_500"):
        bench("-m", "constant", "-m", "http_500", *FEW, "-o", str(tmp_path))

    assert len(list(tmp_path.glob("*.json"))) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "a", "-m", "a"),
        ("-m", "a", "-m", "b", "-m", "c"),
        ("-m", "", "-m", "b"),
        (*PAIR, "-o", "one.json"),
        (*PAIR, "--api", "ollama"),  # which tells that both are one file
    ],
    ids=["alike", "three", "empty", "one file", "alias"],
)
def test_what_is_no_pair_is_refused(bench: Bench, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        bench(*words, *FEW)

    assert caught.value.hint


def test_both_are_asked_what_both_understand(bench: Bench, server: Timed) -> None:
    before = len(server.seen())

    shown = bench("-m", "constant", "-m", "strict", *FEW)

    asked = [one for one in server.seen()[before:] if one["model"] != "probed"]
    assert len(asked) == 12
    assert not any("ignore_eos" in one["body"] for one in asked)
    assert shown["comparison"]["cases"]


def test_two_that_cannot_be_compared_are_shown_and_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UnlikeError("they differ", hint="")

    monkeypatch.setattr("frontier.cli.bench_run.compare", refuse)

    shown = bench(*PAIR, *FEW)

    assert shown["comparison"] is None
    assert all(Path(run["path"]).exists() for run in shown["runs"])


def test_models_whose_names_make_one_file_name_get_two(bench: Bench, tmp_path: Path) -> None:
    shown = bench("-m", "con/stant", "-m", "con-stant", *FEW, "-o", str(tmp_path))

    assert len({run["path"] for run in shown["runs"]}) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("--duration", "inf"),
        ("--duration", "1e-9"),
        ("--timeout", "inf"),
        ("--rate", ","),
        ("--key", "sk-secret\u00e9"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_measured_with_is_refused(bench: Bench, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        bench("-m", "constant", *words)

    assert "secret" not in f"{caught.value}{caught.value.hint}"


def test_a_keys_line_end_is_no_part_of_it(bench: Bench) -> None:
    with pytest.raises(FrontierError) as caught:
        bench("-m", "rude", "--key", "sk-0123456789\r\n", *FEW)

    assert "http_500" in caught.value.message
    assert "0123456789" not in caught.value.message


@pytest.mark.parametrize(("api", "asked"), [("openai", True), ("ollama", False)])
def test_the_result_tells_whether_answers_of_full_length_were_asked_for(
    bench: Bench, api: str, asked: bool
) -> None:
    shown = bench("-m", "constant", "--api", api, *FEW)

    assert bench_files.read(Path(shown["path"])).load["ignores_eos"] is asked


def test_a_server_whose_head_never_ends_is_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontier.adapters.bench_probe._TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                for _ in range(100):
                    connection.sendall(b"a")
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        begun = time.monotonic()
        with pytest.raises(RuntimeFailedError, match="gave no answer"):
            bench(url=f"http://127.0.0.1:{listening.getsockname()[1]}")

    assert time.monotonic() - begun < 8


def test_a_terminal_sees_it_run_and_a_pipe_gets_a_line_per_round(
    frontier: Frontier, server: Timed
) -> None:
    words = ("bench", "run", "--url", server.url, "-m", "constant", *SHORT, "--rounds", "2")
    argv = frontier.argv(*words, "-c", "4", "--duration", "1.2")
    child = pexpect.spawn(
        argv[0], argv[1:], env=frontier.environ, timeout=30, encoding="utf-8", dimensions=(24, 70)
    )
    child.expect(r"\r\x1b\[Kclosed-c4-p16-o8 round 1: \d+ done, \d open; \d+ pieces/s")
    child.expect(r"\x1b\[Kclosed-c4-p16-o8 round 1: \d+ requests, [\d.]+/s, \d+ tokens/s")
    child.expect("CASE")
    child.expect(pexpect.EOF)
    assert max(map(len, re.split(r"[\r\n]", child.before or ""))) < 400

    piped = frontier.run(*words, "-c", "4", "-n", "8")

    assert [line.partition(":")[0] for line in piped.stderr.splitlines()] == [
        "closed-c4-p16-o8 round 1",
        "closed-c4-p16-o8 round 2",
    ]
    assert frontier.run(*words, "-c", "4", "-n", "8", "--quiet").stderr == ""


def test_without_a_stack_the_next_move_is_told(frontier: Frontier) -> None:
    assert "hint: Start it: `frontier up`" in frontier.fails(4, "bench", "run")
