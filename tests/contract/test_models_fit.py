"""Headers and configurations read where models lie, from real servers; nothing is downloaded."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fake_index import Server, gguf
from frontier.adapters.hub import Hub
from frontier.adapters.inspector import Inspector
from frontier.adapters.sources import Sources
from frontier.bootstrap import Services
from frontier.cli import models as command
from frontier.cli.session import Session
from frontier.domain.errors import DownloadError, ModelFormatError, ModelNotFoundError
from frontier.domain.fit_table import FitRow
from frontier.usecases.fit import Fit

MIB = 2**20
REPO = "owner/repo"
CONFIG = {
    "num_hidden_layers": 4,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16",
}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def inspector(server: Server, tmp_path: Path) -> Inspector:
    environ = {"PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1", "HF_ENDPOINT": server.url}
    sources = Sources(environ, home=tmp_path, prefix=tmp_path, sleep=lambda _: None)
    return Inspector(sources, lambda: Hub(environ, ""))


def test_only_the_head_of_a_remote_file_is_read(server: Server, tmp_path: Path) -> None:
    server.add("/model.gguf", gguf(20 * MIB))

    header, length = inspector(server, tmp_path).header(f"{server.url}/model.gguf")

    assert header.shape
    assert header.shape.layers == 2
    assert length == 20 * MIB
    assert sum(request.sent for request in server.of("/model.gguf")) <= MIB


def test_the_range_grows_until_the_header_is_whole(server: Server, tmp_path: Path) -> None:
    words = [f"token {n} of a large vocabulary" for n in range(120_000)]
    data = gguf(12 * MIB, **{"tokenizer.ggml.tokens": words})
    server.add("/model.gguf", data)

    header, _ = inspector(server, tmp_path).header(f"{server.url}/model.gguf")

    assert header.vocab_size == 120_000
    ranges = [r.range for r in server.of("/model.gguf")]
    assert len(ranges) > 2
    begins = [int(text.removeprefix("bytes=").partition("-")[0]) for text in ranges]
    assert begins == sorted(set(begins))  # no byte twice


def test_a_server_that_sends_the_whole_file_is_refused(server: Server, tmp_path: Path) -> None:
    server.add("/model.gguf", gguf(20 * MIB), has_ranges=False)

    with pytest.raises(DownloadError, match="gives no part of the file"):
        inspector(server, tmp_path).header(f"{server.url}/model.gguf")

    assert sum(request.sent for request in server.of("/model.gguf")) < 8 * MIB


def test_what_is_no_gguf_file_is_told_by_its_first_bytes(server: Server, tmp_path: Path) -> None:
    server.add("/model.gguf", b"<html>" + bytes(1000))

    with pytest.raises(ModelFormatError, match="begins with b'<htm'"):
        inspector(server, tmp_path).header(f"{server.url}/model.gguf")


def test_a_header_that_never_ends_is_given_up(server: Server, tmp_path: Path) -> None:
    server.add("/model.gguf", gguf(4096)[:200])

    with pytest.raises(ModelFormatError, match="ends within its header"):
        inspector(server, tmp_path).header(f"{server.url}/model.gguf")


def test_a_repository_tells_its_models_and_its_configuration(
    server: Server, tmp_path: Path
) -> None:
    files = {
        "Tiny-Q4_0.gguf": gguf(5000),
        "Tiny-Q8_0-00001-of-00002.gguf": gguf(5000),
        "Tiny-Q8_0-00002-of-00002.gguf": gguf(3000),
        "mmproj-F16.gguf": gguf(4000),
        "model.safetensors": bytes(7000),
        "config.json": json.dumps(CONFIG).encode(),
    }
    server.add_hub(REPO, files)

    found = inspector(server, tmp_path).repository(REPO)

    assert found.ggufs == {"Tiny-Q4_0.gguf": 5000, "Tiny-Q8_0-00001-of-00002.gguf": 8000}
    assert found.safetensors_bytes == 7000
    assert found.config["hidden_size"] == 64


def test_a_repository_without_a_model_says_so(server: Server, tmp_path: Path) -> None:
    server.add_hub(REPO, {"README.md": b"#"})

    with pytest.raises(DownloadError, match="neither GGUF files nor safetensors"):
        inspector(server, tmp_path).repository(REPO)


class Cli:
    """`frontier models fit` in a workspace of its own."""

    def __init__(self, tmp_path: Path) -> None:
        self.workspace = tmp_path / "workspace"

    def __call__(self, *args: str, code: int = 0) -> str:
        session = Session(Services(chosen=self.workspace), quiet=True)
        result = CliRunner().invoke(command.app, ["fit", *args], obj=session)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.stdout


@pytest.fixture
def cli(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return Cli(tmp_path)


def test_a_repository_is_weighed_before_it_is_downloaded(cli: Cli, server: Server) -> None:
    files = {"Tiny-Q4_0.gguf": gguf(5000), "Tiny-Q8_0.gguf": gguf(9000)}
    files |= {"model.safetensors": bytes(9000), "config.json": json.dumps(CONFIG).encode()}
    server.add_hub(REPO, files)

    found = json.loads(cli(f"hf:{REPO}", "--json"))

    assert {row["quantisation"] for row in found["rows"]} == {"Q4_0", "Q8_0", "BF16"}
    assert {row["stack"] for row in found["rows"]} == {"llamacpp", "mistral", "vllm"}
    assert found["chosen"]["stack"] == "llamacpp"
    assert server.of("/cdn/model.safetensors") == []


def test_a_file_is_weighed_where_it_lies(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(gguf(5000))

    said = cli(str(tmp_path / "m.gguf"), "--context", "1024", "--parallel", "2")

    assert "1,024 tokens of context, 2 slots" in said
    assert "from its header" in said
    assert "take:" in said


def test_what_never_fits_ends_with_5_and_what_would(cli: Cli, server: Server) -> None:
    said = cli("qwen3.5:397b", code=5)

    assert "does not fit" in said
    assert "what would fit:" in said


def test_the_cache_of_fewer_bits_is_smaller(cli: Cli) -> None:
    def kv(kind: str) -> int:
        rows = json.loads(cli("smollm2:135m", "--kv-type", kind, "--json"))["rows"]
        return next(row["kv_bytes"] for row in rows if row["stack"] == "llamacpp")

    assert kv("q8_0") == kv("f16") * 17 / 32


def test_one_quantisation_is_looked_at_where_it_is_named(cli: Cli) -> None:
    rows = json.loads(cli("qwen3.5:0.8b-q8_0", "--json"))["rows"]
    assert {row["name"] for row in rows} == {"qwen3.5:0.8b-q8_0"}


def test_where_a_stack_has_nothing_that_fits_another_is_named(cli: Cli) -> None:
    assert "what would fit:" in cli("qwen3.5:397b", "--stack", "vllm", code=5)


def test_a_model_that_nobody_knows_is_not_found(cli: Cli) -> None:
    with pytest.raises(ModelNotFoundError):
        cli("no-such:model")


def test_the_tables_of_the_documentation_are_what_fit_says() -> None:
    script = Path(__file__).parents[2] / "docs" / "memory_tables.py"
    done = subprocess.run([sys.executable, script, "--check"], check=False)
    assert done.returncode == 0, "python docs/memory_tables.py writes them"


def test_the_reference_names_every_field_of_a_fit() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "json.md"
    section = page.read_text().partition("## `frontier models fit --json`")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", section))
    assert {f.name for kind in (Fit, FitRow) for f in fields(kind)} <= named
