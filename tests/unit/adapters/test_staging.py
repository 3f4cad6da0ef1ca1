import hashlib
import io
import sys
from pathlib import Path

import pytest

from fakes import project
from frontier.adapters.blobs import BlobStore
from frontier.adapters.project_file import ProjectFile
from frontier.adapters.staging import Staging
from frontier.adapters.workspace import Workspace
from frontier.domain.backup import Manifest, SavedFile, SavedModel, SavedVolume
from frontier.domain.errors import DamagedBackupError, DoesNotFitError
from frontier.domain.snapshot import DECLARED

BLOB = b"GGUF weights"
DIGEST = hashlib.sha256(BLOB).hexdigest()
MODELS = tuple(
    SavedModel(
        name=name,
        source="file:/gone/m.gguf",
        digest=DIGEST,
        size_bytes=len(BLOB),
        file_name="m.gguf",
        is_included=True,
    )
    for name in ("a:1", "b:1")
)
VOLUME = SavedVolume(name="data/grafana", size_bytes=3, sha256="a" * 64)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "new")


@pytest.fixture
def staging(workspace: Workspace) -> Staging:
    return Staging(workspace, BlobStore(workspace.models), python=sys.executable)


def manifest(*names: str, size_bytes: int = 1) -> Manifest:
    return Manifest(
        frontier="0.1.0",
        workspace_format=2,
        created="2026-11-21T00:00:00+00:00",
        host="there",
        root="/old/ws",
        python="/old/python",
        stack="llamacpp",
        project="frontier",
        files=tuple(
            SavedFile(path=n, size_bytes=size_bytes, sha256="b" * 64, mode=0o600) for n in names
        ),
        volumes=(VOLUME,),
        models=MODELS,
    )


def test_a_project_finds_its_paths_in_the_new_workspace(
    staging: Staging, workspace: Workspace
) -> None:
    text = project("/old/ws/data/models/blobs/x").to_json()
    staging.begin(manifest(DECLARED), volumes=())
    staging.put(f"files/{DECLARED}", io.BytesIO(text.encode()))
    staging.commit("backup one")

    declared = ProjectFile(workspace.project_file).load()

    assert declared is not None
    assert declared.services[0].argv[-1] == f"{workspace.root}/data/models/blobs/x"


def test_a_blob_gets_all_its_names_and_is_verified(staging: Staging, workspace: Workspace) -> None:
    staging.begin(manifest(), volumes=())
    with pytest.raises(DamagedBackupError):
        staging.put(f"models/{DIGEST}", io.BytesIO(b"other bytes!"))
    staging.put(f"models/{DIGEST}", io.BytesIO(BLOB))

    store = BlobStore(workspace.models)

    assert [m.name for m in store.all()] == ["a:1", "b:1"]
    assert all(store.verify(m) == "ok" for m in store.all())
    assert not store.partials()


def test_volumes_wait_until_they_are_loaded(staging: Staging, workspace: Workspace) -> None:
    staging.begin(manifest(), volumes=["data/grafana"])
    staging.put("volumes/data-grafana.tar", io.BytesIO(b"tar"))
    assert staging.pending() == ()

    staging.commit("backup one")

    ((volume, compose, tar),) = staging.pending()
    assert (volume.name, compose, tar.read_bytes()) == ("data/grafana", "frontier", b"tar")
    staging.loaded(volume)
    assert staging.pending() == ()
    assert not (workspace.state / "pending").exists()


def test_volumes_that_are_not_wanted_are_not_unpacked(
    staging: Staging, workspace: Workspace
) -> None:
    staging.begin(manifest(), volumes=())
    staging.put("volumes/data-grafana.tar", io.BytesIO(b"tar"))
    staging.commit("backup one")

    assert staging.pending() == ()


def test_what_does_not_fit_is_refused_before_it_is_unpacked(
    staging: Staging, workspace: Workspace
) -> None:
    with pytest.raises(DoesNotFitError, match="are free"):
        staging.begin(manifest(".env", size_bytes=1 << 60), volumes=())

    assert not (workspace.state / "staged").exists()


def test_a_restore_says_which_files_it_changes_adds_and_removes(
    staging: Staging, workspace: Workspace
) -> None:
    workspace.config.mkdir(parents=True)
    (workspace.config / "late.yaml").touch()
    secret = workspace.secrets / "api-key-1"
    secret.parent.mkdir(parents=True)
    secret.touch()

    assert staging.changes(manifest(".env")) == (".env", "config/late.yaml")
