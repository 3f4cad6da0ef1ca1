"""`frontier rollback` as people meet it: what is theirs stays theirs."""

import shutil
from pathlib import Path

from frontier_cli import Frontier

ROOT = Path(__file__).parents[2]


def test_a_stack_made_since_is_left_alone_and_named(tmp_path: Path) -> None:
    frontier = Frontier(tmp_path / "ws")
    frontier.ok("config", "set", "CACHE_SIZE", "7")
    frontier.ok("config", "set", "CACHE_SIZE", "8")
    own = frontier.workspace / "stacks" / "mine" / "stack.yaml"
    shutil.copytree(ROOT / "stacks" / "llamacpp", own.parent)

    plan = frontier.ok("rollback", "--dry-run")
    done = frontier.ok("rollback")

    for said in (plan, done):
        assert "  changed: .env\n" in said
        assert "left alone: " in said
        assert "stacks/mine/stack.yaml" in said
    assert own.exists()
    assert frontier.ok("config", "get", "CACHE_SIZE") == "7\n"
    assert frontier.json("rollback", "--dry-run")["changes"]["removed"] == [".env"]
