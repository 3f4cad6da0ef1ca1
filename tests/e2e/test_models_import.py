"""A real model that Ollama has is served by llama.cpp without a second copy of its bytes."""

from pathlib import Path

import model_stores
from frontier_cli import Frontier


def test_what_ollama_has_is_imported_served_and_given_back(tmp_path: Path, smollm2: Path) -> None:
    home = tmp_path / "home"
    theirs = model_stores.ollama(home / ".ollama/models", "smollm2:135m", smollm2.read_bytes())
    frontier = Frontier(tmp_path / "stack", env={"HOME": str(home)})

    (imported,) = frontier.json("models", "import", "smollm2")["models"]
    try:
        up = frontier.json("up", "--model", "smollm2:135m")
        refused = frontier.fails(5, "models", "rm", "smollm2:135m")
    finally:
        frontier.run("down")
    removed = frontier.json("models", "rm", "smollm2:135m")

    assert (imported["name"], imported["how"]) == ("smollm2:135m", "hard link")
    assert up["answer"]["completion_tokens"] > 0
    assert "is running" in refused
    assert (removed["freed_bytes"], removed["kept_bytes"]) == (0, smollm2.stat().st_size)
    assert theirs.stat().st_nlink == 1
