"""Wheels for a container, from real indexes that may misbehave."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_index import Server, wheel
from frontier.adapters.wheel_platform import Platform
from frontier.adapters.wheels import Wheels, open_wheels
from frontier.domain.errors import CorruptBlobError, DownloadError

PLATFORM = Platform(architecture="amd64", python=(3, 13), glibc=(2, 28))
NAME = "tiny-1.2-cp313-cp313-manylinux_2_28_x86_64.whl"
WHEEL = wheel({"tiny/__init__.py": b"x = 1\n" * 20_000})


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def make(tmp_path: Path, **environ: str) -> Wheels:
    quiet = {"PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1"}
    return open_wheels(
        quiet | environ,
        home=tmp_path,
        prefix=tmp_path,
        parts=tmp_path / "parts",
        sleep=lambda seconds: None,
    )


def test_the_wheel_that_fits_best_is_downloaded_verified_and_unpacked(
    server: Server, tmp_path: Path
) -> None:
    others = ["cp313-cp313-manylinux_2_39_x86_64", "cp313-cp313-manylinux_2_28_aarch64",
              "cp313-cp313-macosx_11_0_arm64", "cp312-cp312-manylinux_2_28_x86_64",
              "cp313-cp313-musllinux_1_2_x86_64", "cp313-cp313t-manylinux_2_28_x86_64",
              "cp313-cp313-manylinux2014_x86_64", "py3-none-any"]  # fmt: skip
    files = {f"tiny-1.2-{tags}.whl": b"another" for tags in others}
    index = server.add_package("tiny", files | {NAME: WHEEL})

    make(tmp_path, PIP_INDEX_URL=index).unpack("tiny", "1.2", PLATFORM, tmp_path / "lib")

    assert (tmp_path / "lib" / "tiny" / "__init__.py").stat().st_size == 120_000
    asked = [request.path for request in server.log if request.path.startswith("/files/")]
    assert asked == [f"/files/{NAME}"]


def test_an_interrupted_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    data = wheel({"tiny/noise.bin": bytes(range(256)) * 400})
    index = server.add_package("tiny", {NAME: data})
    server.routes[f"/files/{NAME}"].cuts = [200] * 5
    wheels = make(tmp_path, PIP_INDEX_URL=index)

    wheels.unpack("tiny", "1.2", PLATFORM, tmp_path / "lib")

    assert [request.begin for request in server.of(f"/files/{NAME}")] != [0]
    assert (tmp_path / "lib" / "tiny" / "noise.bin").exists()
    wheels.forget()
    assert not (tmp_path / "parts").exists()


def test_bytes_that_the_index_does_not_promise_are_refused(server: Server, tmp_path: Path) -> None:
    index = server.add_package("tiny", {NAME: WHEEL})
    server.routes[f"/files/{NAME}"].data = WHEEL[:-1] + b"x"

    with pytest.raises(CorruptBlobError, match="has the SHA-256"):
        make(tmp_path, PIP_INDEX_URL=index).unpack("tiny", "1.2", PLATFORM, tmp_path / "lib")

    assert not list((tmp_path / "parts").iterdir())


def test_a_damaged_download_is_deleted(server: Server, tmp_path: Path) -> None:
    index = server.add_package("tiny", {NAME: b"no zip"})

    with pytest.raises(CorruptBlobError, match="is damaged"):
        make(tmp_path, PIP_INDEX_URL=index).unpack("tiny", "1.2", PLATFORM, tmp_path / "lib")

    assert not list((tmp_path / "parts").glob("*.part"))


def test_a_version_without_a_wheel_for_the_platform_is_told(server: Server, tmp_path: Path) -> None:
    index = server.add_package("tiny", {"tiny-1.2-cp313-cp313-macosx_11_0_arm64.whl": WHEEL})

    with pytest.raises(DownloadError) as caught:
        make(tmp_path, PIP_INDEX_URL=index).unpack("tiny", "1.2", PLATFORM, tmp_path / "lib")

    assert caught.value.message == (
        "cannot get a wheel of tiny==1.2 for linux/amd64 and CPython 3.13: "
        "no package index has tiny==1.2"
    )


def test_an_index_that_does_not_answer_is_told(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9/simple"

    with pytest.raises(DownloadError) as caught:
        make(tmp_path, PIP_INDEX_URL=nowhere).unpack("tiny", "1.2", PLATFORM, tmp_path / "lib")

    assert "no package index answers for tiny==1.2" in caught.value.message
    assert "Check the network" in caught.value.hint
    assert nowhere in caught.value.details


def test_offline_the_hint_names_the_folder_that_would_do(tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        make(tmp_path, UV_OFFLINE="1").unpack("tiny", "1.2", PLATFORM, tmp_path / "lib")

    assert "PIP_FIND_LINKS" in caught.value.hint
