"""Specifications of rendered projects for tests, made from the shipped stacks and settings."""

from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from frontier.adapters.folders import StackFolders, templates
from frontier.domain.containers import Containers
from frontier.domain.project import Project
from frontier.domain.stack import Stack
from frontier.renderers.compose import render
from frontier.renderers.compose_spec import ComposeSpec, ModelSpec, gpu_keys
from frontier.settings import Settings

MODELS: Final = {
    "gguf": ModelSpec(
        name="smollm2:135m",
        blob=f"data/models/blobs/sha256-{'ab' * 32}",
        size_bytes=92_871_040,
        aliases=("smollm2",),
    ),
    "hub": ModelSpec(name="HuggingFaceTB/SmolLM2-135M-Instruct"),
    "ollama": ModelSpec(name="smollm2:135m", aliases=("smollm2",)),
}
SECRETS: Final = {
    "admin-key": "admin-key-00000000",
    "api-key": "api-key-00000000",
    "grafana-admin-password": "grafana-admin-password-00000000",
    "hf-token": "hf-token-00000000",
    "metrics-key": "metrics-key-00000000",
    "tls-certificate": "tls-certificate-00000000",
    "tls-key": "tls-key-00000000",
}


@cache
def folders() -> StackFolders:
    """The shipped stacks alone."""
    return StackFolders(Path("/nowhere"))


@cache
def shared() -> tuple[Any, Any]:
    """The shipped fragments and macros."""
    return folders().fragments(), templates("compose")


@cache
def shipped(name: str) -> Stack:
    """One of the shipped stacks."""
    return folders().load(name)


def settings(stack: Stack, **changed: object) -> dict[str, object]:
    """Every setting and variable with its default, but those that hold secrets."""
    plain = {
        name.upper(): value
        for name, value in Settings().model_dump().items()
        if not isinstance(value, SecretStr)
    }
    return {**plain, **{n: v.default for n, v in stack.variables.items()}, **changed}


def spec(stack: Stack | str = "llamacpp", **changed: Any) -> ComposeSpec:
    """Return a specification; upper-case names are settings."""
    of = shipped(stack) if isinstance(stack, str) else stack
    own = {key: changed.pop(key) for key in list(changed) if key.isupper()}
    accelerator = changed.get("accelerator", "cpu")
    given: dict[str, Any] = {
        "stack": of,
        "gateway_image": "frontier-gateway:1.0.0-0123456789ab",
        "settings": settings(of, **own),
        "secrets": SECRETS,
        "model": MODELS.get(of.model_format),
        "compute_capability": "9.0" if accelerator == "cuda" else "",
        "gpu": gpu_keys(accelerator),
        "gpu_exporter": accelerator == "cuda",
    }
    return ComposeSpec(**{**given, **changed})


def rendered(stack: Stack | str = "llamacpp", **changed: Any) -> Project:
    """Render what `spec` returns, with the shipped fragments and macros."""
    return render(spec(stack, **changed), *shared())


def containers(stack: Stack | str = "llamacpp", **changed: Any) -> Containers:
    """Return the containers of what `rendered` returns."""
    found = rendered(stack, **changed).containers
    assert found is not None
    return found
