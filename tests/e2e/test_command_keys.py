"""`frontier keys`, as people type it, beside a gateway that reads the file."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from frontier_cli import Frontier
from gateway_process import GatewayProcess, ask, chat
from scripted_upstream import ScriptedUpstream
from waiting import until


@pytest.fixture
def frontier(tmp_path: Path) -> Frontier:
    return Frontier(tmp_path / "ws")


def secret_in(text: str) -> str:
    return next(word for word in text.split() if word.startswith("sk-frontier-"))


def test_a_key_is_made_shown_once_and_kept_as_a_hash(frontier: Frontier) -> None:
    made = frontier.json(
        "keys", "create", "alice", "--models", "m, m-alias", "--rpm", "60", "--tpm", "20000",
        "--expires", "30d", "--budget", "500k/day",
    )  # fmt: skip
    file = frontier.workspace / "config" / "keys.yaml"

    secret = made["secret"]
    assert len(secret.removeprefix("sk-frontier-")) == 43  # 256 bits, base64
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    (key,) = frontier.json("keys", "list")["keys"]
    assert key == frontier.json("keys", "show", "alice") == made["key"]
    assert (key["models"], key["rpm"], key["tpm"]) == (["m", "m-alias"], 60, 20000)
    assert (key["state"], key["budget"]) == ("active", "500000/day")
    left = datetime.fromisoformat(key["expires"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    found = [p for p in frontier.workspace.rglob("*") if p.is_file() and secret in _text(p)]
    assert found == []


def _text(path: Path) -> str:
    return path.read_bytes().decode("latin-1")


def test_a_dry_run_makes_nothing_and_tells_no_secret(frontier: Frontier) -> None:
    out = frontier.ok("keys", "create", "bob", "--dry-run")

    assert out.startswith("would create the key bob")
    assert "sk-frontier" not in out
    assert not (frontier.workspace / "config" / "keys.yaml").exists()


@pytest.mark.parametrize(
    ("code", "arguments", "says"),
    [
        (2, ("create", "two words"), "cannot be a key's name"),
        (2, ("create", "x", "--expires", "soon"), "neither a duration nor a date"),
        (2, ("create", "x", "--expires", "2020-01-01"), "is past"),
        (2, ("create", "x", "--budget", "5"), "is no budget"),
        (3, ("show", "nobody"), "there is no key 'nobody'"),
        (3, ("revoke", "nobody"), "there is no key 'nobody'"),
        (3, ("rotate", "nobody"), "there is no key 'nobody'"),
    ],
)
def test_what_cannot_be_is_refused_and_takes_no_snapshot(
    frontier: Frontier, code: int, arguments: tuple[str, ...], says: str
) -> None:
    assert says in frontier.fails(code, "keys", *arguments)
    assert frontier.json("rollback", "--list")["snapshots"] == []


def test_names_are_unique_among_keys_in_use_and_a_change_can_be_undone(
    frontier: Frontier,
) -> None:
    first = frontier.json("keys", "create", "carol")
    assert "there is a key 'carol' already" in frontier.fails(5, "keys", "create", "carol")

    rotated = frontier.json("keys", "rotate", "carol")
    assert rotated["key"]["id"] == first["key"]["id"]
    assert rotated["secret"] != first["secret"]

    frontier.ok("keys", "revoke", first["key"]["id"])
    assert frontier.json("keys", "list")["keys"] == []
    assert [k["state"] for k in frontier.json("keys", "list", "--all")["keys"]] == ["revoked"]
    assert "is revoked" in frontier.fails(5, "keys", "rotate", "carol")
    frontier.ok("keys", "create", "carol")
    assert len(frontier.json("keys", "list")["keys"]) == 1

    newest = [s for s in frontier.json("rollback", "--list")["snapshots"]
              if s["before"] == "keys revoke"]  # fmt: skip
    frontier.ok("rollback", newest[0]["id"])
    (key,) = frontier.json("keys", "list")["keys"]
    assert (key["id"], key["state"]) == (first["key"]["id"], "active")


def test_a_wrong_file_is_told_with_its_line(frontier: Frontier) -> None:
    frontier.ok("keys", "create", "dora")
    file = frontier.workspace / "config" / "keys.yaml"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, "  colour: blue", ""]))

    error = frontier.fails(1, "keys", "list")

    assert f"{file}:{len(lines) + 1}: keys.0.colour: unknown field" in error


def test_a_running_gateway_follows_within_a_second(
    frontier: Frontier, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    file, routes = frontier.workspace / "config" / "keys.yaml", tmp_path / "routes.yaml"
    routes.write_text(
        f"version: 1\nmodels: [{{name: m, backend: vllm, backend_url: '{upstream.url}'}}]\n"
    )
    with GatewayProcess("--config", routes, "--keys", file, "--require-key") as gateway:

        def status(secret: str) -> int:
            return ask(gateway.port, chat("m"), x_api_key=secret).status

        secret = secret_in(frontier.ok("keys", "create", "erin"))
        until(lambda: status(secret) == 200, timeout_s=1)
        other = secret_in(frontier.ok("keys", "rotate", "erin"))
        until(lambda: status(other) == 200, timeout_s=1)
        assert status(secret) == 401
        frontier.ok("keys", "revoke", "erin")
        until(lambda: status(other) == 401, timeout_s=1)
        text = json.dumps(gateway.lines)

    assert secret not in text
    assert other not in text
