"""The store: what it publishes, verifies, removes and sweeps."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fake_index import digest, gguf
from fakes import FakeReporter
from frontier.adapters.blobs import BlobStore
from frontier.adapters.files import is_locked, locked
from frontier.domain.errors import BusyError, StorageError
from frontier.domain.model import Model
from waiting import until

DATA = gguf(5000)
OTHER = gguf(6000, name="Other")


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "data" / "models")


def publish(store: BlobStore, name: str, data: bytes = DATA, source: str = "file:/x") -> Model:
    part = store.partial(name, source)
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(data)
    part.with_suffix(".json").write_text("{}")
    return store.publish(part, name, digest=digest(data), source=source, file_name="x.gguf")


def damage(model: Model, data: bytes) -> None:
    """Replace the blob's bytes in place, as an editor or a bad disk does."""
    model.path.chmod(0o644)
    model.path.write_bytes(data)


def test_what_is_published_is_read_only_named_and_alone(store: BlobStore) -> None:
    model = publish(store, "own:q4")

    assert store.all() == (model,)
    assert store.load("own:q4") == model
    assert model.path.read_bytes() == DATA
    assert model.path.stat().st_mode & 0o777 == 0o444
    assert model.path.stat().st_nlink == 1
    assert model.pulled_at.endswith("+00:00")
    assert not store.partials()
    assert store.verify_quick(model)


def test_an_empty_store_is_empty_and_not_created(store: BlobStore) -> None:
    assert (store.all(), store.broken(), store.partials()) == ((), (), {})
    assert store.load("x:y") is None
    assert store.free_bytes() > 0
    assert not store.root.exists()


def test_names_with_slashes_are_one_file(store: BlobStore) -> None:
    publish(store, "owner/own:q4")

    assert [m.name for m in store.all()] == ["owner/own:q4"]
    assert len(list((store.root / "refs").iterdir())) == 1


def test_one_blob_serves_two_names_until_the_last_is_removed(store: BlobStore) -> None:
    first, second = publish(store, "a:1"), publish(store, "b:1")

    assert first.path == second.path
    assert store.remove("a:1", dry_run=True) == 0
    assert store.remove("a:1") == 0
    assert store.verify_quick(second)
    assert store.remove("b:1", dry_run=True) == len(DATA)
    assert store.load("b:1")
    assert store.remove("b:1") == len(DATA)
    assert not list((store.root / "blobs").iterdir())


def test_a_replaced_model_leaves_no_blob_behind(store: BlobStore) -> None:
    publish(store, "a:1")

    model = publish(store, "a:1", OTHER)

    assert list((store.root / "blobs").iterdir()) == [model.path]


def test_a_touched_blob_is_hashed_again_and_an_untouched_one_is_not(store: BlobStore) -> None:
    model = publish(store, "a:1")
    stat = model.path.stat()
    os.utime(model.path, ns=(1, 1))

    assert store.verify_quick(model)

    damage(model, DATA[:-1] + b"!")
    assert not store.verify_quick(model)
    os.utime(model.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not store.verify_quick(model)


@pytest.mark.parametrize(
    ("data", "health"),
    [
        (DATA[:-1], "truncated"),
        (DATA + b"!", "corrupt"),
        (DATA[:-1] + b"!", "corrupt"),
        (None, "missing"),
    ],
)
def test_a_check_tells_how_a_blob_is_bad_and_remembers_it(
    store: BlobStore, data: bytes | None, health: str
) -> None:
    model = publish(store, "a:1")
    stamp = model.path.stat().st_mtime_ns
    if data is None:
        model.path.unlink()
    else:
        damage(model, data)
        os.utime(model.path, ns=(stamp, stamp))

    assert store.verify(model) == health
    assert not store.verify_quick(model)


def test_a_mended_blob_is_good_again(store: BlobStore) -> None:
    model = publish(store, "a:1")
    damage(model, b"bad")
    assert store.verify(model) == "truncated"

    again = publish(store, "a:1")

    assert store.verify_quick(again)
    assert again.path.read_bytes() == DATA


def test_bytes_done_are_told_while_hashing(store: BlobStore) -> None:
    seen: list[int] = []

    assert store.verify(publish(store, "a:1"), seen.append) == "ok"

    assert seen == [len(DATA)]


def test_a_blob_that_is_here_gets_a_second_name_without_a_copy(store: BlobStore) -> None:
    publish(store, "a:1")

    model = store.adopt("b:1", digest=digest(DATA), source="s", file_name="f")

    assert model
    assert store.verify_quick(model)
    assert store.adopt("c:1", digest="0" * 64, source="s", file_name="f") is None
    damage(model, b"bad")
    assert store.adopt("c:1", digest=digest(DATA), source="s", file_name="f") is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"digest": 1}', "\x00"])
def test_an_unreadable_ref_is_told_and_its_blob_kept(store: BlobStore, content: str) -> None:
    publish(store, "a:1")
    publish(store, "b:1", OTHER)
    (store.root / "refs" / "a%3A1.json").write_text(content)

    assert store.broken() == ("a:1",)
    assert [m.name for m in store.all()] == ["b:1"]
    assert store.remove("b:1") == 0  # a blob that the unreadable ref may mean stays
    assert store.remove("a:1", dry_run=True) == len(DATA) + len(OTHER)
    assert store.remove("a:1") == len(DATA) + len(OTHER)


def test_partial_downloads_are_listed_and_removed_with_their_name(store: BlobStore) -> None:
    publish(store, "a:1")
    for source in ("s", "t"):
        store.partial("a:1", source).write_bytes(b"12345")
    store.partial("a:10", "s").write_bytes(b"1")

    assert store.partials() == {"a:1": 10, "a:10": 1}
    assert store.remove("a:1") == len(DATA) + 10
    assert store.partials() == {"a:10": 1}


def test_what_a_kill_left_beside_a_whole_model_is_tidied_unless_it_is_held(
    store: BlobStore,
) -> None:
    publish(store, "a:1")
    store.partial("a:1", "s").write_bytes(b"left")

    with store.claimed("a:1", FakeReporter()):
        store.tidy("a:1")
        assert store.partials() == {"a:1": 4}
    store.tidy("a:1")
    store.tidy("a:1")

    assert store.partials() == {}


def test_what_killed_commands_left_is_swept(store: BlobStore) -> None:
    model = publish(store, "a:1")
    for litter in ("blobs/sha256-0", "blobs/.sha256-1", "refs/.a%3A1.json.x", "partial/.a%3A1~x.j"):
        (store.root / litter).write_bytes(b"left")

    publish(store, "a:1")

    assert list((store.root / "blobs").iterdir()) == [model.path]
    assert [p.name for p in (store.root / "refs").iterdir()] == ["a%3A1.json"]
    assert not list((store.root / "partial").iterdir())


def test_a_file_system_without_hard_links_takes_the_file_itself(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)

    assert publish(store, "a:1").path.read_bytes() == DATA


def test_whoever_comes_second_says_so_and_waits(store: BlobStore) -> None:
    script = """
import sys
from pathlib import Path
from frontier.adapters.files import locked
with locked(Path(sys.argv[1]), doing="frontier models pull a:1"):
    sys.stdin.read()
"""
    lock = store.root / "partial" / "a%3A1.lock"
    holder = subprocess.Popen([sys.executable, "-c", script, lock], stdin=subprocess.PIPE)
    until(lambda: is_locked(lock), what="the lock to be held")

    class Ending(FakeReporter):
        def say(self, text: str) -> None:
            super().say(text)
            holder.communicate(b"")

    reporter = Ending()
    with store.claimed("a:1", reporter):
        assert is_locked(lock)

    assert f"models pull a:1 (process {holder.pid}); waiting" in reporter.said[0]


def test_a_model_that_is_being_pulled_cannot_be_removed(store: BlobStore) -> None:
    model = publish(store, "a:1")

    with store.claimed("a:1", FakeReporter()), pytest.raises(BusyError, match="models pull a:1"):
        store.remove("a:1")

    assert store.verify_quick(model)


def test_a_store_that_cannot_be_written_is_an_error_and_not_a_loss(
    store: BlobStore, read_only: Path
) -> None:
    with pytest.raises(StorageError), BlobStore(read_only / "m").claimed("a:1", FakeReporter()):
        pass
    with pytest.raises(StorageError):
        BlobStore(read_only / "m").remove("a:1")


def test_a_touched_blob_is_verified_even_while_the_store_is_busy_elsewhere(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = publish(store, "a:1")
    os.utime(model.path, ns=(1, 1))
    monkeypatch.setattr("frontier.adapters.blobs._PATIENCE_S", 0.05)

    with locked(store.root / "lock", doing="test"):
        assert store.verify_quick(model)


def test_a_ref_keeps_what_people_want_to_know(store: BlobStore) -> None:
    model = publish(store, "a:1", source="https://example.org/x.gguf")

    raw = json.loads((store.root / "refs" / "a%3A1.json").read_text())

    assert raw["source"] == "https://example.org/x.gguf"
    assert raw["verified"]["size"] == raw["size_bytes"] == len(DATA)
    assert set(raw) == {
        "name", "digest", "size_bytes", "source", "file_name", "pulled_at", "verified",
    }  # fmt: skip
    assert raw["digest"] == model.digest
