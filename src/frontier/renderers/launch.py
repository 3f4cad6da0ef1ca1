"""What makes a tool ask the gateway: variables, arguments, and the text of its own file."""

import json
from collections.abc import Callable
from typing import Any, Final, cast

import yaml

from frontier.domain.errors import ConfigError
from frontier.domain.launch import Recipe, Target

PROVIDER: Final = "frontier"
_MODEL_FILE: Final = "aider-models.json"


def recipe(tool: str, target: Target) -> Recipe:
    """Return how *tool* is started for *target*."""
    return _RECIPES[tool](target)


def file_text(tool: str, target: Target, present: str) -> str:
    """Return the text of *tool*'s configuration file with *target* in it; all else stays.

    Args:
        tool: One that has such a file.
        target: What it is pointed at.
        present: The text that is there, "" for none.

    Raises:
        ConfigError: *present* cannot be read, or not be changed without touching the rest.
    """
    return {"opencode": _opencode_file, "continue": _continue_file}[tool](target, present)


def _aider(target: Target) -> Recipe:
    name = f"openai/{target.model}"
    known = {
        "max_input_tokens": target.context,
        "max_output_tokens": _output(target.context),
        "input_cost_per_token": 0,
        "output_cost_per_token": 0,
        "litellm_provider": "openai",
        "mode": "chat",
    }
    env = {"OPENAI_API_BASE": f"{target.url}/v1", "OPENAI_API_KEY": target.key}
    if not target.context:
        return Recipe(env=env, arguments=("--model", name))
    return Recipe(
        env=env,
        arguments=("--model", name, "--model-metadata-file", _MODEL_FILE),
        files={_MODEL_FILE: json.dumps({name: known}, indent=2) + "\n"},
    )


def _claude(target: Target) -> Recipe:
    tiers = ("OPUS", "SONNET", "HAIKU")
    window = {"CLAUDE_CODE_AUTO_COMPACT_WINDOW": str(target.context)} if target.context else {}
    return Recipe(
        env={
            "ANTHROPIC_BASE_URL": target.url,
            "ANTHROPIC_AUTH_TOKEN": target.key,
            "ANTHROPIC_API_KEY": "",
            "ANTHROPIC_MODEL": target.model,
            **{f"ANTHROPIC_DEFAULT_{tier}_MODEL": target.model for tier in tiers},
            "CLAUDE_CODE_SUBAGENT_MODEL": target.model,
            "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",  # it changes with every request: no cache hits
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            **window,
        },
        note="variables in the `env` of ~/.claude/settings.json win over these",
    )


def _codex(target: Target) -> Recipe:
    provider = {
        "name": "Frontier",
        "base_url": f"{target.url}/v1",
        "wire_api": "responses",
        "env_key": "FRONTIER_KEY",
    }
    values: dict[str, object] = {
        "model_provider": PROVIDER,
        **{f"model_providers.{PROVIDER}.{key}": value for key, value in provider.items()},
        **({"model_context_window": target.context} if target.context else {}),
    }
    # JSON's texts and numbers are TOML's
    pairs = [f"{key}={json.dumps(value)}" for key, value in values.items()]
    return Recipe(
        env={"FRONTIER_KEY": target.key},
        arguments=("--model", target.model, *(word for pair in pairs for word in ("-c", pair))),
    )


def _opencode(target: Target) -> Recipe:
    return Recipe(arguments=("--model", f"{PROVIDER}/{target.model}"))


def _continue(_target: Target) -> Recipe:
    return Recipe(note="reload the editor's window; the model is named Frontier")


def _openwebui(target: Target) -> Recipe:
    return Recipe(
        env={
            "OPENAI_API_BASE_URLS": f"{target.url}/v1",
            "OPENAI_API_KEYS": target.key,
            "ENABLE_OLLAMA_API": "False",
        },
        arguments=("serve", "--host", "127.0.0.1"),
        note="what was saved in its own settings wins over these from the second start on",
    )


_RECIPES: Final[dict[str, Callable[[Target], Recipe]]] = {
    "aider": _aider,
    "claude": _claude,
    "codex": _codex,
    "opencode": _opencode,
    "continue": _continue,
    "openwebui": _openwebui,
}


def _output(context: int) -> int:
    """Return how much of *context* an answer may take: a quarter, so that a prompt fits."""
    return min(max(context // 4, 1), 32768)


def _opencode_file(target: Target, present: str) -> str:
    try:
        whole: Any = json.loads(present) if present.strip() else {}
    except ValueError as error:
        raise _unreadable(target, f"{error}; comments cannot be kept") from error
    read = _object(whole)
    providers = _object({} if read is None else read.get("provider", {}))
    if read is None or providers is None:
        raise _unreadable(target, "it is no object with providers")
    shown = {"$schema": "https://opencode.ai/config.json", **read}
    shown["provider"] = {**providers, PROVIDER: _opencode_provider(target)}
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def _object(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _opencode_provider(target: Target) -> dict[str, object]:
    limit = {"context": target.context, "output": _output(target.context)}
    key = f"{{file:{target.key_file}}}" if target.key_file else target.key
    return {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Frontier",
        "options": {"baseURL": f"{target.url}/v1", "apiKey": key},
        "models": {
            target.model: {"name": target.model, **({"limit": limit} if target.context else {})}
        },
    }


def _unreadable(target: Target, why: str) -> ConfigError:
    shown = json.dumps({"provider": {PROVIDER: _opencode_provider(target)}}, indent=2)
    return ConfigError(
        f"opencode's configuration cannot be changed: {why}",
        hint="Put the lines above into it yourself.",
        details=shown,
    )


def _continue_file(target: Target, present: str) -> str:
    entry = _continue_model(target)
    try:
        before: Any = yaml.safe_load(present)
    except yaml.YAMLError as error:
        raise _by_hand(entry, f"it is not YAML: {error}") from error
    if before is None:
        head = {"name": "Local", "version": "1.0.0", "schema": "v1"}
        return present + _dump({**head, "models": [entry]})
    read = _object(before)
    models: Any = (read or {}).get("models") or []
    if read is None or not isinstance(models, list):
        raise _by_hand(entry, "it has no list of models")
    others = [m for m in cast("list[object]", models) if not _is_ours(m)]
    after = _with_item(_without_ours(present), entry)
    if not _holds(after, {**read, "models": [entry, *others]}):
        raise _by_hand(entry, "its list of models is written in a way that cannot be added to")
    return after


def _holds(text: str, expected: object) -> bool:
    try:
        return bool(yaml.safe_load(text) == expected)
    except yaml.YAMLError:
        return False


def _continue_model(target: Target) -> dict[str, object]:
    options = {"contextLength": target.context, "maxTokens": _output(target.context)}
    return {
        "name": "Frontier",
        "provider": "openai",
        "model": target.model,
        "apiBase": f"{target.url}/v1",
        "apiKey": target.key,
        "roles": ["chat", "edit", "apply"],
        **({"defaultCompletionOptions": options} if target.context else {}),
    }


def _is_ours(model: Any) -> bool:
    return (_object(model) or {}).get("name") == "Frontier"


def _dump(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def _list_of_models(text: str) -> "yaml.SequenceNode | None":
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if key.value == "models" and isinstance(value, yaml.SequenceNode):
                return value
    return None


def _without_ours(text: str) -> str:
    """Return *text* without the lines of the entry that an earlier launch put there."""
    models = _list_of_models(text)
    if models is None or models.flow_style:
        return text
    lines = text.splitlines(keepends=True)
    read: Any = yaml.SafeLoader("")
    nodes: list[yaml.Node] = models.value
    for node in nodes:
        if _is_ours(read.construct_document(node)):
            begin, end = node.start_mark.line, node.end_mark.line
            while lines[end - 1].strip()[:1] in ("", "#"):  # those belong to what follows
                end -= 1
            return "".join([*lines[:begin], *lines[end:]])
    return text


def _with_item(text: str, entry: dict[str, object]) -> str:
    """Return *text* with *entry* as the first of its models."""
    lines = text.splitlines(keepends=True)
    at = next((i for i, line in enumerate(lines) if line.startswith("models:")), None)
    if at is None:
        ended = text if text.endswith("\n") else f"{text}\n"
        return ended + _dump({"models": [entry]})
    models = _list_of_models(text)
    indent = " " * models.start_mark.column if models and models.value else ""
    rows = _dump([entry]).splitlines(keepends=True)
    head = lines[at] if models and models.value else "models:\n"
    return "".join([*lines[:at], head, *(indent + row for row in rows), *lines[at + 1 :]])


def _by_hand(entry: dict[str, object], why: str) -> ConfigError:
    return ConfigError(
        f"Continue's configuration cannot be changed: {why}",
        hint="Put the lines above into it yourself.",
        details=_dump({"models": [entry]}),
    )
