"""`frontier bench report`, as it is typed: the page, the pictures, and what can go wrong."""

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench_results import measured
from frontier.adapters.bench_files import write
from frontier.cli.app import app
from frontier.cli.session import Session
from frontier.domain.errors import (
    BenchFileError,
    NotFoundError,
    RefusedError,
    StorageError,
    UsageError,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRONTIER_HOME", str(tmp_path / "workspace"))
    monkeypatch.chdir(tmp_path)
    write(measured(each=8), tmp_path / "base.json")
    (tmp_path / "later").mkdir()
    write(measured(each=8, seed=2), tmp_path / "later" / "base.json")
    return tmp_path


def run(*args: str, fails: type[Exception] | None = None):
    done = CliRunner().invoke(app, ["bench", "report", *args], obj=Session())
    assert isinstance(done.exception, fails or type(None)), done.exception
    return done


def test_the_page_lies_beside_its_result(folder: Path) -> None:
    output = run("base.json").stdout

    assert str(folder / "base.html") in output
    assert (folder / "base.html").read_text().startswith("<!DOCTYPE html>")


def test_it_can_be_put_elsewhere_and_made_again(folder: Path) -> None:
    for _ in range(2):
        found = json.loads(run("base.json", "--output", "new/page.html", "--json").stdout)

    assert found["page"] == str(folder / "new" / "page.html")
    assert found["size_bytes"] == (folder / "new" / "page.html").stat().st_size
    assert found["pictures"] == []


def test_each_plot_becomes_a_picture_with_words_in_it(folder: Path) -> None:
    found = json.loads(run("base.json", "--png", "plots", "--json").stdout)

    assert len(found["pictures"]) == len(list((folder / "plots").glob("*.png"))) == 10
    for path in map(Path, found["pictures"]):
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert [int.from_bytes(data[i : i + 4], "big") for i in (16, 20)] == [960, 580]


def test_pictures_are_drawn_anew_and_keep_their_pixels(folder: Path) -> None:
    for _ in range(2):
        found = json.loads(run("base.json", "--png", "plots", "--json").stdout)

    for path in map(Path, found["pictures"]):
        chunks = list(chunks_of(path.read_bytes()))
        assert chunks[0][0] == b"IHDR"
        assert chunks[1] == (b"tEXt", b"Software\0frontier")
        assert chunks[-1][0] == b"IEND"


def chunks_of(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's type and data, its checksum seen to be right."""
    at = 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + data) == int.from_bytes(
            png[at + 8 + length : at + 12 + length], "big"
        )
        yield kind, data
        at += 12 + length


def test_a_picture_of_somebody_else_is_left_alone(folder: Path) -> None:
    found = json.loads(run("base.json", "--png", "plots", "--json").stdout)
    theirs = Path(found["pictures"][-1])
    theirs.write_bytes(b"\x89PNG\r\n\x1a\n my cat")
    page = folder / "base.html"
    page.unlink()

    run("base.json", "--png", "plots", fails=RefusedError)

    assert theirs.read_bytes().endswith(b"my cat")
    assert not page.exists()


def test_a_machine_without_a_font_is_told_instead_of_drawing_no_words(folder: Path) -> None:
    """A real one: fontconfig is pointed at an empty folder."""
    empty = folder / "fonts.conf"
    empty.write_text("<fontconfig><dir>/nowhere</dir></fontconfig>")
    command = [sys.executable, "-m", "frontier", "bench", "report", "base.json", "--png", "plots"]

    done = subprocess.run(
        command,
        env={**os.environ, "FONTCONFIG_FILE": str(empty)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "no words" in done.stderr
    assert "fonts-dejavu-core" in done.stderr
    assert not (folder / "plots").exists()
    assert (folder / "base.html").exists()


def test_results_of_the_same_name_are_told_apart_by_their_folder(folder: Path) -> None:
    run("base.json", "later/base.json", "-o", "both.html")

    text = (folder / "both.html").read_text()
    assert "<h2>base.json</h2>" in text
    assert "<h2>later/base.json</h2>" in text


def test_the_same_result_twice_is_counted(folder: Path) -> None:
    run("base.json", "base.json", "-o", "both.html")

    assert "<h2>base (2)</h2>" in (folder / "both.html").read_text()


@pytest.mark.parametrize("place", ["base.json", "base.csv", "later", "./later/../base.json"])
def test_no_result_is_overwritten(folder: Path, place: str) -> None:
    before = (folder / "base.json").read_bytes()

    run("base.json", "--output", place, fails=UsageError)

    assert (folder / "base.json").read_bytes() == before


def test_a_page_of_somebody_else_is_not_overwritten(folder: Path) -> None:
    (folder / "base.html").write_text("<!DOCTYPE html>mine")

    refused = run("base.json", fails=RefusedError).exception

    assert refused.exit_code == 5
    assert refused.hint == "frontier bench report base.json --output another.html"
    assert (folder / "base.html").read_text() == "<!DOCTYPE html>mine"


def test_a_damaged_result_is_named_and_nothing_is_written(folder: Path) -> None:
    half = (folder / "base.json").read_text()[:5000]
    (folder / "half.json").write_text(half)

    failed = run("base.json", "half.json", "-o", "both.html", fails=BenchFileError)

    assert "half.json" in str(failed.exception)
    assert not (folder / "both.html").exists()


def test_a_missing_result_and_a_place_that_cannot_be_written_are_told(folder: Path) -> None:
    run("gone.json", fails=NotFoundError)
    run("base.json", "-o", "base.json/page.html", fails=StorageError)


def test_no_result_is_a_wrong_command_line(folder: Path) -> None:
    assert CliRunner().invoke(app, ["bench", "report"], obj=Session()).exit_code == 2
