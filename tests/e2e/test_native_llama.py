"""The real engine with the real model, supervised."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from frontier.adapters.llama_server import find_engine
from frontier.adapters.ports_free import free_port
from frontier.domain.errors import RuntimeFailedError
from frontier.domain.project import Service
from frontier.renderers.native import EngineSpec, GatewaySpec, render
from native_harness import Native, native_workspace
from waiting import until

NAME = "smollm2:135m"
MODULE = (sys.executable, "-m", "frontier.adapters.llama_server")


@pytest.fixture
def native(tmp_path: Path) -> Iterator[Native]:
    with native_workspace(tmp_path / "w") as native:
        yield native


def engine(model: Path, **options: object) -> Service:
    fields = {"argv": MODULE, "model": NAME, "path": model, "context": 512, "threads": 2}
    gateway = GatewaySpec(python="", bind="127.0.0.1", ports=(1,), config=())
    spec = EngineSpec(**{**fields, **options})  # type: ignore[arg-type]
    return render("llamacpp", spec, gateway).services[0]


def ask(port: int, path: str, question: object = None) -> Any:
    body = None if question is None else json.dumps(question).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", body, timeout=30) as answer:
        return json.load(answer)


def test_ready_means_that_the_real_engine_generates_under_the_name_that_clients_use(
    native: Native, smollm2: Path
) -> None:
    port = native.up(engine(smollm2)).services[0].port
    assert port is not None

    assert [model["id"] for model in ask(port, "/v1/models")["data"]] == [NAME]
    question = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    answer = ask(port, "/v1/chat/completions", question)
    assert answer["model"] == NAME
    assert answer["usage"]["completion_tokens"] == 4


def test_one_engine_chats_completes_and_embeds_beside_a_stream(
    native: Native, smollm2: Path
) -> None:
    port = native.up(engine(smollm2, parallel=2)).services[0].port
    assert port is not None
    question = {"prompt": "Count:", "max_tokens": 20, "ignore_eos": True, "stream": True}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/completions", json.dumps(question).encode()
    )

    with urllib.request.urlopen(request, timeout=60) as stream:
        stream.readline()
        cat, kitten, bond = vectors(port, "The cat sleeps.", "A kitten naps.", "Bonds fell by 3 %")
        chat = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
        assert ask(port, "/v1/chat/completions", chat)["usage"]["completion_tokens"] == 4
        rest = stream.read()

    assert rest.rstrip().endswith(b"data: [DONE]")
    assert math.hypot(*cat) == pytest.approx(1, abs=1e-4)
    assert math.dist(cat, kitten) < math.dist(cat, bond)  # the mean means something


def test_inputs_embedded_together_get_the_vectors_that_they_get_alone(
    native: Native, smollm2: Path
) -> None:
    port = native.up(engine(smollm2, parallel=4)).services[0].port
    assert port is not None
    texts = ["short", "bonds fell by three percent", "mid length text", "the sea " * 60]

    alone = [vectors(port, text)[0] for text in texts]

    for one, other in zip(vectors(port, *texts), alone, strict=True):
        assert math.dist(one, other) < 0.05  # rounding gives 0.01, a wrong mean 0.3


def vectors(port: int, *texts: str) -> list[list[float]]:
    data = ask(port, "/v1/embeddings", {"input": texts})["data"]
    assert [one["index"] for one in data] == list(range(len(texts)))
    return [one["embedding"] for one in data]


def test_a_killed_engine_generates_again(native: Native, smollm2: Path) -> None:
    before = native.up(engine(smollm2)).services[0]
    assert before.pid is not None

    os.kill(before.pid, signal.SIGKILL)

    after = native.until("llamacpp", "ready", not_pid=before.pid)
    assert after.port is not None
    assert ask(after.port, "/v1/completions", {"prompt": "a", "max_tokens": 1})["usage"]


def test_a_busy_engine_answers_for_its_health_and_stops_at_once(
    native: Native, smollm2: Path
) -> None:
    port = native.up(engine(smollm2)).services[0].port
    assert port is not None
    question = {"prompt": "Count:", "max_tokens": 5000, "ignore_eos": True, "stream": True}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/completions", json.dumps(question).encode()
    )
    with urllib.request.urlopen(request, timeout=30) as stream:
        stream.readline()
        assert ask(port, "/health") == {"status": "ok"}
        stopping = threading.Thread(target=native.down)
        stopping.start()
        stopping.join(timeout=5)  # the engine's own teardown would take 30 s
        assert not stopping.is_alive()


@pytest.mark.parametrize("damage", ["truncated", "garbage"])
def test_a_damaged_model_fails_with_the_engines_own_words(
    native: Native, smollm2: Path, tmp_path: Path, damage: str
) -> None:
    model = tmp_path / "model.gguf"
    with smollm2.open("rb") as whole:
        model.write_bytes(whole.read(1_000_000) if damage == "truncated" else b"x" * 1000)

    with pytest.raises(RuntimeFailedError, match="llamacpp did not start: exit code 1") as caught:
        native.up(engine(model))

    assert str(model) in caught.value.message
    assert "error loading model" in caught.value.details


def test_a_missing_model_fails_with_its_path(native: Native) -> None:
    with pytest.raises(RuntimeFailedError, match=r"there is no model file /nowhere/m\.gguf"):
        native.up(engine(Path("/nowhere/m.gguf")))


def test_an_engine_that_is_told_to_stop_while_it_loads_ends_at_once(
    smollm2: Path, tmp_path: Path
) -> None:
    flags = engine(smollm2).command(free_port())
    log = tmp_path / "log"
    with log.open("wb") as output, subprocess.Popen(flags, stderr=output) as process:
        until(lambda: b"loading model" in log.read_bytes(), what="loading")
        process.terminate()

        assert process.wait(timeout=5) in (-signal.SIGTERM, 0)


def test_a_taken_port_ends_the_engine_with_an_error(smollm2: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        flags = engine(smollm2).command(server.getsockname()[1])
        done = subprocess.run(flags, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 1
    assert "couldn't bind" in done.stderr
    assert f"error: llama.cpp does not start with {smollm2}" in done.stderr


# Which llama-server


def program(folder: Path, script: str) -> str:
    path = folder / "llama-server"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


HELP = (
    "echo '-m, --model FNAME -a, --alias S --host H --port P -c, --ctx-size N -np, --parallel N';"
    "echo '-cram, --cache-ram N -t, --threads N -fa, --flash-attn [on|off|auto] --metrics';"
    "echo '-b, --batch-size N -ub, --ubatch-size N'"
)


def test_a_llama_server_on_the_path_that_knows_our_flags_is_taken(tmp_path: Path) -> None:
    path = program(tmp_path, f"{HELP}; echo --embeddings --pooling --kv-unified --no-context-shift")

    engine = find_engine("python", path=str(tmp_path))

    assert engine.argv == (path,)
    assert engine.reason == f"llama.cpp at {path}"


def test_a_llama_server_whose_default_log_hides_the_devices_is_told_to_log_more(
    tmp_path: Path,
) -> None:
    levels = "echo ' - 3: info'; echo ' - 4: trace (more info)'"
    path = program(
        tmp_path, f"{HELP}; echo --embeddings --pooling --kv-unified --no-context-shift; {levels}"
    )

    engine = find_engine("python", path=str(tmp_path))

    assert engine.argv == (path, "--verbosity", "4")
    assert engine.name == f"llama.cpp at {path}"


def test_our_own_engine_lists_the_gpus_of_this_machine() -> None:
    done = subprocess.run((*MODULE, "--list-devices"), capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[0] == "Available devices:"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (
            HELP,
            "is too old: it does not know --pooling, --embeddings, --kv-unified, "
            "--no-context-shift",
        ),
        (
            "echo libcuda.so: not found >&2; exit 127",
            "fails with exit code 127: libcuda.so: not found",
        ),
        ("exit 1", "fails with exit code 1: no message"),
    ],
)
def test_a_llama_server_that_cannot_serve_us_is_passed_over_with_the_reason(
    tmp_path: Path, script: str, why: str
) -> None:
    path = program(tmp_path, script)

    engine = find_engine("python", path=str(tmp_path))

    assert engine.argv == ("python", "-m", "frontier.adapters.llama_server")
    assert engine.reason == f"the embedded llama.cpp, because {path} {why}"


def test_a_llama_server_that_hangs_is_passed_over(tmp_path: Path) -> None:
    path = program(tmp_path, "exec sleep 100")

    engine = find_engine("python", path=str(tmp_path), patience_s=0.2)

    assert engine.reason.endswith(f"{path} does not answer within 0.2 s")


def test_a_file_that_is_no_program_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "llama-server").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "llama-server").chmod(0o755)

    engine = find_engine("python", path=str(tmp_path))

    assert "cannot be executed: Exec format error" in engine.reason


def test_without_a_llama_server_ours_is_taken(tmp_path: Path) -> None:
    engine = find_engine("python", path=str(tmp_path))

    assert engine.reason == "the embedded llama.cpp (no llama-server on PATH)"
