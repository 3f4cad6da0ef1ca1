"""Engines are asked where they compute: real logs, a real HTTP server, a real llama.cpp."""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from frontier.adapters.compute import prove
from frontier.adapters.compute_record import ComputeRecord
from frontier.adapters.logs import Logs
from frontier.domain.offload import Compute
from frontier.domain.state import ServiceState
from frontier_cli import Frontier
from waiting import until

FIXTURES = Path(__file__).parents[1] / "fixtures" / "compute"


def said(name: str) -> list[str]:
    return (FIXTURES / name).read_text().splitlines()


@contextmanager
def api(answers: Mapping[str, bytes]) -> Iterator[str]:
    """An engine's HTTP API on loopback; paths that are not named answer 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def no_log(lines: int) -> Sequence[str]:
    raise FileNotFoundError("no log")


def test_ollamas_api_says_how_much_and_its_log_says_on_what() -> None:
    with api({"/api/ps": fixture("ollama-ps-partial.json")}) as url:
        found = prove("ollama", tail=lambda _: said("ollama-idle.log"), base_url=url)

    assert found is not None
    assert str(found) == "CUDA0 (NVIDIA L4), 2.1 GiB of 5.3 GiB"
    assert found.source == "api"
    assert "size_vram" in found.evidence
    assert "inference compute" in found.evidence


def test_ollamas_api_is_right_where_its_log_is_of_another_opinion() -> None:
    with api({"/api/ps": fixture("ollama-ps-cpu.json")}) as url:
        found = prove("ollama", tail=lambda _: said("ollama-cuda.log"), base_url=url)

    assert str(found) == "CPU"


@pytest.mark.parametrize("answer", [b"[]", b"nonsense", b'{"models": 5}', b'{"models": [5]}'])
def test_an_api_that_answers_nonsense_proves_nothing(answer: bytes) -> None:
    with api({"/api/ps": answer}) as url:
        assert prove("ollama", tail=no_log, base_url=url) is None


def test_ollama_without_an_answer_is_known_by_its_log() -> None:
    with api({}) as url:
        found = prove("ollama", tail=lambda _: said("ollama-cuda.log"), base_url=url)

    assert str(found) == "CUDA0 (NVIDIA L4), 33/33 layers"


def test_a_mistral_whose_log_tells_nothing_is_known_by_its_build() -> None:
    with api({"/v1/system/info": fixture("mistral-info-cpu.json")}) as url:
        found = prove("mistral", tail=lambda _: [], base_url=url)

    assert str(found) == "CPU"


def test_a_mistral_whose_log_tells_is_not_asked() -> None:
    found = prove("mistral", tail=lambda _: said("mistral-cuda.log"), base_url="http://127.0.0.1:1")

    assert str(found) == "cuda[0], 32/32 layers"


@pytest.mark.parametrize("backend", ["llamacpp", "mistral", "ollama", "vllm", "openai"])
def test_an_engine_that_is_not_there_proves_nothing(backend: str) -> None:
    assert prove(backend, tail=no_log, base_url="http://127.0.0.1:1") is None
    assert prove(backend, tail=no_log) is None


def test_a_log_that_hangs_does_not_hold_the_command_up() -> None:
    released = threading.Event()
    started = time.monotonic()

    def hangs(lines: int) -> Sequence[str]:
        released.wait(30)
        return []

    assert prove("llamacpp", tail=hangs, timeout_s=0.2) is None
    assert time.monotonic() - started < 5
    released.set()


def test_an_engine_that_wrote_much_since_is_found_further_back_in_its_log() -> None:
    lines = [*said("llamacpp-cuda.log"), *["slot release: id 0"] * 5000]

    found = prove("llamacpp", tail=lambda count: lines[-count:])

    assert str(found) == "CUDA0 (NVIDIA L4), 33/33 layers"


@dataclass
class Engine:
    """A native service whose log can be replaced."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "logs").mkdir()
        self.log = self.folder / "logs" / "llamacpp.log"
        self.record = ComputeRecord(self.folder / "compute.json", Logs(self.folder / "logs").tail)
        self.state = ServiceState(
            name="llamacpp", phase="ready", digest="d", pid=7, started_at=1.0, port=1
        )

    def writes(self, name: str) -> None:
        self.log.write_bytes(fixture(name))

    def says(self, **changes: object) -> Compute | None:
        return self.record.of(replace(self.state, **changes), "llamacpp")  # type: ignore[arg-type]


def test_what_an_engine_said_is_remembered_while_it_lives_and_asked_again_after(
    tmp_path: Path,
) -> None:
    engine = Engine(tmp_path)
    engine.writes("llamacpp-cuda.log")
    first = engine.says()
    engine.log.write_text("slot release: id 0\n" * 100)  # its log was rotated away

    assert str(first) == "CUDA0 (NVIDIA L4), 33/33 layers"
    assert engine.says() == first
    assert engine.says(pid=8) is None
    engine.writes("llamacpp-cpu.log")
    assert str(engine.says(pid=8, started_at=2.0)) == "CPU"


def test_an_engine_that_is_not_ready_is_not_believed(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    engine.writes("llamacpp-cuda.log")

    assert engine.says(phase="starting") is None
    assert not (tmp_path / "compute.json").exists()


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"llamacpp": {"start": "7 1.0"}}'])
def test_a_damaged_memory_is_written_anew(tmp_path: Path, text: str) -> None:
    engine = Engine(tmp_path)
    (tmp_path / "compute.json").write_text(text)
    engine.writes("llamacpp-cpu.log")

    assert str(engine.says()) == "CPU"
    assert str(engine.says()) == "CPU"
    assert "CPU_Mapped" in (tmp_path / "compute.json").read_text()


def test_a_memory_from_another_version_counts_as_none(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    known = {"start": "7 1.0", "compute": {"gadget": "CPU"}}
    (tmp_path / "compute.json").write_text(json.dumps({"llamacpp": known}))
    engine.writes("llamacpp-cpu.log")

    assert str(engine.says()) == "CPU"


def test_a_workspace_that_cannot_be_written_is_told_all_the_same(
    tmp_path: Path, read_only: Path
) -> None:
    engine = Engine(tmp_path)
    engine.writes("llamacpp-cpu.log")
    record = ComputeRecord(read_only / "compute.json", Logs(tmp_path / "logs").tail)

    assert str(record.of(engine.state, "llamacpp")) == "CPU"


def test_ollama_is_asked_every_time_because_it_loads_models_as_they_are_used(
    tmp_path: Path,
) -> None:
    engine = Engine(tmp_path)
    engine.writes("ollama-idle.log")

    first = engine.record.of(engine.state, "ollama")
    engine.writes("ollama-cuda.log")

    assert str(first) == "CUDA0 (NVIDIA L4)"
    assert str(engine.record.of(engine.state, "ollama")) == "CUDA0 (NVIDIA L4), 33/33 layers"


def test_a_container_is_known_by_what_it_wrote_and_not_by_a_host_process_of_its_name(
    tmp_path: Path,
) -> None:
    engine = Engine(tmp_path)
    engine.writes("llamacpp-cpu.log")
    asked = list[str]()

    def container_tail(name: str, lines: int) -> list[str]:
        asked.append(name)
        return said("llamacpp-cuda.log")[-lines:]

    record = ComputeRecord(
        tmp_path / "compute.json", Logs(tmp_path / "logs").tail, container_tail=container_tail
    )
    container = replace(engine.state, port=None)

    assert str(record.of(container, "llamacpp")) == "CUDA0 (NVIDIA L4), 33/33 layers"
    assert asked == ["llamacpp"]


def test_a_container_whose_log_nobody_can_read_proves_nothing(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    engine.writes("llamacpp-cpu.log")

    assert engine.says(port=None) is None


@pytest.fixture(scope="module")
def frontier(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Frontier]:
    """A workspace whose stack is up."""
    cli = Frontier(tmp_path_factory.mktemp("ws") / "stack")
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    cli.ok("up")
    yield cli
    cli.run("down")


def engine_of(cli: Frontier) -> dict[str, object]:
    found: dict[str, object] = cli.json("status")["services"][0]
    return found


def test_status_proves_with_the_real_engines_own_line_that_it_computes_on_the_cpu(
    frontier: Frontier,
) -> None:
    seen = frontier.json("status")

    compute = seen["services"][0]["compute"]
    assert compute["device"] == "CPU"
    assert compute["source"] == "log"
    log = (frontier.workspace / "logs/llamacpp.log").read_text()
    assert "CPU_Mapped model buffer size" in compute["evidence"]
    assert compute["evidence"] in log
    assert seen["services"][1]["compute"] is None
    header, engine, gateway = frontier.ok("status").splitlines()[1:4]
    column = header.index("COMPUTE")
    assert engine[column:].split() == ["CPU"]
    assert gateway[column:].split() == ["-"]


def test_a_question_never_stands_in_the_log_that_proves_the_device(frontier: Frontier) -> None:
    frontier.ok("chat", "-m", "Xylophone zebra quagmire", "--max-tokens", "4")

    log = (frontier.workspace / "logs/llamacpp.log").read_text().lower()
    assert not [word for word in ("xylophone", "zebra", "quagmire") if word in log]


@pytest.mark.parametrize(
    ("accelerator", "why"),
    [
        ("cuda", "this machine has no NVIDIA GPU"),
        ("rocm", "this machine has no AMD GPU"),
        ("metal", "this machine is no Mac with Apple silicon"),
    ],
)
def test_a_gpu_that_this_machine_lacks_is_refused_and_what_runs_goes_on(
    frontier: Frontier, accelerator: str, why: str
) -> None:
    before = engine_of(frontier)["pid"]
    other = Frontier(frontier.workspace, env={**frontier.env, "ACCELERATOR": accelerator})

    error = other.fails(5, "up")

    assert f"ACCELERATOR={accelerator}, but {why}" in error
    assert "frontier config set ACCELERATOR auto" in error
    assert engine_of(frontier)["pid"] == before


def test_a_gpu_that_this_machine_lacks_is_refused_before_anything_was_begun(
    tmp_path: Path,
) -> None:
    cli = Frontier(tmp_path / "ws", env={"ACCELERATOR": "cuda"})

    assert "no NVIDIA GPU" in cli.fails(5, "up")
    assert cli.json("status")["state"] == "stopped"
    assert not (cli.workspace / "data").exists()


def test_the_decision_and_its_reason_are_printed(frontier: Frontier) -> None:
    assert "accelerator: cpu, because there is no GPU" in frontier.json("up")["decisions"]


def test_an_engine_that_was_started_again_is_asked_again(frontier: Frontier) -> None:
    before = engine_of(frontier)

    frontier.ok("restart", "llamacpp")

    after = until(
        lambda: engine if (engine := engine_of(frontier))["compute"] else None,
        what="a proof",
    )
    assert after["pid"] != before["pid"]
    assert after["compute"] == before["compute"]


LIAR = """#!/bin/sh
# A llama.cpp that lists a GPU and then computes on the processor.
case "$1" in
--help) exec {python} -c 'print("--model --alias --host --port --ctx-size --parallel --cache-ram \
--pooling --threads --batch-size --ubatch-size --flash-attn --metrics --embeddings \
--kv-unified --no-context-shift")' ;;
--list-devices) cat {devices}; exit 0 ;;
esac
exec {python} -m frontier.adapters.llama_server "$@"
"""


def test_an_engine_that_has_a_gpu_and_computes_on_the_cpu_fails_up_with_its_own_line(
    tmp_path: Path, smollm2: Path
) -> None:
    import os
    import sys

    tools = tmp_path / "bin"
    tools.mkdir()
    liar = tools / "llama-server"
    liar.write_text(LIAR.format(python=sys.executable, devices=FIXTURES / "devices-cuda.txt"))
    liar.chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    cli = Frontier(tmp_path / "ws", env={"PATH": path, "ACCELERATOR": "cuda"})
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")

    error = cli.fails(4, "up")

    assert "ACCELERATOR=cuda asks for a GPU, and llamacpp computes on the CPU" in error
    assert "CPU_Mapped model buffer size" in error
    assert "frontier logs llamacpp" in error
    assert cli.json("status")["state"] == "stopped"
