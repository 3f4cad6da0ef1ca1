"""What each tool is told: pinned to what the tools' own documentation says."""

import json
import tomllib
from dataclasses import replace
from typing import Any

import pytest
import yaml

from frontier.domain.errors import ConfigError
from frontier.domain.launch import TOOLS, Target
from frontier.renderers.launch import file_text, recipe

OPEN = Target(
    url="http://127.0.0.1:11434", key="none", key_file="", model="qwen3:8b", context=32768
)
KEYED = replace(OPEN, key="sk-frontier-abc", key_file="/ws/secrets/launch-opencode-1")
MINE = """\
name: Mine   # of the team
version: 0.0.1
schema: v1
models:
  # the big one
  - name: Big
    provider: anthropic
    model: claude

  - name: Other
    provider: ollama
    model: x
rules:
  - Be kind.
"""


def continue_models(text: str) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = yaml.safe_load(text)["models"]
    return models


def test_aider_gets_openais_variables_and_the_size_of_the_context() -> None:
    told = recipe("aider", OPEN)

    assert told.env == {
        "OPENAI_API_BASE": "http://127.0.0.1:11434/v1",
        "OPENAI_API_KEY": "none",
    }
    assert told.arguments[:2] == ("--model", "openai/qwen3:8b")
    (name,) = told.files
    assert told.arguments[2:] == ("--model-metadata-file", name)
    assert json.loads(told.files[name])["openai/qwen3:8b"] == {
        "max_input_tokens": 32768,
        "max_output_tokens": 8192,
        "input_cost_per_token": 0,
        "output_cost_per_token": 0,
        "litellm_provider": "openai",
        "mode": "chat",
    }


def test_claude_code_gets_a_base_url_without_v1_and_every_tier_the_same_model() -> None:
    env = recipe("claude", KEYED).env

    assert env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:11434"
    assert (env["ANTHROPIC_AUTH_TOKEN"], env["ANTHROPIC_API_KEY"]) == ("sk-frontier-abc", "")
    assert {v for k, v in env.items() if k.endswith("MODEL")} == {"qwen3:8b"}
    assert {k for k in env if k.endswith("MODEL")} == {
        "ANTHROPIC_MODEL",
        "ANTHROPIC_DEFAULT_OPUS_MODEL",
        "ANTHROPIC_DEFAULT_SONNET_MODEL",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL",
        "CLAUDE_CODE_SUBAGENT_MODEL",
    }
    assert env["CLAUDE_CODE_AUTO_COMPACT_WINDOW"] == "32768"


def test_codex_gets_a_provider_that_speaks_responses_by_arguments_that_are_toml() -> None:
    told = recipe("codex", OPEN)

    assert told.arguments[:2] == ("--model", "qwen3:8b")
    flags, values = told.arguments[2::2], told.arguments[3::2]
    assert set(flags) == {"-c"}
    assert tomllib.loads("\n".join(values)) == {
        "model_provider": "frontier",
        "model_context_window": 32768,
        "model_providers": {
            "frontier": {
                "name": "Frontier",
                "base_url": "http://127.0.0.1:11434/v1",
                "wire_api": "responses",
                "env_key": "FRONTIER_KEY",
            }
        },
    }
    assert told.env == {"FRONTIER_KEY": "none"}


def test_open_webui_listens_on_loopback_only() -> None:
    told = recipe("openwebui", OPEN)

    assert told.arguments == ("serve", "--host", "127.0.0.1")
    assert told.env["OPENAI_API_BASE_URLS"] == "http://127.0.0.1:11434/v1"


@pytest.mark.parametrize("tool", TOOLS)
def test_a_context_that_is_not_known_is_not_told(tool: str) -> None:
    target = replace(OPEN, context=0)
    told = recipe(tool, target)

    text = file_text(tool, target, "") if TOOLS[tool].file else ""

    assert "context" not in " ".join([*told.arguments, *told.env, text]).lower()
    assert told.files == {}


def test_opencode_gets_a_provider_beside_what_its_file_has() -> None:
    before = {"theme": "dark", "provider": {"mine": {"npm": "x"}}, "model": "mine/a"}

    after = json.loads(file_text("opencode", OPEN, json.dumps(before)))

    ours = after["provider"].pop("frontier")
    assert after == {"$schema": "https://opencode.ai/config.json", **before}
    assert ours == {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Frontier",
        "options": {"baseURL": "http://127.0.0.1:11434/v1", "apiKey": "none"},
        "models": {"qwen3:8b": {"name": "qwen3:8b", "limit": {"context": 32768, "output": 8192}}},
    }
    assert recipe("opencode", OPEN).arguments == ("--model", "frontier/qwen3:8b")


def test_opencode_reads_a_key_from_its_file() -> None:
    options = json.loads(file_text("opencode", KEYED, ""))["provider"]["frontier"]["options"]

    assert options["apiKey"] == "{file:/ws/secrets/launch-opencode-1}"


@pytest.mark.parametrize("text", ["// mine\n{}", "[]", '{"provider": []}', "{"])
def test_a_file_of_opencode_that_cannot_be_kept_is_refused_with_what_to_add(text: str) -> None:
    with pytest.raises(ConfigError, match="opencode's configuration cannot be changed") as caught:
        file_text("opencode", OPEN, text)

    assert json.loads(caught.value.details)["provider"]["frontier"]["name"] == "Frontier"


def test_a_new_file_of_continue_is_whole() -> None:
    text = file_text("continue", KEYED, "")

    assert yaml.safe_load(text) == {
        "name": "Local",
        "version": "1.0.0",
        "schema": "v1",
        "models": [
            {
                "name": "Frontier",
                "provider": "openai",
                "model": "qwen3:8b",
                "apiBase": "http://127.0.0.1:11434/v1",
                "apiKey": "sk-frontier-abc",
                "roles": ["chat", "edit", "apply"],
                "defaultCompletionOptions": {"contextLength": 32768, "maxTokens": 8192},
            }
        ],
    }


def test_continue_keeps_every_line_that_was_there() -> None:
    text = file_text("continue", OPEN, MINE)

    assert [m["name"] for m in continue_models(text)] == ["Frontier", "Big", "Other"]
    kept = [line for line in text.splitlines() if line in MINE.splitlines()]
    assert kept == MINE.splitlines()


@pytest.mark.parametrize(
    "text",
    [
        MINE,
        "name: a\nversion: 1\nschema: v1\n",
        "name: a\nversion: 1\nschema: v1",
        "name: a\nmodels:\nversion: 1\nschema: v1\n",
        "name: a\nmodels: []\nversion: 1\n",
        "models:\n- name: a\n  model: b\n",
        "# nothing yet\n",
    ],
)
def test_a_second_launch_replaces_the_entry_of_the_first(text: str) -> None:
    first = file_text("continue", OPEN, text)

    second = file_text("continue", replace(OPEN, model="other", context=0), first)

    ours = [m for m in continue_models(second) if m["name"] == "Frontier"]
    assert [m["model"] for m in ours] == ["other"]
    assert file_text("continue", OPEN, second) == first


@pytest.mark.parametrize("text", ["a: [", "- a\n", "models: [{name: a}]\n", "models: 3\n"])
def test_a_file_of_continue_that_cannot_be_kept_is_refused_with_what_to_add(text: str) -> None:
    with pytest.raises(ConfigError, match="Continue's configuration cannot be changed") as caught:
        file_text("continue", OPEN, text)

    assert continue_models(caught.value.details)[0]["model"] == "qwen3:8b"
