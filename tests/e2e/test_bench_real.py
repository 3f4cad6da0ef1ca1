"""`frontier bench run` against the real llama.cpp: by itself, and behind the gateway."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from frontier.adapters import bench_files
from frontier.domain.bench import Result
from frontier_cli import Frontier
from gateway_process import GatewayProcess
from real_engine import MODEL, gateway_of, llama_cpp

SHORT = ("--prompt-tokens", "48", "--output-tokens", "4", "--rounds", "1", "-c", "2", "-n", "3")


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Iterator[str]:
    with llama_cpp(smollm2, context=2048, threads=1) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def gateway(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    row = f"{{name: '{MODEL}', backend: llamacpp, backend_url: '{engine}'}}"
    routes = f"version: 1\nmodels: [{row}]\n"
    with gateway_of(routes, tmp_path_factory.mktemp("bench")) as process:
        yield process


def measured(tmp_path: Path, *args: str) -> Result:
    path = tmp_path / "result.json"
    Frontier(tmp_path / "ws").ok("bench", "run", *SHORT, *args, "-o", str(path))
    return bench_files.read(path)


@pytest.mark.parametrize("way", ["engine", "openai", "ollama"])
def test_the_same_engine_is_measured_by_every_way_to_it(
    gateway: GatewayProcess, engine: str, tmp_path: Path, way: str
) -> None:
    how = {
        "engine": ("--url", engine),
        "openai": ("--url", f"{gateway.url}/v1"),
        "ollama": ("--url", f"{gateway.url}/api"),
    }[way]

    result = measured(tmp_path, *how)

    assert result.target["model"] == MODEL
    assert result.target["api"] == ("ollama" if way == "ollama" else "openai")
    assert len(result.samples) == 3
    for sample in result.samples:
        assert sample.error == ""
        assert abs(sample.tokens_in - 48) <= 5
        assert 1 <= sample.tokens_out <= 4
        assert sample.first_s is not None
        assert sample.due_s <= sample.sent_s < sample.first_s <= sample.ended_s
    if way == "engine":
        assert result.target["engine"] == "llamacpp"
        assert result.target["engine_version"]
    if way != "ollama":  # whose API has no word for it
        assert {sample.tokens_out for sample in result.samples} == {4}


def test_a_prompt_that_does_not_fit_is_told_in_the_engines_words(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    said = Frontier(tmp_path / "ws").fails(
        4, "bench", "run", *SHORT, "--prompt-tokens", "5000", "--url", gateway.url
    )

    assert "http_400: " in said
    assert "context" in said
    assert "hint: Shorter prompts" in said
