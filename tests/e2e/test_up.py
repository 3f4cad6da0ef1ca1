"""The verbs, as a newcomer types them, on the real engine and the real model."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import ollama
import psutil
import pytest

from frontier_cli import Frontier, free_port
from waiting import until

SHORTEST = tuple("--prompt-tokens 40 --output-tokens 2 -c 1 -n 1 --rounds 1 --warmup 0".split())


@pytest.fixture(scope="module")
def frontier(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Frontier]:
    """A workspace whose stack is up."""
    cli = Frontier(tmp_path_factory.mktemp("ws") / "stack")
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    cli.ok("up")
    yield cli
    cli.run("down")


def test_up_again_changes_nothing_and_streams_a_token(frontier: Frontier) -> None:
    before = frontier.json("status")

    again = frontier.json("up")

    assert again["steps"] == []
    assert again["answer"]["completion_tokens"] > 0
    pids = [s["pid"] for s in frontier.json("status")["services"]]
    assert pids == [s["pid"] for s in before["services"]]


def test_up_prints_the_answer_its_speed_and_what_to_paste(frontier: Frontier) -> None:
    out = frontier.ok("up")

    assert "tokens/s]" in out
    assert f"smollm2:135m answers at {frontier.url}" in out
    assert f"curl {frontier.url}/v1/chat/completions" in out
    assert "aider --model openai/smollm2:135m" in out
    assert f'from openai import OpenAI; client = OpenAI(base_url="{frontier.url}/v1"' in out


def test_the_curl_line_that_up_prints_works(frontier: Frontier) -> None:
    import subprocess

    line = frontier.json("up")["clients"]["curl"]

    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["choices"][0]["message"]["content"]


def test_clients_of_ollama_find_the_model_and_what_it_can(frontier: Frontier) -> None:
    with ollama.Client(host=frontier.url) as client:
        (listed,) = client.list().models
        shown = client.show("smollm2")
        pulled = client.pull("smollm2:135m", stream=False)
        answer = client.generate("smollm2", "Say hello.", options={"num_predict": 2})

    assert listed.model == "smollm2:135m"
    assert listed.details is not None
    assert (listed.details.parameter_size, listed.details.quantization_level) == ("134.52M", "Q4_1")
    assert shown.modelinfo is not None
    context = json.loads(frontier.ok("config", "get", "MAX_CONTEXT_LENGTH", "--json"))["value"]
    assert shown.modelinfo["llama.context_length"] == int(context)
    assert shown.capabilities == ["completion", "tools", "embedding"]
    assert pulled.status == "success"
    assert answer.response


def test_status_tells_the_whole_truth_as_json(frontier: Frontier) -> None:
    seen = frontier.json("status")

    assert seen["state"] == "running"
    assert seen["models"] == ["smollm2:135m"]
    assert [s["name"] for s in seen["services"]] == ["llamacpp", "gateway"]
    assert all(psutil.pid_exists(s["pid"]) for s in seen["services"])
    assert all(s["memory_bytes"] > 1_000_000 for s in seen["services"])
    assert "llamacpp: running" in frontier.ok("status")


def test_bench_measures_the_stack_that_runs_and_tells_what_it_is(frontier: Frontier) -> None:
    shown = frontier.json("bench", "run", *SHORTEST)

    kept = json.loads(Path(shown["path"]).read_text())
    assert shown["cases"][0]["errors"] == {}
    assert kept["target"]["engine"] == "llamacpp"
    assert kept["target"]["engine_version"].startswith("xllamacpp 2")
    assert re.fullmatch("sha256:[0-9a-f]{64}", kept["target"]["model_digest"])
    assert (kept["settings"]["stack"], kept["settings"]["num_workers"]) == ("llamacpp", 1)


def test_chat_answers_once_for_a_message_a_pipe_and_a_machine(frontier: Frontier) -> None:
    assert frontier.ok("chat", "-m", "Say hi", "--max-tokens", "8").strip()
    assert frontier.ok("chat", "--max-tokens", "8", stdin="Say hi").strip()
    assert frontier.json("chat", "-m", "Say hi", "--max-tokens", "8")["completion_tokens"] <= 8


def test_chat_with_an_unknown_model_names_the_way_out(frontier: Frontier) -> None:
    error = frontier.fails(3, "chat", "nope", "-m", "hi")

    assert "nope" in error
    assert "frontier status" in error


def test_chat_without_a_terminal_or_a_question_is_a_usage_error(frontier: Frontier) -> None:
    assert "nothing to ask" in frontier.fails(2, "chat")


def test_logs_of_engine_gateway_and_daemon(frontier: Frontier) -> None:
    out = frontier.ok("logs", "-n", "5")

    assert {line.split()[2] for line in out.splitlines()} == {"llamacpp", "gateway", "daemon"}
    assert "no log" in frontier.fails(3, "logs", "nginx")


def test_logs_follow_what_comes(frontier: Frontier, tmp_path: Path) -> None:
    output = tmp_path / "followed"
    follower = frontier.start("logs", "gateway", "-f", "-n", "0", output=output)

    def followed() -> str:
        httpx2.get(f"{frontier.url}/v1/models")
        return output.read_text()

    line = until(followed, what="a followed line")
    follower.send_signal(signal.SIGINT)

    assert follower.wait(10) == 130
    assert " gateway | /v1/models " in line


def test_restart_replaces_one_service_and_leaves_the_other(frontier: Frontier) -> None:
    before = {s["name"]: s["pid"] for s in frontier.json("status")["services"]}

    frontier.ok("restart", "llamacpp")

    after = {s["name"]: s["pid"] for s in frontier.json("status")["services"]}
    assert after["llamacpp"] != before["llamacpp"]
    assert after["gateway"] == before["gateway"]
    assert frontier.ok("chat", "-m", "hi", "--max-tokens", "4").strip()


def test_restart_of_an_unknown_service_names_the_known(frontier: Frontier) -> None:
    assert "llamacpp, gateway" in frontier.fails(3, "restart", "nginx")


def test_the_running_model_is_not_removed(frontier: Frontier) -> None:
    error = frontier.fails(5, "models", "rm", "smollm2")

    assert "is running" in error
    assert "frontier down" in error


def test_plans_change_nothing(frontier: Frontier) -> None:
    assert "stop llamacpp" in frontier.ok("down", "--dry-run")
    assert "restart gateway" in frontier.ok("restart", "--dry-run")
    assert "everything runs already" in frontier.ok("start", "--dry-run")
    assert frontier.json("up", "--dry-run")["answer"] is None
    assert frontier.json("status")["state"] == "running"


def test_a_killed_engine_is_started_again(frontier: Frontier) -> None:
    engine = next(s for s in frontier.json("status")["services"] if s["name"] == "llamacpp")

    os.kill(engine["pid"], signal.SIGKILL)

    until(
        lambda: (
            frontier.json("status")["state"] == "running"
            and frontier.json("status")["services"][0]["pid"] != engine["pid"]
        ),
        timeout_s=30,
        what="the engine to be back",
    )
    assert frontier.ok("chat", "-m", "hi", "--max-tokens", "4").strip()


def test_a_changed_setting_restarts_only_what_it_concerns(frontier: Frontier) -> None:
    gateway = frontier.json("status")["services"][1]["pid"]
    frontier.ok("config", "set", "MAX_CONTEXT_LENGTH", "2048")

    steps = frontier.json("up")["steps"]
    frontier.ok("rollback")
    frontier.ok("config", "unset", "MAX_CONTEXT_LENGTH")
    frontier.ok("up")

    assert [(s["action"], s["service"]) for s in steps] == [("restart", "llamacpp")]
    assert frontier.json("status")["services"][1]["pid"] == gateway


def test_a_killed_daemon_leaves_nothing_and_up_recovers(tmp_path: Path, smollm2: Path) -> None:
    cli = Frontier(tmp_path / "ws")
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    cli.ok("up")
    services = cli.json("status")["services"]
    daemon = int((cli.workspace / ".frontier/run/daemon.lock").read_text().split()[0])

    os.kill(daemon, signal.SIGKILL)

    until(lambda: not any(psutil.pid_exists(s["pid"]) for s in services), what="no orphan")
    assert cli.json("status")["state"] == "died"
    assert "frontier start" in cli.ok("status")
    cli.ok("up")
    cli.ok("down")
    assert cli.json("status")["state"] == "stopped"


def test_down_leaves_no_process_no_port_and_no_lock(tmp_path: Path, smollm2: Path) -> None:
    cli = Frontier(tmp_path / "ws")
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    cli.ok("up")
    state = cli.json("status")

    assert cli.ok("down") == "stopped\n"

    assert not any(psutil.pid_exists(s["pid"]) for s in state["services"])
    for service in state["services"]:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", service["port"])) != 0
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(p.info)]
    assert cli.ok("down") == "nothing was running\n"
    assert cli.json("status")["state"] == "stopped"


def test_stop_and_start_bring_the_same_stack_back(tmp_path: Path, smollm2: Path) -> None:
    cli = Frontier(tmp_path / "ws")
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    cli.ok("up")

    cli.ok("stop")
    assert cli.json("status")["state"] == "stopped"
    assert "frontier up" in cli.fails(4, "chat", "-m", "hi")

    assert "answers at" in cli.ok("start")
    assert cli.json("status")["models"] == ["smollm2:135m"]
    cli.ok("down")


def test_a_taken_port_is_refused_with_its_holder_and_the_way_out(
    tmp_path: Path, smollm2: Path
) -> None:
    cli = Frontier(tmp_path / "ws")
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    with socket.create_server(("127.0.0.1", int(cli.env["API_PORT"]))):
        error = cli.fails(4, "up")

    assert f"process {os.getpid()}" in error
    assert "config set API_PORT" in error
    assert cli.json("status")["state"] == "stopped"


def test_a_gateway_with_a_key_answers_only_with_it(tmp_path: Path, smollm2: Path) -> None:
    cli = Frontier(tmp_path / "ws")
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    cli.ok("config", "set", "API_KEY", "sesame")
    up = cli.json("up")

    assert httpx2.get(f"{cli.url}/v1/models").status_code == 401
    keyed = httpx2.get(f"{cli.url}/v1/models", headers={"x-api-key": "sesame"})
    assert keyed.status_code == 200
    assert "sesame" not in json.dumps(up)
    cli.env["FRONTIER_BENCH_KEY"] = "of-another-server"
    assert Path(cli.json("bench", "run", *SHORTEST)["path"]).exists()
    assert not [p for p in psutil.process_iter(["cmdline"]) if "sesame" in str(p.info)]
    cli.ok("down")


def test_keys_are_enough_to_open_a_gateway_that_demands_them(tmp_path: Path, smollm2: Path) -> None:
    cli = Frontier(tmp_path / "ws", env={"ENABLE_AUTH": "true", "GATEWAY_WORKERS": "2"})
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    assert "no key" in cli.fails(5, "up")
    secret = cli.json("keys", "create", "me")["secret"]

    cli.ok("up")

    statuses = [
        httpx2.get(f"{cli.url}/v1/models", headers=headers).status_code
        for headers in ({}, {"x-api-key": secret}, {"x-api-key": "other"})
    ]
    assert statuses == [401, 200, 401]
    cli.ok("restart")
    cli.ok("keys", "revoke", "me")
    until(
        lambda: (
            httpx2.get(f"{cli.url}/v1/models", headers={"x-api-key": secret}).status_code == 401
        ),
        timeout_s=1,
    )
    assert cli.json("status")["state"] == "running"
    assert not [p for p in psutil.process_iter(["cmdline"]) if secret in str(p.info)]
    cli.ok("down")


@pytest.mark.parametrize(
    ("settings", "exit_code", "words"),
    [
        ({"BIND_ADDRESS": "0.0.0.0"}, 5, "API_KEY"),
        ({"ENABLE_AUTH": "true"}, 5, "ENABLE_AUTH"),
        ({"API_PORT": "0"}, 2, "listen nowhere"),
        ({"API_PORT": "many"}, 1, "environment: API_PORT"),
        ({"CURRENT_STACK": "vlm"}, 3, "Known: llamacpp"),
        ({"DEFAULT_MODEL": "smollm"}, 3, "smollm2"),
    ],
)
def test_a_wrong_wish_is_refused_before_anything_changes(
    tmp_path: Path, settings: dict[str, str], exit_code: int, words: str
) -> None:
    cli = Frontier(tmp_path / "ws", env={"API_PORT": str(free_port()), **settings})

    assert words in cli.fails(exit_code, "up")

    assert not (cli.workspace / ".frontier" / "run" / "daemon.json").exists()


def test_a_malformed_env_names_file_and_line(tmp_path: Path) -> None:
    cli = Frontier(tmp_path / "ws")
    cli.workspace.mkdir()
    (cli.workspace / ".env").write_text("# mine\nAPI PORT\n")

    assert f"{cli.workspace}/.env:2: not an assignment" in cli.fails(1, "up")


def test_a_read_only_workspace_is_refused(read_only: Path) -> None:
    cli = Frontier(read_only)

    assert "--workspace" in cli.fails(1, "up")


def test_a_model_that_is_no_model_fails_with_the_engines_words(tmp_path: Path) -> None:
    cli = Frontier(tmp_path / "ws")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\x00" * 64)

    error = cli.run("up", "--model", f"file:{broken}")

    assert error.returncode in (1, 4)
    assert "error:" in error.stderr
    assert cli.json("status")["state"] == "stopped"
