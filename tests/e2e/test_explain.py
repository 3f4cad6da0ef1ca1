"""`frontier explain`, the real command."""

import json
from pathlib import Path

import pytest

from frontier_cli import Frontier


@pytest.fixture
def cli(tmp_path: Path) -> Frontier:
    return Frontier(tmp_path / "workspace")


def test_a_text_of_docker_is_explained(cli: Frontier) -> None:
    said = "Bind for 127.0.0.1:9090 failed: port is already allocated"

    shown = cli.ok("explain", said).splitlines()

    assert shown[0] == "A port is taken"
    assert "  frontier doctor --only port" in shown


def test_an_error_of_our_own_is_explained_through_a_pipe(cli: Frontier) -> None:
    error = cli.fails(3, "stack", "show", "nothing")

    assert cli.ok("explain", stdin=error).startswith("There is no such stack\n")


def test_a_log_is_explained_by_the_line_that_matters(cli: Frontier) -> None:
    log = "".join(f"vllm | INFO line {n}\n" for n in range(2000))
    log += "vllm | torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"

    found = json.loads(cli.run("explain", "--json", stdin=log).stdout)["troubles"]

    assert found[0]["id"] == "gpu-memory"
    assert set(found[0]) == {"id", "title", "says", "why", "do"}


def test_some_words_from_memory_are_enough(cli: Frontier) -> None:
    assert cli.ok("explain", "gated", "repo").startswith("A model is gated\n")


def test_a_text_that_nobody_knows_leads_on(cli: Frontier) -> None:
    assert "hint: frontier doctor and frontier validate" in cli.fails(3, "explain", "zzz qqq")


def test_no_text_is_a_wrong_use(cli: Frontier) -> None:
    assert "there is no text to explain" in cli.fails(2, "explain")


def test_all_that_is_known_is_listed(cli: Frontier) -> None:
    assert len(cli.json("explain", "--all")["troubles"]) >= 40
