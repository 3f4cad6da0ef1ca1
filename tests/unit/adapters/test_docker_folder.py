"""The project folder: complete, closed where it has to be, and nobody else's files touched."""

import errno
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from frontier.adapters import project_folder
from frontier.adapters.project_folder import manifest, materialise, require_possible, write_live
from frontier.adapters.workspace import Workspace
from frontier.domain.containers import Containers
from frontier.domain.errors import ConfigError, DoesNotFitError, NotFoundError, StorageError
from frontier.domain.project import Project


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "w")
    workspace.secrets.mkdir(parents=True)
    (workspace.secrets / "key-1").write_text("sesame")
    blobs = workspace.models / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "m").write_text("weights")
    (blobs / "m").chmod(0o444)
    return workspace


def project(
    services: dict[str, Any] | None = None, *, document: dict[str, Any] | None = None, **fields: Any
) -> Project:
    services = services or {"a": {"image": "x", "labels": {}}}
    containers = Containers(
        document={"name": "p", "services": services, **(document or {})}, **fields
    )
    return Project(name="p", stack="s", containers=containers)


def secret_of(*users: str) -> Project:
    services = {
        f"s{i}": {"image": "x", "secrets": ["key"], **({"user": user} if user else {})}
        for i, user in enumerate(users)
    }
    document = {"secrets": {"key": {"file": "./secrets/key"}}}
    return project(services, document=document, secrets={"secrets/key": "key-1"})


def tree(workspace: Workspace) -> dict[str, str]:
    folder = workspace.project_folder
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("compose.yaml", ".written.json")
    }


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_folder_holds_the_document_files_secrets_and_models(workspace: Workspace) -> None:
    declared = project(
        files={"config/a.yml": "a: 1\n", "live/routes.yaml": "r\n"},
        secrets={"secrets/key": "key-1"},
        links={"models/m.gguf": "data/models/blobs/m"},
    )

    assert materialise(declared, workspace) == ()

    assert tree(workspace) == {
        "config/a.yml": "a: 1\n",
        "live/routes.yaml": "r\n",
        "models/m.gguf": "weights",
        "secrets/key": "sesame",
    }
    folder = workspace.project_folder
    assert (folder / "models/m.gguf").samefile(workspace.models / "blobs" / "m")
    assert (mode(folder / "config/a.yml"), mode(folder / "secrets/key")) == (0o644, 0o600)
    assert manifest(workspace).stack == "s"


def test_every_service_says_whose_it_is_and_nothing_else_is_changed(workspace: Workspace) -> None:
    declared = project({"b": {"image": "x", "labels": {"l": "1"}}, "a": {"image": "y"}})

    materialise(declared, workspace)

    written = yaml.safe_load((workspace.project_folder / "compose.yaml").read_text())
    ours = {"frontier.workspace": str(workspace.root)}
    assert written == {
        "name": "p",
        "services": {
            "b": {"image": "x", "labels": {"l": "1", **ours}},
            "a": {"image": "y", "labels": ours},
        },
    }


def test_a_second_time_nothing_is_written(workspace: Workspace) -> None:
    declared = project(
        files={"c": "1"}, secrets={"s/k": "key-1"}, links={"m": "data/models/blobs/m"}
    )
    materialise(declared, workspace)
    before = {p: p.stat().st_mtime_ns for p in workspace.project_folder.rglob("*")}

    materialise(declared, workspace)

    assert before == {p: p.stat().st_mtime_ns for p in workspace.project_folder.rglob("*")}


def test_what_no_longer_belongs_goes_and_what_we_did_not_write_stays(
    workspace: Workspace,
) -> None:
    materialise(project(files={"old/deep/a": "1", "b": "1"}), workspace)
    (workspace.project_folder / "data").mkdir()
    (workspace.project_folder / "data" / "theirs").write_text("precious")

    materialise(project(files={"b": "2"}), workspace)

    assert tree(workspace) == {"b": "2", "data/theirs": "precious"}
    assert not (workspace.project_folder / "old").exists()


def test_while_two_projects_run_the_files_of_both_stay(workspace: Workspace) -> None:
    materialise(project(files={"old": "1"}), workspace)

    materialise(replace(project(files={"new": "2"}), stack="t"), workspace, prune=False)
    assert tree(workspace) == {"old": "1", "new": "2"}
    assert manifest(workspace).stack == "s"

    materialise(project(files={"new": "2"}), workspace)
    assert tree(workspace) == {"new": "2"}


def test_links_that_lead_out_are_neither_followed_nor_written_through(
    workspace: Workspace, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("precious")
    materialise(project(files={"config/a": "1", "gone/a": "1", "b": "1"}), workspace)
    folder = workspace.project_folder
    for name in ("config", "gone"):
        (folder / name / "a").unlink()
        (folder / name).rmdir()
        (folder / name).symlink_to(outside)
    (folder / "b").unlink()
    (folder / "b").symlink_to(outside / "a")

    materialise(project(files={"config/a": "2", "b": "2"}), workspace)

    assert (outside / "a").read_text() == "precious"
    assert (folder / "config/a").read_text() == "2"
    assert not (folder / "config").is_symlink()
    assert not (folder / "b").is_symlink()


def test_a_folder_of_models_is_a_tree_of_the_same_files(workspace: Workspace) -> None:
    hub = workspace.root / "data" / "hub"
    (hub / "snapshots").mkdir(parents=True)
    (hub / "blob").write_text("weights")
    (hub / "snapshots" / "model").symlink_to("../blob")

    materialise(project(links={"hub": "data/hub"}), workspace)

    ours = workspace.project_folder / "hub"
    assert (ours / "blob").samefile(hub / "blob")
    assert (ours / "snapshots" / "model").samefile(hub / "blob")
    assert not (ours / "snapshots" / "model").is_symlink()


def test_a_model_on_another_disk_is_copied_once_and_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    declared = project(links={"models/m.gguf": "data/models/blobs/m"})

    assert materialise(declared, workspace) == ("m.gguf: copied, 7 B: it lies on another disk",)
    assert materialise(declared, workspace) == ()
    assert (workspace.project_folder / "models/m.gguf").read_text() == "weights"


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on another device than the workspace, which is a tmpfs."""
    there = Path("/dev/shm")
    if not there.is_dir() or there.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second disk to write to")
    with tempfile.TemporaryDirectory(dir=there) as folder:
        yield Path(folder)


@pytest.fixture
def huge(workspace: Workspace, other_disk: Path) -> Project:
    """A project whose model is larger than any disk, and lies on another one."""
    with (other_disk / "huge").open("wb") as file:
        file.truncate(2**50)
    (workspace.models / "blobs" / "huge").symlink_to(other_disk / "huge")
    return project(links={"models/huge.gguf": "data/models/blobs/huge"})


def test_a_model_on_another_disk_is_refused_before_it_is_copied_where_there_is_no_room(
    workspace: Workspace, huge: Project
) -> None:
    with pytest.raises(DoesNotFitError) as caught:
        require_possible(huge, workspace)

    assert "1,125,899,906,842,624 bytes" in caught.value.message
    assert "are free" in caught.value.message
    assert caught.value.exit_code == 5
    assert not workspace.project_folder.exists()


def test_a_copy_that_has_no_room_leaves_the_folder_without_it(
    workspace: Workspace, huge: Project
) -> None:
    with pytest.raises(DoesNotFitError):
        materialise(huge, workspace)

    assert not [*(workspace.project_folder / "models").iterdir()]


def test_what_is_linked_or_copied_already_needs_no_room(
    workspace: Workspace, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (other_disk / "n").write_text("more")
    (workspace.models / "blobs" / "n").symlink_to(other_disk / "n")
    links = {name: f"data/models/blobs/{name}" for name in ("m", "n")}
    materialise(project(links=links), workspace)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))

    require_possible(project(links=links), workspace)


def test_a_link_that_fails_for_another_reason_is_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "link", refuse)

    with pytest.raises(StorageError, match="the disk is full"):
        materialise(project(links={"m": "data/models/blobs/m"}), workspace)


def test_a_changed_model_replaces_the_old_one(workspace: Workspace) -> None:
    materialise(project(links={"m": "data/models/blobs/m"}), workspace)
    (workspace.models / "blobs" / "n").write_text("better")

    materialise(project(links={"m": "data/models/blobs/n"}), workspace)

    assert tree(workspace) == {"m": "better"}
    assert (workspace.models / "blobs" / "m").read_text() == "weights"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_gives_a_secret_to_the_user_that_reads_it(workspace: Workspace) -> None:
    materialise(secret_of("65534:65534", "65534"), workspace)

    secret = workspace.project_folder / "secrets/key"
    assert (secret.stat().st_uid, mode(secret)) == (65534, 0o600)

    materialise(secret_of("0"), workspace)
    assert (secret.stat().st_uid, mode(secret)) == (0, 0o600)


@pytest.mark.parametrize("users", [("1", "2"), ("nobody",)])
def test_a_secret_of_several_or_unknown_users_is_open_in_a_closed_folder(
    workspace: Workspace, users: tuple[str, ...]
) -> None:
    materialise(secret_of(*users), workspace)

    secret = workspace.project_folder / "secrets/key"
    assert (mode(secret), mode(secret.parent)) == (0o644, 0o700)


def test_without_root_a_secret_of_another_user_is_open_in_a_closed_folder(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    materialise(secret_of("65534"), workspace)

    secret = workspace.project_folder / "secrets/key"
    assert (mode(secret), mode(secret.parent)) == (0o644, 0o700)


def test_a_secret_in_the_long_form_is_found(workspace: Workspace) -> None:
    declared = secret_of("1", "2")
    assert declared.containers
    for service in declared.containers.services.values():
        service["secrets"] = [{"source": "key", "target": "/k"}]

    materialise(declared, workspace)

    assert mode(workspace.project_folder / "secrets/key") == 0o644


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (project(secrets={"k": "key-9"}), "the secret key-9 is gone"),
        (project(links={"m": "data/none"}), "data/none is gone"),
    ],
)
def test_what_is_gone_is_named_before_anything_starts(
    workspace: Workspace, declared: Project, words: str
) -> None:
    with pytest.raises(NotFoundError, match=words):
        materialise(declared, workspace)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ".", ".written.json"])
def test_a_path_outside_is_refused(workspace: Workspace, path: str) -> None:
    with pytest.raises(ConfigError, match="does not lie in the project folder"):
        materialise(project(files={path: "x"}), workspace)
    assert not workspace.project_folder.exists()


def test_live_files_are_replaced_and_no_others(workspace: Workspace) -> None:
    materialise(project(files={"live/r": "1", "c": "1"}), workspace)
    before = (workspace.project_folder / "live/r").stat().st_ino

    write_live(project(files={"live/r": "2", "live/n": "2", "c": "2"}), workspace)

    assert tree(workspace) == {"live/r": "2", "live/n": "2", "c": "1"}
    assert (workspace.project_folder / "live/r").stat().st_ino != before, "renamed into place"
    assert "live/n" in manifest(workspace).paths


def test_the_folder_that_docker_made_for_a_missing_file_gives_way(workspace: Workspace) -> None:
    (workspace.project_folder / "config" / "a.yml" / "deep").mkdir(parents=True)

    materialise(project(files={"config/a.yml": "1"}), workspace)

    assert tree(workspace) == {"config/a.yml": "1"}


def test_a_folder_with_files_where_a_file_has_to_go_is_left_and_told(workspace: Workspace) -> None:
    (workspace.project_folder / "a").mkdir(parents=True)
    (workspace.project_folder / "a" / "theirs").write_text("precious")

    with pytest.raises(StorageError, match="is a folder with files in it"):
        materialise(project(files={"a": "1"}), workspace)

    assert tree(workspace) == {"a/theirs": "precious"}


def test_a_file_where_a_folder_has_to_be_gives_way(workspace: Workspace) -> None:
    materialise(project(files={"a": "1"}), workspace)

    materialise(project(files={"a/b": "2"}), workspace)

    assert tree(workspace) == {"a/b": "2"}


def test_what_a_killed_write_left_is_swept(workspace: Workspace) -> None:
    materialise(project(files={"a": "1"}), workspace)
    (workspace.project_folder / ".a.x8_32bit").write_text("half")

    materialise(project(files={"a": "2"}), workspace)

    assert tree(workspace) == {"a": "2"}


def test_a_damaged_list_of_what_we_wrote_costs_only_the_cleaning(workspace: Workspace) -> None:
    materialise(project(files={"a": "1"}), workspace)
    (workspace.project_folder / ".written.json").write_text("{")

    materialise(project(files={"b": "2"}), workspace)

    assert tree(workspace) == {"a": "1", "b": "2"}


def test_permissions_are_mended(workspace: Workspace) -> None:
    materialise(project(files={"a": "1"}, secrets={"k": "key-1"}), workspace)
    (workspace.project_folder / "k").chmod(0o666)

    materialise(project(files={"a": "1"}, secrets={"k": "key-1"}), workspace)

    assert mode(workspace.project_folder / "k") == 0o600


def test_a_project_without_containers_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        project_folder.containers_of(Project(name="p", stack="s"))
