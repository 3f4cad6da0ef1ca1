"""Coding tools and chats that Frontier can start in front of its gateway, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from frontier.domain.errors import NotFoundError, RefusedError

Api = Literal["chat", "messages", "responses"]
"""Chat completions, Anthropic's messages, or OpenAI's responses: what a tool speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One program that can be pointed at the gateway.

    Attributes:
        program: What is executed; "" for an editor's extension, which is only configured.
        homes: Where else than on PATH it may lie, below the home folder.
        install: What to type where it is not installed.
        api: What it speaks.
        least_context: Tokens below which its own instructions leave no room for work.
        tools: Whether it works by tool calls; where they are only used, chat works without.
        file: Its configuration file below the home folder; "" where variables and arguments do.
    """

    name: str
    title: str
    program: str
    install: str
    api: Api
    least_context: int
    tools: Literal["needed", "used", "unused"]
    homes: tuple[str, ...] = ()
    file: str = ""


TOOLS: Final = {
    tool.name: tool
    for tool in (
        Tool(
            name="aider",
            title="aider",
            program="aider",
            install="uv tool install --python 3.12 aider-chat",
            api="chat",
            least_context=8192,
            tools="unused",
            homes=(".local/bin/aider",),
        ),
        Tool(
            name="claude",
            title="Claude Code",
            program="claude",
            install="npm install -g @anthropic-ai/claude-code",
            api="messages",
            least_context=65536,
            tools="needed",
            homes=(".local/bin/claude", ".claude/local/claude"),
        ),
        Tool(
            name="codex",
            title="Codex",
            program="codex",
            install="npm install -g @openai/codex",
            api="responses",
            least_context=32768,
            tools="needed",
        ),
        Tool(
            name="opencode",
            title="opencode",
            program="opencode",
            install="npm install -g opencode-ai",
            api="chat",
            least_context=32768,
            tools="needed",
            homes=(".opencode/bin/opencode",),
            file=".config/opencode/opencode.json",
        ),
        Tool(
            name="continue",
            title="Continue",
            program="",
            install="",
            api="chat",
            least_context=4096,
            tools="used",
            file=".continue/config.yaml",
        ),
        Tool(
            name="openwebui",
            title="Open WebUI",
            program="open-webui",
            install="uv tool install --python 3.12 open-webui",
            api="chat",
            least_context=2048,
            tools="unused",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a tool is pointed at.

    Attributes:
        url: The gateway, without a path.
        key: What is sent as its key; any word where the gateway asks for none.
        key_file: Holds *key*; "" where the gateway asks for none.
        model: The name to ask for.
        context: Tokens of one request; 0 where the engine does not tell.
    """

    url: str
    key: str = field(repr=False)
    key_file: str
    model: str
    context: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one tool is started for a target.

    Attributes:
        env: Added to the environment; "" hides a variable that would win over the others.
        arguments: Before those of the person.
        files: Text of files that are Frontier's own, by the name that *arguments* have for them.
        note: What the person should know.
    """

    env: Mapping[str, str] = field(default_factory=dict[str, str])
    arguments: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a real request showed.

    Attributes:
        prompt_words: Words that were sent; every one is at least a token.
        prompt_tokens: Tokens that the engine says it read.
        seconds: From the request to the whole answer.
        calls_tool: The model called the tool that it was asked to call.
        said: The beginning of what it said instead.
    """

    prompt_words: int
    prompt_tokens: int
    seconds: float
    calls_tool: bool
    said: str = ""


def find(name: str) -> Tool:
    """Return the tool *name*.

    Raises:
        NotFoundError: there is none.
    """
    if name not in TOOLS:
        raise NotFoundError(f"there is no tool named {name!r}", hint=f"Known: {', '.join(TOOLS)}.")
    return TOOLS[name]


def require_context(tool: Tool, target: Target) -> None:
    """Refuse a context in which *tool* cannot work.

    Raises:
        RefusedError: it is smaller than the tool's own instructions.
    """
    if 0 < target.context < tool.least_context:
        raise RefusedError(
            f"{target.model} has a context of {target.context:,} tokens;"
            f" {tool.title} needs {tool.least_context:,}",
            hint=f"frontier config set MAX_CONTEXT_LENGTH {tool.least_context} && frontier start;"
            " or start it all the same with --no-check.",
        )


def require_trial(tool: Tool, target: Target, trial: Trial) -> None:
    """Refuse a model that forgot the prompt, or calls no tool where *tool* needs that.

    Raises:
        RefusedError: what the trial showed keeps *tool* from working.
    """
    if trial.prompt_tokens < trial.prompt_words:
        raise RefusedError(
            f"{target.model} read {trial.prompt_tokens:,} tokens of a prompt of at least"
            f" {trial.prompt_words:,}: its engine cuts prompts off",
            hint="Give it more context: frontier config set MAX_CONTEXT_LENGTH "
            f"{tool.least_context} && frontier start; or --no-check.",
        )
    if tool.tools == "needed" and not trial.calls_tool:
        raise RefusedError(
            f"{target.model} did not call the tool that it was asked to call;"
            f" {tool.title} works by tool calls",
            hint="Choose a model that can: frontier models available; or --no-check.",
            details=f"it said: {trial.said}" if trial.said else "",
        )
