"""Stores of other programs are read as they are, and removed from as exactly as from ours."""

import json
from pathlib import Path

import pytest

import model_stores
from fake_index import digest, gguf
from frontier.adapters.hub_cache import HubCache
from frontier.adapters.lmstudio import LmStudio
from frontier.adapters.model_keepers import keeper_at, on_this_machine
from frontier.adapters.ollama_store import OllamaStore

ONE, TWO = gguf(9000), gguf(9100, name="Two")
NAMES = {
    "tiny:1b": "ollama:tiny:1b",
    "me/mine:latest": "ollama:registry.ollama.ai/me/mine:latest",
    "hf.co/owner/Repo-GGUF:Q4_K_M": "ollama:hf.co/owner/Repo-GGUF:Q4_K_M",
}


def test_ollamas_names_sizes_files_and_sources_are_read(tmp_path: Path) -> None:
    for name in NAMES:
        blob = model_stores.ollama(tmp_path, name, ONE)

    models = {model.name: model for model in OllamaStore(tmp_path, engines=("ollama",)).models()}

    assert {name: model.source for name, model in models.items()} == NAMES
    assert {model.path for model in models.values()} == {blob}
    assert {model.digest for model in models.values()} == {digest(ONE)}
    assert models["tiny:1b"].size_bytes > len(ONE)
    assert models["tiny:1b"].engines == ("ollama",)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"layers": [{}], "config": {}}'])
def test_a_manifest_that_cannot_be_read_is_left_out(tmp_path: Path, text: str) -> None:
    model_stores.ollama(tmp_path, "good:1", ONE)
    bad = tmp_path / "manifests/registry.ollama.ai/library/bad/1"
    bad.parent.mkdir()
    bad.write_text(text)

    assert [model.name for model in OllamaStore(tmp_path).models()] == ["good:1"]


def test_only_blobs_that_no_other_model_of_ollama_has_are_freed(tmp_path: Path) -> None:
    blob = model_stores.ollama(tmp_path, "a:1", ONE)
    model_stores.ollama(tmp_path, "a:2", ONE, params=b"other")
    store = OllamaStore(tmp_path)

    assert store.remove("a:2", dry_run=True) == len(b"other")
    assert store.remove("a:2") == len(b"other")
    assert blob.exists()
    assert store.remove("a:1") > len(ONE)

    assert store.models() == ()
    assert list((tmp_path / "blobs").iterdir()) == []


def test_a_blob_with_another_link_frees_nothing(tmp_path: Path) -> None:
    blob = model_stores.ollama(tmp_path, "a:1", ONE)
    (tmp_path / "elsewhere").hardlink_to(blob)

    assert OllamaStore(tmp_path).remove("a:1") < 1000


def test_the_hubs_cache_has_files_and_repositories(tmp_path: Path) -> None:
    shard, config = b"s" * 7000, b"{}"
    files = {
        "m-Q4_0.gguf": ONE,
        "sub/n-Q8_0.gguf": TWO,
        "mmproj-m.gguf": ONE[::-1],
        "big-00001-of-00002.gguf": ONE + b"1",
    }
    model_stores.hub(tmp_path, "owner/Repo-GGUF", files)
    snapshot = model_stores.hub(
        tmp_path, "maker/Full", {"model.safetensors": shard, "config.json": config}
    )
    cache = HubCache(tmp_path, engines=("vllm",))

    models = {model.name: model for model in cache.models()}

    assert set(models) == {
        "owner/Repo-GGUF/m-Q4_0.gguf",
        "owner/Repo-GGUF/sub/n-Q8_0.gguf",
        "owner/Repo-GGUF/big-00001-of-00002.gguf",
        "maker/Full",
    }
    one = models["owner/Repo-GGUF/m-Q4_0.gguf"]
    assert (one.digest, one.path.read_bytes()) == (digest(ONE), ONE)
    assert one.source == f"hf:owner/Repo-GGUF@{'c' * 40}/m-Q4_0.gguf"
    assert not models["owner/Repo-GGUF/big-00001-of-00002.gguf"].is_gguf
    full = models["maker/Full"]
    assert (full.path, full.size_bytes) == (snapshot, len(shard) + len(config))
    assert full.engines == ("vllm",)
    assert cache.remove("maker/Full", dry_run=True) == len(shard) + len(config)
    assert cache.remove("maker/Full") == len(shard) + len(config)
    assert "maker/Full" not in {model.name for model in cache.models()}


def test_one_file_of_a_repository_is_removed_with_its_blob_alone(tmp_path: Path) -> None:
    model_stores.hub(
        tmp_path, "o/r", {"a-Q4_0.gguf": ONE, "sub/b-Q8_0.gguf": TWO, "same.gguf": ONE}
    )
    cache = HubCache(tmp_path)

    assert cache.remove("o/r/same.gguf") == 0  # its blob is that of the other
    assert cache.remove("o/r/sub/b-Q8_0.gguf", dry_run=True) == len(TWO)
    assert cache.remove("o/r/sub/b-Q8_0.gguf") == len(TWO)
    assert [model.name for model in cache.models()] == ["o/r/a-Q4_0.gguf"]
    assert cache.remove("o/r/a-Q4_0.gguf") == len(ONE)

    assert list(tmp_path.glob("models--*")) == []


def test_a_copy_of_a_repository_with_the_same_commits_stays(tmp_path: Path) -> None:
    model_stores.hub(tmp_path, "maker/it", {"model.safetensors": b"s" * 7000})
    copy = model_stores.hub(tmp_path, "copier/it", {"model.safetensors": b"s" * 7000})

    assert HubCache(tmp_path).remove("maker/it") == 7000

    assert (copy / "model.safetensors").read_bytes() == b"s" * 7000


def test_a_blob_that_repositories_share_goes_with_the_last(tmp_path: Path) -> None:
    shared = tmp_path / "blobs/ab" / digest(ONE)
    shared.parent.mkdir(parents=True)
    shared.write_bytes(ONE)
    for repo in ("a/x", "b/x"):
        blob = model_stores.hub(tmp_path, repo, {"m.gguf": ONE}).joinpath("m.gguf")
        own = blob.parent / blob.readlink()
        own.unlink()
        own.symlink_to(shared)
    cache = HubCache(tmp_path)

    assert cache.remove("a/x/m.gguf") == 0
    assert shared.exists()
    assert cache.remove("b/x") == len(ONE)
    assert not shared.exists()


def test_lm_studio_has_files_by_publisher(tmp_path: Path) -> None:
    file = model_stores.lmstudio(tmp_path, "pub/Repo/m-Q4_0.gguf", ONE)
    model_stores.lmstudio(tmp_path, "pub/Repo/mmproj-m.gguf", ONE)
    flat = model_stores.lmstudio(tmp_path, "flat.gguf", TWO)

    models = {model.name: model for model in LmStudio(tmp_path).models()}

    assert set(models) == {"pub/Repo/m-Q4_0.gguf", "flat.gguf"}
    assert models["pub/Repo/m-Q4_0.gguf"].source == "hf:pub/Repo/m-Q4_0.gguf"
    assert models["pub/Repo/m-Q4_0.gguf"].path == file
    assert models["flat.gguf"].source == f"file:{flat}"


def test_stores_are_looked_for_where_their_programs_put_them(tmp_path: Path) -> None:
    model_stores.ollama(tmp_path / "own", "a:1", ONE)
    model_stores.hub(tmp_path / "hf/hub", "o/r", {"m.gguf": ONE})
    model_stores.lmstudio(tmp_path / ".lmstudio/models", "p/r/m.gguf", ONE)
    environ = {"OLLAMA_MODELS": str(tmp_path / "own"), "HF_HOME": str(tmp_path / "hf")}

    found = [model.keeper for k in on_this_machine(environ, tmp_path) for model in k.models()]

    assert found[:3] == ["ollama", "hub", "lmstudio"]


def test_a_folder_tells_whose_it_is(tmp_path: Path) -> None:
    model_stores.ollama(tmp_path / "a", "a:1", ONE)
    model_stores.hub(tmp_path / "b", "o/r", {"m.gguf": ONE})
    model_stores.lmstudio(tmp_path / "c", "m.gguf", ONE)

    kinds = [keeper_at(tmp_path / name).models()[0].keeper for name in "abc"]

    assert kinds == ["ollama", "hub", "lmstudio"]
    assert json.dumps(kinds)
