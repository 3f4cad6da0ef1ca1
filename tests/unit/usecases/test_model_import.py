"""What other programs have is taken without a second copy of its bytes."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

import model_stores
from fake_index import digest, gguf
from fakes import FakeReporter
from frontier.adapters import blobs_share
from frontier.adapters.blobs import BlobStore
from frontier.adapters.hub_cache import HubCache
from frontier.adapters.lmstudio import LmStudio
from frontier.adapters.ollama_store import OllamaStore
from frontier.adapters.sources import Sources
from frontier.domain.errors import ModelNotFoundError, RefusedError
from frontier.domain.names import name_from_file
from frontier.usecases import models, stored_models
from frontier.usecases.model_import import Imported, import_models, importable

ONE, TWO, THREE = (gguf(20_000 + i, name=f"M{i}") for i in range(3))


class World:
    """A store of ours and three of other programs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.theirs = model_stores.ollama(root / "ollama", "one:1b", ONE)
        model_stores.hub(root / "hub", "owner/Two-GGUF", {"Two-Q4_0.gguf": TWO})
        model_stores.hub(root / "hub", "maker/Full", {"model.safetensors": bytes(900)})
        model_stores.lmstudio(root / "studio", "pub/Three/Three-Q8_0.gguf", THREE)
        self.keepers = (
            OllamaStore(root / "ollama"),
            HubCache(root / "hub"),
            LmStudio(root / "studio"),
        )
        self.store = BlobStore(root / "store")

    def run(self, *names: str, name: str = "", dry_run: bool = False) -> Imported:
        return import_models(
            names,
            self.keepers,
            store=self.store,
            reporter=FakeReporter(),
            stored_as=name,
            dry_run=dry_run,
        )

    @property
    def states(self) -> dict[str, str]:
        found = importable(self.keepers, store=self.store).models
        return {item.name: item.state for item in found}

    @property
    def disk_bytes(self) -> int:
        files = [p.stat() for p in self.root.rglob("*") if p.is_file() and not p.is_symlink()]
        return sum({(s.st_dev, s.st_ino): s.st_size for s in files if s.st_size > 9000}.values())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_all_that_can_be_had_is_here_and_no_byte_is_copied(world: World) -> None:
    before = world.disk_bytes

    done = world.run()

    assert {item.name: item.how for item in done.models if item.how} == {
        "one:1b": "hard link",
        "two:q4_0": "hard link",
        "three:q8_0": "hard link",
    }
    assert [item.reason for item in done.models if not item.how] == ["not one GGUF file"]
    assert {m.name: m.digest for m in world.store.all()} == {
        "one:1b": digest(ONE),
        "two:q4_0": digest(TWO),
        "three:q8_0": digest(THREE),
    }
    assert world.disk_bytes == before
    assert all(world.store.verify(model) == "ok" for model in world.store.all())
    assert world.theirs.samefile(world.store.blob(digest(ONE)))


def test_a_dry_run_changes_nothing_and_a_second_import_finds_it_here(world: World) -> None:
    planned = world.run("one:1b", dry_run=True)

    assert (planned.applied, planned.models[0].how) == (False, "hard link")
    assert world.store.all() == ()
    world.run("one:1b")
    assert world.run("one:1b").models[0].how == "here already"
    assert world.states["one:1b"] == "here"


def test_one_blob_of_two_programs_is_stored_once(world: World) -> None:
    model_stores.lmstudio(world.root / "studio", "pub/Copy/copy.gguf", ONE)
    world.run("one:1b")

    done = world.run("pub/Copy/copy.gguf", name="second")

    assert done.models[0].how == "here already"
    assert len(list((world.root / "store/blobs").iterdir())) == 1
    assert len(world.store.all()) == 2


def test_removing_it_here_leaves_it_there_and_frees_nothing_yet(world: World) -> None:
    world.run("one:1b")

    planned = stored_models.remove("one:1b", store=world.store, dry_run=True)
    removed = stored_models.remove("one:1b", store=world.store)

    assert (planned.freed_bytes, planned.kept_bytes) == (0, len(ONE))
    assert (removed.freed_bytes, removed.kept_bytes) == (0, len(ONE))
    assert world.theirs.read_bytes() == ONE


def test_removing_it_there_leaves_it_here(world: World) -> None:
    world.run("one:1b")

    world.keepers[0].remove("one:1b")  # type: ignore[union-attr]

    assert world.store.verify(world.store.all()[0]) == "ok"
    removed = stored_models.remove("one:1b", store=world.store)
    assert (removed.freed_bytes, removed.kept_bytes) == (len(ONE), 0)


def test_a_name_that_is_taken_is_refused_with_the_way_out(world: World) -> None:
    world.run("pub/Three/Three-Q8_0.gguf", name="one:1b")

    with pytest.raises(RefusedError, match="another model here") as caught:
        world.run("one:1b")

    assert "--name OTHER" in caught.value.hint
    assert world.run("one:1b", name="other").models[0].how == "hard link"
    assert any(item.reason == "name taken" for item in world.run().models)


@pytest.mark.parametrize("name", ["one", "ONE:1b", "Three-Q8_0.gguf", "pub/three/three-q8_0.gguf"])
def test_a_name_may_be_short_where_it_means_one(world: World, name: str) -> None:
    assert world.run(name).models[0].how == "hard link"


def test_a_short_name_that_several_have_means_none(world: World) -> None:
    model_stores.ollama(world.root / "ollama", "one:2b", TWO)

    with pytest.raises(ModelNotFoundError, match="'one'"):
        world.run("one")


def test_an_unknown_name_tells_the_nearest(world: World) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        world.run("ones:1b")

    assert "one:1b" in caught.value.hint


def test_a_repository_of_safetensors_is_refused(world: World) -> None:
    with pytest.raises(RefusedError, match="no single GGUF file"):
        world.run("maker/Full")


def pulled(world: World, digest_: str, name: str) -> models.Pulled:
    return models.pull(
        f"https://nobody.invalid/m.gguf#sha256={digest_}",
        store=world.store,
        sources=Sources({}, home=world.root, prefix=world.root),
        catalog=SimpleNamespace(entries={}),
        keepers=lambda: world.keepers,
        reporter=FakeReporter(),
        stored_as=name,
    )


def test_a_pull_links_what_another_program_has_instead_of_downloading_it(world: World) -> None:
    done = pulled(world, digest(TWO), "mine")

    assert (done.downloaded, done.model.digest) == (False, digest(TWO))
    assert done.model.path.stat().st_nlink == 2
    assert done.model.source == f"https://nobody.invalid/m.gguf#sha256={digest(TWO)}"


def test_a_damaged_file_of_another_program_is_not_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sources, "locate", lambda self, source: 1 / 0)  # the network is next
    world.theirs.write_bytes(ONE[:-1] + b"!")

    with pytest.raises(ZeroDivisionError):
        pulled(world, digest(ONE), "mine")

    assert world.store.all() == ()


def test_another_disk_is_refused_with_the_command_that_copies(world: World) -> None:
    folder = Path("/dev/shm")
    if not folder.is_dir() or folder.stat().st_dev == world.root.stat().st_dev:
        pytest.skip("needs a second file system")
    other = folder / f"frontier-$(test)-{os.getpid()}.gguf"
    other.write_bytes(ONE)
    world.keepers = (LmStudio(other.parent),)  # type: ignore[assignment]
    try:
        assert world.states[name_from_file(other.name)] == "other disk"
        with pytest.raises(RefusedError, match="another disk") as caught:
            world.run(other.name)
        with pytest.raises(RefusedError, match="another disk") as at_last:
            world.store.share(other, "x:1", source="s")
    finally:
        other.unlink()

    assert f"frontier models pull 'file:{other}' --name" in caught.value.hint
    assert f"frontier models pull 'file:{other}'" in at_last.value.hint
    assert world.store.all() == ()
    assert list((world.root / "store/blobs").iterdir()) == []


def test_a_file_that_may_not_be_linked_is_cloned_or_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "not yours", str(target))

    def clone(file: Path, place: Path) -> bool:
        place.write_bytes(file.read_bytes())
        return True

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with pytest.raises(RefusedError, match="not allowed"):
        world.run("one:1b")
    monkeypatch.setattr(blobs_share, "_cloned", clone)

    assert world.run("one:1b").models[0].how == "reflink"
