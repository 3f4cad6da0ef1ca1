"""The downloader against a real server that misbehaves in every way we know of."""

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_index import Server, digest, gguf
from frontier.adapters.fetch import Fetcher
from frontier.adapters.fetch_client import open_client
from frontier.domain.errors import (
    ConfigError,
    CorruptBlobError,
    DoesNotFitError,
    DownloadError,
    StorageError,
)
from frontier.domain.source import Remote

DATA = gguf(200_000)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


class Download:
    """One download with a clock that only remembers how long it should have slept."""

    def __init__(self, part: Path, **client: object) -> None:
        self.part = part
        self.slept: list[float] = []
        self.progress: list[tuple[int, int | None]] = []
        self.room: list[int] = []
        self.client = open_client(**client)  # type: ignore[arg-type]
        self.fetcher = Fetcher(self.client, sleep=self.slept.append)

    def __call__(self, url: str, **remote: object) -> str:
        return self.fetcher.download(
            Remote(url=url, file_name="m.gguf", **remote),  # type: ignore[arg-type]
            self.part,
            room=self.room.append,
            progress=lambda done, total: self.progress.append((done, total)),
        ).whole

    @property
    def sidecar(self) -> Path:
        return self.part.with_suffix(".json")


@pytest.fixture
def download(tmp_path: Path) -> Iterator[Download]:
    one = Download(tmp_path / "store" / "m.part")
    yield one
    one.client.close()


def test_a_file_comes_whole_with_progress_and_digest(server: Server, download: Download) -> None:
    server.add("/m", DATA)

    assert download(server.url + "/m", digest=digest(DATA), size_bytes=len(DATA)) == digest(DATA)

    assert download.part.read_bytes() == DATA
    assert download.room == [len(DATA)]
    assert download.progress[0] == (0, len(DATA))
    assert download.progress[-1] == (len(DATA), len(DATA))


def test_a_broken_connection_is_continued_where_it_broke(
    server: Server, download: Download
) -> None:
    server.add("/m", DATA, cuts=[50_000, 70_000])

    download(server.url + "/m")

    assert download.part.read_bytes() == DATA
    assert [r.range for r in server.of("/m")] == ["", "bytes=50000-", "bytes=120000-"]
    assert sum(r.sent for r in server.of("/m")) == len(DATA)
    assert download.slept == [0.5, 0.5]


def test_an_unfinished_part_of_an_earlier_command_is_continued(
    server: Server, download: Download
) -> None:
    server.add("/m", DATA, cuts=[50_000] + [0] * 9)
    with pytest.raises(DownloadError, match="cannot read") as caught:
        download(server.url + "/m")
    server.routes["/m"].cuts.clear()

    download(server.url + "/m")

    assert "kept" in caught.value.hint
    assert download.part.read_bytes() == DATA
    assert server.of("/m")[-1].range == "bytes=50000-"
    assert (50_000, len(DATA)) in download.progress
    assert download.room[-1] == len(DATA) - 50_000


def test_a_complete_part_needs_no_request(server: Server, download: Download) -> None:
    server.add("/m", DATA)
    download(server.url + "/m")

    assert download(server.url + "/m") == digest(DATA)

    assert len(server.of("/m")) == 1


def test_a_server_that_ignores_ranges_is_read_from_the_start(
    server: Server, download: Download
) -> None:
    server.add("/m", DATA, cuts=[50_000], has_ranges=False)

    assert download(server.url + "/m") == digest(DATA)

    assert download.part.read_bytes() == DATA
    assert download.room == [len(DATA), len(DATA)]


def test_a_changed_file_is_read_from_the_start(server: Server, download: Download) -> None:
    server.add("/m", b"x" * 100_000, cuts=[50_000] + [0] * 9)
    with pytest.raises(DownloadError):
        download(server.url + "/m")
    server.add("/m", DATA, etag='"v2"')

    assert download(server.url + "/m") == digest(DATA)

    assert download.part.read_bytes() == DATA


def test_a_server_that_neglects_if_range_is_noticed_by_its_tag(
    server: Server, download: Download
) -> None:
    served = server.add("/m", b"x" * 300_000, cuts=[50_000, 0, 0, 0, 0, 0])
    with pytest.raises(DownloadError):
        download(server.url + "/m")
    served.data, served.neglects_if_range, served.etag = DATA, True, '"v2"'
    served.cuts.clear()

    assert download(server.url + "/m") == digest(DATA)

    assert [r.range for r in server.of("/m")[-2:]] == ["bytes=50000-", ""]


def test_a_shrunken_file_is_read_from_the_start(server: Server, download: Download) -> None:
    served = server.add("/m", b"x" * 300_000, cuts=[250_000] + [0] * 9)
    with pytest.raises(DownloadError):
        download(server.url + "/m")
    served.data, served.neglects_if_range = DATA, True
    served.cuts.clear()

    assert download(server.url + "/m") == digest(DATA)


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_without_a_strong_tag_nothing_is_continued(
    server: Server, download: Download, tag: str
) -> None:
    server.add("/m", DATA, cuts=[50_000], etag=tag)

    assert download(server.url + "/m") == digest(DATA)

    assert [r.range for r in server.of("/m")] == ["", ""]


def test_a_known_digest_continues_even_without_a_tag(server: Server, download: Download) -> None:
    server.add("/m", DATA, cuts=[50_000], etag="")

    download(server.url + "/m", digest=digest(DATA))

    assert [r.range for r in server.of("/m")] == ["", "bytes=50000-"]


def test_a_known_digest_continues_from_another_address(server: Server, download: Download) -> None:
    server.add("/a", DATA, cuts=[50_000] + [0] * 9)
    server.add("/b", DATA, etag='"other"')
    with pytest.raises(DownloadError):
        download(server.url + "/a", digest=digest(DATA))

    download(server.url + "/b", digest=digest(DATA))

    assert server.of("/b")[0].range == "bytes=50000-"
    assert download.part.read_bytes() == DATA


def test_a_date_serves_where_there_is_no_tag(server: Server, download: Download) -> None:
    date = "Fri, 07 Feb 2025 04:05:10 GMT"
    server.add("/m", DATA, cuts=[50_000], etag="", headers={"Last-Modified": date})

    download(server.url + "/m")

    assert server.of("/m")[1].headers["if-range"] == date


@pytest.mark.parametrize("sidecar", ["", "no json", "{}", '{"url": 1}', "absent"])
def test_bytes_that_nothing_vouches_for_are_dropped(
    server: Server, download: Download, sidecar: str
) -> None:
    server.add("/m", DATA)
    download.part.parent.mkdir()
    download.part.write_bytes(b"whose?")
    if sidecar != "absent":
        download.sidecar.write_text(sidecar)

    assert download(server.url + "/m") == digest(DATA)
    assert download.part.read_bytes() == DATA


def test_a_body_of_unknown_length_is_taken_and_then_known(
    server: Server, download: Download
) -> None:
    server.add("/m", DATA, has_length=False)

    assert download(server.url + "/m") == digest(DATA)
    assert download(server.url + "/m") == digest(DATA)

    assert len(server.of("/m")) == 1
    assert download.progress[-2][1] is None
    assert json.loads(download.sidecar.read_text())["total"] == len(DATA)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(server: Server, download: Download, status: int) -> None:
    server.add("/m", DATA, statuses=[status] * 3)

    assert download(server.url + "/m") == digest(DATA)

    assert download.slept == [0.5, 1.0, 2.0]


def test_a_server_may_ask_for_a_longer_pause(server: Server, download: Download) -> None:
    server.add("/m", DATA, statuses=[503], retry_after="7")

    download(server.url + "/m")

    assert download.slept == [7.0]


def test_a_server_that_stays_broken_is_reported_after_five_attempts(
    server: Server, download: Download
) -> None:
    server.add("/m", DATA, statuses=[500] * 9)

    with pytest.raises(DownloadError, match="answers 500"):
        download(server.url + "/m")

    assert len(server.log) == 5


@pytest.mark.parametrize(("status", "hint"), [(404, "available"), (403, "HF_TOKEN"), (418, "kept")])
def test_a_refusal_is_final_at_once(
    server: Server, download: Download, status: int, hint: str
) -> None:
    server.add("/m", DATA, statuses=[status])

    with pytest.raises(DownloadError, match=f"answers {status}") as caught:
        download(server.url + "/m")

    assert hint in caught.value.hint
    assert len(server.log) == 1


def test_a_wrong_digest_deletes_what_came(server: Server, download: Download) -> None:
    server.add("/m", DATA)

    with pytest.raises(CorruptBlobError, match=digest(DATA)):
        download(server.url + "/m", digest="0" * 64)

    assert not list(download.part.parent.iterdir())


@pytest.mark.parametrize("has_length", [True, False])
def test_a_wrong_length_is_noticed(server: Server, download: Download, has_length: bool) -> None:
    server.add("/m", DATA, has_length=has_length)

    with pytest.raises(CorruptBlobError, match="200,000 bytes, not 7"):
        download(server.url + "/m", size_bytes=7)

    assert not list(download.part.parent.iterdir())


def test_what_does_not_fit_is_refused_before_a_byte_is_written(
    server: Server, download: Download
) -> None:
    server.add("/m", DATA)

    def refuse(missing: int) -> None:
        raise DoesNotFitError(f"{missing}")

    with pytest.raises(DoesNotFitError, match="200000"):
        download.fetcher.download(
            Remote(url=server.url + "/m", file_name="m"),
            download.part,
            room=refuse,
            progress=lambda done, total: None,
        )
    assert not download.part.exists()


def test_a_full_disk_in_the_middle_keeps_what_came(server: Server, full_disk: Path) -> None:
    server.add("/m", gguf(4_000_000), has_length=False)
    download = Download(full_disk / "m.part")

    with download.client, pytest.raises(StorageError, match="disk is full") as caught:
        download(server.url + "/m")

    assert "models rm" in caught.value.hint
    assert download.part.stat().st_size > 1_000_000


def test_a_read_only_disk_is_named_before_anything_is_asked(
    server: Server, read_only: Path
) -> None:
    server.add("/m", DATA)
    download = Download(read_only / "new" / "m.part")

    with download.client, pytest.raises(StorageError, match="cannot write"):
        download(server.url + "/m")

    assert not server.log


def test_nobody_there_is_reported_without_secrets(download: Download) -> None:
    with Server() as gone:
        host = gone.host

    with pytest.raises(DownloadError, match=r"cannot read http://127") as caught:
        download(f"http://me:secret@{host}/m?token=secret")

    assert "secret" not in caught.value.message
    assert len(download.slept) == 4


def test_a_redirect_is_followed_and_takes_no_password_along(
    server: Server, download: Download
) -> None:
    with Server() as other:
        other.add("/m", DATA)
        server.add("/m", location=other.url + "/m", login="me:secret")

        assert download(f"http://me:secret@{server.host}/m") == digest(DATA)

        assert "authorization" in server.log[0].headers
        assert "authorization" not in other.log[0].headers


def test_endless_redirects_and_strange_schemes_are_final(
    server: Server, download: Download
) -> None:
    server.add("/loop", location="/loop")
    server.add("/ftp", location="ftp://127.0.0.1/m")

    with pytest.raises(DownloadError, match="redirects"):
        download(server.url + "/loop")
    with pytest.raises(DownloadError):
        download(server.url + "/ftp")

    assert not download.slept


def test_plain_http_to_another_machine_is_refused_even_as_a_redirect(
    server: Server, download: Download
) -> None:
    server.add("/m", location="http://example.invalid/m")

    with pytest.raises(DownloadError, match="without TLS") as caught:
        download(server.url + "/m")

    assert "PIP_TRUSTED_HOST=example.invalid" in caught.value.hint


def test_a_trusted_host_may_be_asked_without_tls(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("/m", DATA)
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "")
    download = Download(tmp_path / "m.part", trusted_hosts=("index.invalid",))

    with download.client, pytest.raises(DownloadError, match="404"):
        download("http://index.invalid/m")

    assert server.log[0].path == "http://index.invalid/m"  # the proxy was asked


def test_a_login_comes_from_the_netrc_file(server: Server, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    server.add("/m", DATA, login="me:secret")
    download = Download(tmp_path / "m.part", netrc_file=netrc)

    with download.client:
        assert download(server.url + "/m") == digest(DATA)


def test_a_netrc_file_without_that_host_or_with_an_error_is_told_apart(
    server: Server, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine example.org login me password secret\n")
    server.add("/m", DATA, login="me:secret")
    download = Download(tmp_path / "m.part", netrc_file=netrc)

    with download.client:
        with pytest.raises(DownloadError, match="401"):
            download(server.url + "/m")
        netrc.write_text("nonsense")
        with pytest.raises(ConfigError, match="netrc"):
            download(server.url + "/m")


def test_a_malformed_proxy_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "nonsense://x")

    with pytest.raises(ConfigError, match="proxy"):
        open_client()


def test_sizes_are_asked_without_a_body(server: Server, download: Download) -> None:
    server.add("/m", DATA)
    server.add("/chunked", DATA, has_length=False)

    sizes = [
        download.fetcher.size(Remote(url=server.url + path, file_name="m"))
        for path in ("/m", "/chunked", "/none")
    ]

    assert sizes == [len(DATA), None, None]
    assert {r.method for r in server.log} == {"HEAD"}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody trusts, and its key, in one file."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    path = tmp_path / "own.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=frontier-test"
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path]
    subprocess.run([*make.split(), *more], check=True, capture_output=True)
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Server(context) as running:
        running.add("/m", DATA)
        yield running


def test_an_unknown_certificate_is_refused_at_once_with_the_way_out(
    secure: Server, download: Download
) -> None:
    with pytest.raises(DownloadError, match="certificate") as caught:
        download(secure.url + "/m")

    assert "SSL_CERT_FILE" in caught.value.hint
    assert not download.slept


def test_pips_certificate_is_trusted_besides_the_systems(
    secure: Server, certificate: Path, tmp_path: Path
) -> None:
    download = Download(tmp_path / "m.part", ca_file=str(certificate))

    with download.client:
        assert download(secure.url + "/m") == digest(DATA)


def test_certificates_may_lie_in_a_folder(tmp_path: Path) -> None:
    open_client(ca_file=str(tmp_path)).close()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_unreadable_certificate_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError, match=r"ca\.pem"):
        open_client(ca_file=str(path))
