"""What engines that get models by themselves call those of the catalog."""

from pathlib import Path

import pytest

from frontier.bootstrap import Services


def services(tmp_path: Path, **settings: str) -> Services:
    return Services(chosen=tmp_path / "workspace", overrides=settings)


@pytest.mark.parametrize(
    ("stack", "name", "own"),
    [
        ("vllm", "smollm2:135m", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("vllm", "qwen3.5:4b", "Qwen/Qwen3.5-4B"),
        ("vllm", "owner/repo", "owner/repo"),
        ("ollama", "qwen3.5:4b", "qwen3.5:4b"),
        ("ollama", "mine:latest", "mine:latest"),
    ],
)
def test_a_name_of_the_catalog_is_what_the_engine_calls_it(
    tmp_path: Path, stack: str, name: str, own: str
) -> None:
    found = services(tmp_path, default_model=name)
    loaded = found.stacks.load(stack)

    model, planned = found.models.own(loaded, name), found.models.planned(loaded)

    assert model is not None
    assert planned is not None
    assert (model.name, planned.name) == (own, own)


def test_llama_cpp_takes_one_of_the_store(tmp_path: Path) -> None:
    found = services(tmp_path)
    loaded = found.stacks.load("llamacpp")
    assert found.models.own(loaded, "qwen3.5:4b") is None
    planned = found.models.planned(loaded)
    assert planned is not None
    assert planned.name == "smollm2:135m"
