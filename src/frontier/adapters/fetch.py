"""Downloads that resume, are verified and never write more than fits."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import httpx2

from frontier.adapters.digests import PART_BYTES, Digest, digest_of
from frontier.adapters.fetch_client import (
    TransientError,
    open_client,
    require_success,
    transport_errors,
)
from frontier.adapters.files import storage_errors, write_atomic
from frontier.adapters.package_index_config import IndexConfig
from frontier.domain.errors import CorruptBlobError, DownloadError
from frontier.domain.source import Remote, public_url

Room = Callable[[int], None]
Progress = Callable[[int, int | None], None]
T = TypeVar("T")

_ATTEMPTS = 5
_ATTEMPTS_FOR_PAGES = 3  # nothing shows progress meanwhile
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_BUFFER_BYTES = 1 << 20
_PARTIAL_CONTENT = 206
_RANGE_NOT_SATISFIABLE = 416
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class Fetcher:
    """Reads from the network with patience.

    Args:
        client: An open client.
        sleep: Waits that many seconds between attempts.
    """

    def __init__(self, client: httpx2.Client, *, sleep: Callable[[float], None]) -> None:
        self._client, self._sleep = client, sleep

    def page(self, url: str, accept: str) -> httpx2.Response:
        """Return the answer to a GET of *url*.

        Raises:
            DownloadError: no answer, or one that is no success.
        """

        def ask() -> httpx2.Response:
            with transport_errors(url):
                response = self._client.get(url, headers={"Accept": accept})
            require_success(response, url)
            return response

        return self._with_patience(ask, lambda: 0, attempts=_ATTEMPTS_FOR_PAGES)

    def size(self, remote: Remote) -> int | None:
        """Return the length that the server tells, None if it does not."""
        try:
            with transport_errors(remote.url):
                response = self._client.head(remote.url, headers=dict(remote.headers))
            require_success(response, remote.url)
        except (TransientError, DownloadError):
            return None
        return _length(response)

    def download(self, remote: Remote, part: Path, *, room: Room, progress: Progress) -> Digest:
        """Bring all of *remote* into *part* and return its digest.

        Bytes of an earlier attempt are kept where the server can prove that they still belong
        to the same file, or where the digest of the whole is known.

        Args:
            remote: What to ask for; its digest and size are verified.
            part: The file; a `.json` beside it says what its bytes belong to.
            room: Raises where that many more bytes do not fit on the disk.
            progress: Hears the bytes done and the total if known.

        Raises:
            DownloadError: no answer after several attempts; *part* is kept.
            CorruptBlobError: another length or digest than promised; *part* is removed.
            StorageError: *part* cannot be written; what came is kept.
        """
        with storage_errors(part):
            part.parent.mkdir(parents=True, exist_ok=True)
        transfer = _Transfer(self._client, remote, part, room, progress)
        digest = self._with_patience(transfer.attempt, lambda: transfer.have)
        if remote.digest and digest.whole != remote.digest:
            transfer.forget()
            raise CorruptBlobError(
                f"{public_url(remote.url)} has the SHA-256 {digest.whole}, not {remote.digest}",
                hint="The bytes are deleted. Pull again; if it happens again, the source is bad.",
            )
        return digest

    def stretch(
        self, remote: Remote, begin: int, end: int, take: Callable[[int, bytes], None]
    ) -> None:
        """Read *remote* from *begin* up to *end*; *take* gets each part and where it begins.

        Args:
            remote: What to ask for.
            begin: A multiple of the length of a part.
            end: Of the last part.
            take: May raise.

        Raises:
            DownloadError: no answer after several attempts, or no parts of the file.
        """
        at, url = begin, remote.url

        def attempt() -> None:
            nonlocal at
            headers = {**remote.headers, "Range": f"bytes={at}-{end - 1}"}
            with (
                transport_errors(url),
                self._client.stream("GET", url, headers=headers) as response,
            ):
                require_success(response, url)
                _require_span(response, at, end)
                for part in _in_parts(response.iter_raw(), end - at):
                    take(at, part)
                    at += len(part)
                if at < end:
                    raise httpx2.RemoteProtocolError("it ended early")

        self._with_patience(attempt, lambda: at)

    def _with_patience(
        self, attempt: Callable[[], T], done: Callable[[], int], *, attempts: int = _ATTEMPTS
    ) -> T:
        """Repeat *attempt* while it may help; attempts that got further do not count."""
        failures, before = 0, done()
        while True:
            try:
                return attempt()
            except TransientError as failure:
                failures = 1 if done() > before else failures + 1
                before = done()
                if failures >= attempts:
                    raise failure.cause from failure
                pause_s = failure.pause_s or _FIRST_PAUSE_S * 2 ** (failures - 1)
                self._sleep(min(pause_s, _LONGEST_PAUSE_S))


def open_fetcher(
    config: IndexConfig,
    environ: Mapping[str, str],
    *,
    home: Path,
    sleep: Callable[[float], None] = time.sleep,
) -> Fetcher:
    """Return a fetcher with the certificates, credentials and trusted hosts of the environment."""
    client = open_client(
        ca_file=config.ca_file,
        netrc_file=Path(environ.get("NETRC") or home / ".netrc"),
        trusted_hosts=config.trusted_hosts,
    )
    return Fetcher(client, sleep=sleep)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sidecar:
    """What the bytes of a partial file belong to.

    Attributes:
        url: Without credentials and query: signed addresses change with every request.
        digest: SHA-256 of the whole, "" while unknown.
        validator: Strong entity tag or date that `If-Range` takes, "" if the server has none.
        total: Length of the whole, None while unknown.
    """

    url: str
    digest: str
    validator: str
    total: int | None


class _Transfer:
    """One file on its way, over several attempts."""

    def __init__(
        self, client: httpx2.Client, remote: Remote, part: Path, room: Room, progress: Progress
    ) -> None:
        self._client, self._remote, self._part = client, remote, part
        self._room, self._progress = room, progress
        self._sidecar = part.with_suffix(".json")

    @property
    def have(self) -> int:
        """Bytes that lie here."""
        return self._part.stat().st_size if self._part.exists() else 0

    def forget(self) -> None:
        """Delete what came: bytes first, so that a kill never leaves them to another sidecar."""
        with storage_errors(self._part):
            self._part.unlink(missing_ok=True)
            self._sidecar.unlink(missing_ok=True)

    def attempt(self) -> Digest:
        """Receive what is missing and return the digest of the whole."""
        known = self._resumable()
        if known and known.total == self.have:
            self._progress(self.have, self.have)
            return digest_of(self._part)
        url = self._remote.url
        with (
            transport_errors(url),
            self._client.stream("GET", url, headers=self._headers(known)) as response,
        ):
            if response.status_code == _RANGE_NOT_SATISFIABLE and known:
                raise self._restart("the file has shrunk")
            require_success(response, url)
            sidecar = self._accept(response, known)
            return self._receive(response, sidecar)

    def _resumable(self) -> _Sidecar | None:
        """Return what the bytes here belong to; delete them if that cannot be told."""
        known = _read(self._sidecar)
        if known and self.have:
            if self._remote.digest and known.digest == self._remote.digest:
                return known
            same = known.url == public_url(self._remote.url) and known.digest in (
                "",
                self._remote.digest,
            )
            if same and (known.validator or known.total == self.have):
                return known
        if known or self.have:
            self.forget()
        return None

    def _headers(self, known: _Sidecar | None) -> dict[str, str]:
        headers = dict(self._remote.headers)
        if known:
            headers["Range"] = f"bytes={self.have}-"
            if known.validator and known.url == public_url(self._remote.url):
                headers["If-Range"] = known.validator
        return headers

    def _accept(self, response: httpx2.Response, known: _Sidecar | None) -> _Sidecar:
        """Decide whether the answer continues what is here; begin anew where it does not."""
        validator = _validator(response)
        if response.status_code == _PARTIAL_CONTENT:
            span = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if not known or not span or int(span[1]) != self.have:
                raise self._restart("the server sent another part than was asked for")
            if "If-Range" in response.request.headers and validator not in ("", known.validator):
                raise self._restart("the file has changed")
            total: int | None = int(span[2])
        else:
            if self.have:
                self.forget()
            total = _length(response)
        self._require_size(total)
        self._room((total or self._remote.size_bytes or 0) - self.have)
        sidecar = _Sidecar(
            url=public_url(self._remote.url),
            digest=self._remote.digest,
            validator=validator,
            total=total,
        )
        if sidecar != known:
            self._remember(sidecar)
        return sidecar

    def _receive(self, response: httpx2.Response, sidecar: _Sidecar) -> Digest:
        """Append the answer's bytes, each on the disk before the next is asked for."""
        done = self.have
        with storage_errors(self._part), self._part.open("a+b") as file:
            digest = Digest()
            file.seek(0)
            while before := file.read(_BUFFER_BYTES):
                digest.update(before)
            self._progress(done, sidecar.total)
            for chunk in response.iter_raw():
                file.write(chunk)
                file.flush()
                digest.update(chunk)
                done += len(chunk)
                self._progress(done, sidecar.total)
            os.fsync(file.fileno())
        if sidecar.total is None:
            self._require_size(done)
            self._remember(replace(sidecar, total=done))
        return digest

    def _require_size(self, size: int | None) -> None:
        promised = self._remote.size_bytes
        if size is None or promised is None or size == promised:
            return
        self.forget()
        raise CorruptBlobError(
            f"{public_url(self._remote.url)} has {size:,} bytes, not {promised:,}",
            hint="Pull again; if it happens again, the source is bad.",
        )

    def _remember(self, sidecar: _Sidecar) -> None:
        write_atomic(self._sidecar, json.dumps(asdict(sidecar)))

    def _restart(self, why: str) -> TransientError:
        self.forget()
        return TransientError(DownloadError(f"{public_url(self._remote.url)}: {why}"))


def _read(sidecar: Path) -> _Sidecar | None:
    try:
        return _Sidecar(**json.loads(sidecar.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _require_span(response: httpx2.Response, begin: int, end: int) -> None:
    span = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status_code != _PARTIAL_CONTENT or not span or int(span[1]) != begin:
        raise DownloadError(
            f"{public_url(str(response.request.url))} gives no part of the file ({begin}-{end - 1})"
        )


def _in_parts(chunks: Iterator[bytes], left: int) -> Iterator[bytes]:
    """Yield *left* bytes of *chunks* in parts, the last one short."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= (length := min(PART_BYTES, left)) and length:
            yield bytes(held[:length])
            del held[:length]
            left -= length


def _length(response: httpx2.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    plain = response.headers.get("Content-Encoding", "identity") == "identity"
    return int(text) if text.isdecimal() and plain else None


def _validator(response: httpx2.Response) -> str:
    """Return what `If-Range` takes: a weak tag does not promise the same bytes."""
    tag = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return str(tag)
    return str(response.headers.get("Last-Modified", "")) if not tag else ""
