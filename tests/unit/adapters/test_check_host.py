"""What checks ask of this machine, asked for real or of small stand-ins for broken ones."""

import sys
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path

import pytest

from frontier.adapters.check_host import LocalHost
from frontier.domain.errors import DownloadError

HOST = LocalHost()


class Dated(BaseHTTPRequestHandler):
    """Answers 404 with a date of its own."""

    def do_GET(self) -> None:
        self.send_response_only(404)
        self.send_header("Date", formatdate(1_000_000_000, usegmt=True))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Dated) as it:
        thread = threading.Thread(target=it.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{it.server_port}/"
        it.shutdown()
        thread.join()


def test_a_server_tells_its_time_whatever_it_answers(server: str) -> None:
    assert HOST.date(server) == 1_000_000_000


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:1") as error:
        HOST.date("http://me:secret@127.0.0.1:1/simple")

    assert "secret" not in error.value.message


def test_this_installation_has_all_its_packages() -> None:
    assert HOST.wrong_packages() == ()


def test_a_package_that_is_missing_or_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["no-such-package>=1", "typer>=999", "typer>=0.1", 'x; extra == "otel"']
    monkeypatch.setattr(metadata, "requires", lambda _: wanted)

    missing, old = HOST.wrong_packages()

    assert missing == "no-such-package is not installed"
    assert old.startswith("typer is ")
    assert old.endswith(">=999 is needed")


def test_the_embedded_engine_loads_here() -> None:
    assert HOST.engine_problem() == ""


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("kill -4 $$", "instructions that this processor does not have"),
        ("echo no module named xllamacpp >&2; exit 1", "no module named xllamacpp"),
    ],
)
def test_an_engine_that_cannot_be_loaded_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, problem: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))

    assert problem in HOST.engine_problem()


def test_a_program_is_asked_and_one_that_is_missing_or_fails_says_nothing() -> None:
    assert HOST.said(("echo", "first\nsecond")) == "first"
    assert HOST.lines(("echo", "first\nsecond")) == ("first", "second")
    assert HOST.said(("false",)) is None
    assert HOST.said(("no-such-program",)) is None
    assert HOST.lines(("no-such-program",)) == ()


def test_what_cannot_be_written_is_told(tmp_path: Path, read_only: Path) -> None:
    (tmp_path / "file").write_text("")

    assert HOST.unwritable(tmp_path / "new/er") == ""
    assert "is a file" in HOST.unwritable(tmp_path / "file")
    assert HOST.unwritable(read_only / "new") in (
        f"{read_only}: Read-only file system",
        f"{read_only}: Permission denied",
    )
    assert HOST.free_bytes(str(tmp_path / "nothing")) is None
