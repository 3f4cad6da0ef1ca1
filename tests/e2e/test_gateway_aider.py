"""aider, and the litellm that it pins, through the gateway; where aider is on PATH.

It needs versions of its own of much that these tests use, so it is no dependency of theirs:
`uv tool install aider-chat`.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway_process import GatewayProcess
from scripted_upstream import (
    DONE,
    Exchange,
    ScriptedUpstream,
    answer,
    completion,
    delta,
    event,
    finish,
    scripted,
    stream,
    usage_event,
)

ROUTES = """
version: 1
models:
  - name: qwen3
    backend: vllm
    backend_url: "{url}"
    details: {{family: qwen3, context: 32768, capabilities: [completion, tools]}}
"""
EDIT = "hello.py\n```\nprint('edited by aider')\n```\n"
ODD = "a\u2028b\u2029c\x85d"
FLAGS = (
    "--edit-format whole --yes-always --no-check-update --analytics-disable --no-gitignore"
    " --no-show-model-warnings --no-show-release-notes --map-tokens 0"
).split()
ASK = """
import json, os, sys
import litellm
prompt, stream, tools = json.loads(sys.argv[1])
got = litellm.completion(
    model="ollama_chat/qwen3",
    api_base=os.environ["OLLAMA_API_BASE"],
    messages=[{"role": "user", "content": prompt}],
    stream=stream,
    **({"tools": tools} if tools else {}),
)
if not stream:
    choice = got.choices[0]
    said = [choice.message.content, choice.finish_reason, len(choice.message.tool_calls or [])]
else:
    chunks = [c.choices[0] for c in got]
    calls = sum(len(c.delta.tool_calls or []) for c in chunks)
    text = "".join(c.delta.content or "" for c in chunks)
    said = [text, [c.finish_reason for c in chunks if c.finish_reason][-1], calls]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def aider() -> Path:
    found = shutil.which("aider")
    if found is None:
        pytest.skip("aider is not on PATH: uv tool install aider-chat")
    return Path(found).resolve()


@pytest.fixture(scope="module")
def engine() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(
    aider: Path, engine: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    routes = tmp_path_factory.mktemp("aider") / "routes.yaml"
    routes.write_text(ROUTES.format(url=engine.url))
    with GatewayProcess("--config", routes) as process:
        yield process


@pytest.fixture
def env(gateway: GatewayProcess, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "OLLAMA_API_BASE": gateway.url,
        "OPENAI_API_BASE": f"{gateway.url}/v1",
        "OPENAI_API_KEY": "none",
        "HOME": str(tmp_path),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


def edit(exchange: Exchange) -> None:
    """Answer with a whole file, as aider's edit format asks for it."""
    if not exchange.seen.body.get("stream"):
        answer(completion("qwen3", "Edit the greeting"))(exchange)
        return
    parts = [EDIT[i : i + 7] for i in range(0, len(EDIT), 7)]
    events = [delta("qwen3", part) for part in parts]
    stream(*events, finish("qwen3"), usage_event("qwen3"), DONE)(exchange)


@pytest.mark.parametrize("model", ["ollama_chat/qwen3", "openai/qwen3"])
def test_conformance_088_aider_edits_a_file(
    aider: Path, engine: ScriptedUpstream, env: dict[str, str], tmp_path: Path, model: str
) -> None:
    engine.on("", edit)
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "hello.py").write_text("print(1)\n")
    git = "git init -q && git add . && git -c user.name=a -c user.email=a@b commit -qm begin"
    subprocess.run(git, shell=True, cwd=repository, check=True)
    asked = ["--model", model, "--message", "Say that it was edited.", "hello.py"]

    done = subprocess.run(
        [aider, *FLAGS, *asked],
        check=False,
        cwd=repository,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert (repository / "hello.py").read_text() == "print('edited by aider')\n", done.stdout


def ask(aider: Path, env: dict[str, str], *arguments: Any) -> list[Any]:
    """Ask by aider's own litellm; return text, reason of the end and number of tool calls."""
    python = aider.parent / "python"
    done = subprocess.run(
        [python, "-c", ASK, json.dumps(arguments)],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize("streams", [True, False])
def test_conformance_068_litellm_loses_no_character(
    aider: Path, engine: ScriptedUpstream, env: dict[str, str], streams: bool
) -> None:
    events = [*(delta("qwen3", c) for c in ODD), finish("qwen3"), usage_event("qwen3"), DONE]
    odd = stream(*events) if streams else answer(completion("qwen3", ODD))

    text, reason, _ = ask(aider, env, scripted(engine.on(f"odd {streams}", odd)), streams, None)

    assert (text, reason) == (ODD, "stop")


def test_conformance_078_litellm_sees_one_tool_call(
    aider: Path, engine: ScriptedUpstream, env: dict[str, str]
) -> None:
    function = {"name": "weather", "arguments": '{"city":"Bern"}'}
    call = {"index": 0, "id": "call_a", "type": "function", "function": function}
    called = event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
    end = finish("qwen3", "tool_calls")
    prompt = scripted(engine.on("weather", stream(called, end, usage_event("qwen3"), DONE)))
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]

    _, reason, calls = ask(aider, env, prompt, True, tools)

    assert (reason, calls) == ("tool_calls", 1)
