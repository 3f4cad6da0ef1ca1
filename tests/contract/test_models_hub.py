"""Repositories come into the hub's cache so that the hub's own library finds them there."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

import model_stores
from fake_index import Server, digest, gguf, git_digest
from frontier.adapters.hub import Hub
from frontier.adapters.hub_cache import HubCache
from frontier.adapters.hub_snapshot import HubSnapshots
from frontier.adapters.sources import Sources
from frontier.domain.errors import CorruptBlobError, DoesNotFitError, DownloadError

COMMIT = "c" * 40
WEIGHTS = [hashlib.sha256(bytes([i])).digest() * 3000 for i in range(2)]
CONFIG = b'{"model_type": "llama"}'
FILES = {
    "config.json": CONFIG,
    "sub/tokenizer.json": b"t" * 900,
    "model-00001-of-00002.safetensors": WEIGHTS[0],
    "model-00002-of-00002.safetensors": WEIGHTS[1],
    "model-Q4_0.gguf": gguf(9000),
    "pytorch_model.bin": b"p" * 9000,
    "README.md": b"read",
}
TOTAL = len(CONFIG) + 900 + 2 * 96_000


class World:
    """A hub with one repository, and an empty cache."""

    def __init__(self, folder: Path, server: Server, token: str = "") -> None:
        self.folder, self.server = folder, server
        self.root = folder / "hub"
        environ = {"HF_ENDPOINT": server.url, "PIP_CONFIG_FILE": "/dev/null"}
        sources = Sources(environ, home=folder, prefix=folder, sleep=lambda seconds: None)
        self.snapshots = HubSnapshots(self.root, Hub(environ, token), lambda: sources.fetcher)
        self.progress: list[tuple[int, int | None]] = []
        self.room: list[int] = []

    def fetch(self, repo: str = "maker/Full", revision: str = "") -> tuple[int, int]:
        return self.snapshots.fetch(
            repo,
            revision,
            room=self.room.append,
            progress=lambda done, total: self.progress.append((done, total)),
        )


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    server.add_hub("maker/Full", FILES)
    return World(tmp_path, server)


def test_the_hubs_own_library_finds_what_we_brought_without_a_network(world: World) -> None:
    assert world.snapshots.missing("maker/Full") == (TOTAL, TOTAL)

    assert world.fetch() == (TOTAL, TOTAL)

    path = huggingface_hub.snapshot_download(
        "maker/Full", cache_dir=world.root, local_files_only=True
    )
    found = {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in Path(path).rglob("*")
        if file.is_file()
    }
    scanned = huggingface_hub.scan_cache_dir(world.root)
    wanted = [n for n in FILES if n.endswith((".safetensors", ".json"))]
    assert found == {name: FILES[name] for name in wanted}
    assert scanned.size_on_disk == TOTAL
    assert not scanned.warnings
    assert [model.name for model in HubCache(world.root).models()] == ["maker/Full"]
    assert (world.room, world.progress[-1]) == ([TOTAL], (TOTAL, TOTAL))


def test_what_is_here_is_not_fetched_again(world: World) -> None:
    world.fetch()
    world.server.log.clear()

    assert world.fetch() == (TOTAL, 0)

    assert [r.path for r in world.server.log if r.path.startswith("/cdn")] == []
    assert world.snapshots.missing("maker/Full") == (TOTAL, 0)


def test_an_interrupted_file_goes_on_where_it_stopped(world: World) -> None:
    name = "model-00002-of-00002.safetensors"
    world.server.routes[f"/cdn/{name}"].cuts = [50_000, 0, 0, 0, 0, 0]
    with pytest.raises(DownloadError):
        world.fetch()
    assert world.snapshots.missing("maker/Full") == (TOTAL, 46_000)
    world.server.routes[f"/cdn/{name}"].cuts = []

    assert world.fetch() == (TOTAL, 46_000)

    assert [r.begin for r in world.server.of(f"/cdn/{name}")][-1] == 50_000
    blobs = sorted(path.name for path in world.root.glob("models--maker--Full/blobs/*"))
    small = [git_digest(CONFIG)]
    assert blobs == sorted([*small, *(digest(data) for data in (*WEIGHTS, b"t" * 900))])


@pytest.mark.parametrize("name", ["config.json", "model-00001-of-00002.safetensors"])
def test_other_bytes_than_promised_are_refused(world: World, name: str) -> None:
    data = FILES[name]
    world.server.add(f"/cdn/{name}", bytes([data[0] ^ 1]) + data[1:], etag='"x"')

    with pytest.raises(CorruptBlobError):
        world.fetch()

    assert not (world.root / "models--maker--Full/snapshots" / COMMIT / name).exists()
    world.server.add(f"/cdn/{name}", data)
    assert world.fetch()[0] == TOTAL


def test_a_disk_that_is_too_small_is_refused_before_the_first_byte(world: World) -> None:
    def room(missing: int) -> None:
        raise DoesNotFitError(f"{missing} bytes")

    with pytest.raises(DoesNotFitError, match=str(TOTAL)):
        world.snapshots.fetch("maker/Full", room=room, progress=lambda done, total: None)

    assert not list(world.root.rglob("*.incomplete"))


def test_a_repository_without_safetensors_tells_the_other_way(world: World) -> None:
    world.server.add_hub("o/only-gguf", {"m-Q4_0.gguf": gguf(9000)})

    with pytest.raises(DownloadError, match="no safetensors") as caught:
        world.fetch("o/only-gguf")

    assert "hf:o/only-gguf:" in caught.value.hint


def test_a_gated_repository_is_explained_before_anything_is_fetched(
    world: World, server: Server
) -> None:
    server.add_hub("meta/Gated", FILES, token="hf_good", gated=True)

    with pytest.raises(DownloadError, match="is gated") as caught:
        world.fetch("meta/Gated")
    assert "https://huggingface.co/meta/Gated" in caught.value.hint
    assert "frontier config set HF_TOKEN" in caught.value.hint
    assert not [r for r in server.log if "/cdn/" in r.path]

    assert World(world.folder / "two", server, token="hf_good").fetch("meta/Gated")[0] == TOTAL


def test_a_token_whose_owner_has_not_accepted_is_told_so(world: World, server: Server) -> None:
    server.add_hub("meta/Gated", FILES, token="hf_other", gated=True)
    path = f"/meta/Gated/resolve/{COMMIT}/config.json"
    server.add(path, statuses=[403], error_code="GatedRepo")

    with pytest.raises(DownloadError, match="has not accepted the licence") as caught:
        World(world.folder, server, token="hf_other").fetch("meta/Gated")

    assert "Accept it" in caught.value.hint


def test_offline_a_file_comes_from_the_hubs_cache_of_this_machine(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    model = gguf(20_000)
    model_stores.hub(cache, "o/r-GGUF", {"m-Q4_0.gguf": model, "n-Q8_0.gguf": gguf(9000)})
    sources = Sources(
        {"HF_HUB_OFFLINE": "1"}, home=tmp_path, prefix=tmp_path, hub_caches=[tmp_path / "no", cache]
    )

    by_file = sources.locate("hf:o/r-GGUF/m-Q4_0.gguf")
    by_quantisation = sources.locate("hf:o/r-GGUF:Q4_0")
    fetched = sources.fetch(
        by_file,
        tmp_path / "m.part",
        expected=digest(model),
        size_bytes=len(model),
        room=lambda missing: None,
        progress=lambda done, total: None,
    )

    assert by_file == by_quantisation
    assert (by_file.digest, by_file.url[:5]) == (digest(model), "file:")
    assert fetched.path.read_bytes() == model
    for absent in ("hf:o/r-GGUF:Q5_0", "hf:o/r-GGUF/x.gguf", "hf:o/other:Q4_0"):
        with pytest.raises(DownloadError, match="the hub's cache has it not") as caught:
            sources.locate(absent)
        assert "unset HF_HUB_OFFLINE" in caught.value.hint
