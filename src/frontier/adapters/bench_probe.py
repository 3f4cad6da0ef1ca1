"""Whom a benchmark asks: which API it speaks, which models it has, and which engine it is."""

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import urlsplit

from frontier.adapters.bench_dialects import printable, said
from frontier.domain.errors import (
    NotRunningError,
    RuntimeFailedError,
    UsageError,
)

if TYPE_CHECKING:
    import httpx2

Api = Literal["openai", "ollama"]

_TIMEOUT_S: Final = 10.0
_MOST: Final = 1 << 24
_MISSING: Final = (404, 405, 501)
_KINDS: Final = {"llamacpp": "llamacpp", "vllm": "vllm", "library": "ollama"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A server.

    Attributes:
        url: Without a slash, ``/v1`` or ``/api`` at the end.
        models: Their names and aliases; empty where it does not tell.
        engine: ``llamacpp``, ``vllm``, ``ollama``, ``frontier`` for a gateway, "" for unknown.
        version: The engine's, in its own words.
        digests: SHA-256 by model, where it tells.
    """

    url: str
    api: Api
    models: tuple[str, ...] = ()
    engine: str = ""
    version: str = ""
    digests: dict[str, str] = field(default_factory=dict[str, str])


def base(url: str) -> str:
    """Return *url* without what differs between APIs.

    Raises:
        UsageError: it is no address of a web server, or carries a password or a query.
    """
    with contextlib.suppress(ValueError):
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            if parts.username or parts.password:
                raise UsageError("--url carries a password", hint="Give the key with --key.")
            if parts.query or parts.fragment:
                raise UsageError("--url carries a query", hint="Give the key with --key.")
            path = parts.path.rstrip("/").removesuffix("/v1").removesuffix("/api")
            return f"{parts.scheme}://{parts.netloc}{path}"
    raise UsageError(f"{url!r} is no URL", hint="frontier bench run --url http://127.0.0.1:11434")


def look(url: str, *, api: Api | None = None, key: str = "") -> Found:
    """Return what listens at *url*.

    Args:
        url: With or without ``/v1`` or ``/api``.
        api: Which one to speak; None for the one that it speaks, OpenAI's where both.
        key: Sent as Bearer; "" sends none.

    Raises:
        UsageError: *url* is none.
        NotRunningError: nothing answers there.
        RuntimeFailedError: it wants another key, speaks neither API, redirects, or fails.
    """
    import httpx2

    place = base(url)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # trust_env off: a proxy of the environment must never see a loopback request, and what is
    # measured should be the server
    with httpx2.Client(headers=headers, timeout=_TIMEOUT_S, trust_env=False) as client:
        ask = _Asker(client, place)
        named = api or ("ollama" if url.rstrip("/").endswith("/api") else None)
        for each, path, read in (("openai", "/v1/models", _openai), ("ollama", "/api/tags", _tags)):
            if named in (None, each) and (listed := ask.json(path)) is not None:
                found = read(listed)
                if found is not None:
                    return _described(ask, Found(url=place, api=cast("Api", each)), found)
    if api:  # it may answer questions all the same
        return Found(url=place, api=api)
    raise RuntimeFailedError(
        f"{place} speaks neither OpenAI's API nor Ollama's",
        hint="Name the part of the address before /v1, or the API: --api openai --model NAME",
    )


@dataclass
class _Asker:
    client: "httpx2.Client"
    place: str

    def json(self, path: str) -> Any:
        """Return the document at *path*, None where there is none.

        Raises:
            FrontierError: as `look` says.
        """
        import httpx2

        try:
            with self._in_time(), self.client.stream("GET", self.place + path) as answer:
                body = self._body(answer)
        except httpx2.ConnectError as error:
            raise NotRunningError(
                f"nothing answers at {self.place}: {error}",
                hint="Start it: `frontier up`; or name another server with --url.",
            ) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise RuntimeFailedError(
                f"{self.place}{path} gave no answer: {error or type(error).__name__}",
                hint="Is this the right port? --url names the server.",
            ) from error
        return self._document(answer, body)

    @contextlib.contextmanager
    def _in_time(self) -> Generator[None]:
        """Close the connection after a while: a server may send its head byte by byte."""
        timer = threading.Timer(_TIMEOUT_S, self.client.close)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _body(self, answer: "httpx2.Response") -> bytes:
        """Return what came; a server that never ends is no reason to wait or to fill memory."""
        body, until_s = bytearray(), time.monotonic() + _TIMEOUT_S
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > _MOST or time.monotonic() > until_s:
                raise RuntimeFailedError(
                    f"{answer.url} gave no end of its answer: {len(body)} bytes",
                    hint="Is this the right port? --url names the server.",
                )
        return bytes(body)

    def _document(self, answer: "httpx2.Response", body: bytes) -> Any:
        status = answer.status_code
        if status in (401, 403):
            raise RuntimeFailedError(
                f"{self.place} wants a key that it knows ({status})",
                hint="Set FRONTIER_BENCH_KEY or give --key.",
            )
        if answer.is_redirect:
            raise RuntimeFailedError(
                f"{answer.url} redirects to "
                + printable(answer.headers.get("location", "nowhere")),
                hint="Name the address that it redirects to with --url.",
            )
        if status in _MISSING:
            return None
        if answer.is_error:
            raise RuntimeFailedError(
                f"{answer.url} answered {status}: {said(body)}",
                hint="See the server's log.",
            )
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return None


def _openai(listed: Any) -> list[dict[str, Any]] | None:
    return _rows(listed, "data", "id")


def _tags(listed: Any) -> list[dict[str, Any]] | None:
    return _rows(listed, "models", "name")


def _rows(listed: Any, key: str, name: str) -> list[dict[str, Any]] | None:
    """Return the models of a list with their name as ``name``, None where it is no such list."""
    try:
        return [{**row, "name": printable(str(row[name]))} for row in listed[key]]
    except (TypeError, KeyError):
        return None


def _described(ask: _Asker, found: Found, rows: list[dict[str, Any]]) -> Found:
    """Return *found* with its models, its engine, and what tells one build from another."""
    owners = {str(row.get("owned_by", "")) for row in rows}
    engine = next((_KINDS[owner] for owner in sorted(owners) if owner in _KINDS), "")
    if found.api == "ollama":
        engine = "ollama"
    if "frontier" in owners:
        engine = "frontier"
    aliases = [alias for row in rows for alias in _aliases(row)]
    return Found(
        url=found.url,
        api=found.api,
        models=tuple(dict.fromkeys([*(row["name"] for row in rows), *aliases])),
        engine=engine,
        version=_version(ask, engine),
        digests=_digests(ask) if engine in ("ollama", "frontier") else {},
    )


def _aliases(row: dict[str, Any]) -> list[str]:
    told = row.get("aliases")
    names = cast("list[object]", told) if isinstance(told, list) else []
    return [printable(str(name)) for name in names]


_VERSIONS: Final[dict[str, tuple[str, Callable[[Any], str]]]] = {
    "llamacpp": ("/props", lambda told: str(told["build_info"])),
    "vllm": ("/version", lambda told: str(told["version"])),
    "frontier": ("/openapi.json", lambda told: str(told["info"]["version"])),
    "ollama": ("/api/version", lambda told: str(told["version"])),
}


def _version(ask: _Asker, engine: str) -> str:
    if engine not in _VERSIONS:
        return ""
    path, read = _VERSIONS[engine]
    with contextlib.suppress(RuntimeFailedError, KeyError, TypeError):
        return printable(read(ask.json(path)))
    return ""


def _digests(ask: _Asker) -> dict[str, str]:
    with contextlib.suppress(RuntimeFailedError):
        rows = _tags(ask.json("/api/tags")) or []
        told = {row["name"]: printable(str(row.get("digest") or "")) for row in rows}
        return {n: d for n, d in told.items() if d and d not in _made_up(n)}
    return {}


def _made_up(name: str) -> set[str]:
    """Return what a gateway of ours tells where it knows no digest."""
    names = (name, name.removesuffix(":latest"))
    return {hashlib.sha256(each.encode()).hexdigest() for each in names}
