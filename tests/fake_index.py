"""Real HTTP servers on loopback: a package index, a hub and plain files, each able to misbehave."""

import base64
import hashlib
import io
import json
import struct
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

CHUNK = 16 * 1024
SMALL = 500
"""Bytes up to which a file of the fake hub is not in LFS; of the real one 10 MB."""


def gguf(size: int = 4096, *, name: str = "Tiny", **more: object) -> bytes:
    """Return a small valid GGUF file of *size* bytes with one tensor."""
    fields: dict[str, object] = {
        "general.architecture": "llama",
        "general.name": name,
        "general.file_type": 3,
        "llama.context_length": 2048,
        "llama.embedding_length": 64,
        "llama.block_count": 2,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "tokenizer.ggml.tokens": ["a", "b", "c"],
        "tokenizer.chat_template": "{{ messages }}",
        **more,
    }
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(fields))
    head += b"".join(text(key) + value(item) for key, item in fields.items())
    head += text("token_embd.weight") + struct.pack("<I2QIQ", 2, 64, 3, 0, 0)
    pattern = hashlib.sha256(name.encode()).digest()  # so that files of two names differ
    body = pattern * (max(0, size - len(head)) // len(pattern) + 1)
    return (head + body)[: max(size, len(head))]


def text(content: str) -> bytes:
    raw = content.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(item: object) -> bytes:
    """Return *item* as GGUF writes a typed value."""
    match item:
        case str():
            return struct.pack("<I", 8) + text(item)
        case int():
            return struct.pack("<II", 4, item)
        case float():
            return struct.pack("<If", 6, item)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(item)) + b"".join(text(t) for t in item)
        case list():
            return struct.pack("<IIQ", 9, 5, len(item)) + struct.pack(f"<{len(item)}i", *item)
    raise TypeError(item)


def wheel(members: dict[str, bytes]) -> bytes:
    """Return a wheel as far as anyone looks: a deflated zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_digest(data: bytes) -> str:
    """Return what git calls a file of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Served:
    """One address and how it behaves.

    Attributes:
        etag: Entity tag, "" for none.
        has_ranges: Ranges are honoured.
        neglects_if_range: Ranges are honoured although the file has changed.
        has_length: A Content-Length is sent; else the body is chunked.
        statuses: Answered first, one per request, instead of the file.
        retry_after: Sent along with those, "" for none.
        error_code: The hub's name for the error in those.
        cuts: The connection breaks after that many bytes of a body, one per request.
        login: ``user:password`` that basic authentication must carry, "" for none.
        location: Redirected to, "" for none.
        gate: Called before each chunk with the bytes of this answer sent so far; may block, and
            may return how long the chunk is to be.
    """

    data: bytes = b""
    content_type: str = "application/octet-stream"
    etag: str = '"v1"'
    has_ranges: bool = True
    neglects_if_range: bool = False
    has_length: bool = True
    statuses: list[int] = field(default_factory=list)
    retry_after: str = ""
    error_code: str = ""
    cuts: list[int] = field(default_factory=list)
    login: str = ""
    location: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    gate: Callable[[int], int | None] = lambda sent: None


@dataclass
class Request:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    begin: int = 0
    sent: int = 0

    @property
    def range(self) -> str:
        return self.headers.get("range", "")


class Handler(BaseHTTPRequestHandler):
    """Answers from the routes of the server that owns it."""

    server: "Listener"
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        seen = Request(self.command, path, {k.lower(): v for k, v in self.headers.items()})
        self.server.owner.log.append(seen)
        served = self.server.owner.routes.get(path)
        if served is None:
            self._status(404)
        elif served.statuses and self.command == "GET":
            more = {"Retry-After": served.retry_after, "X-Error-Code": served.error_code}
            self._status(served.statuses.pop(0), {k: v for k, v in more.items() if v})
        elif not self._is_welcome(served):
            self._status(401)
        elif served.location:
            self._status(302, {"Location": served.location})
        else:
            self._body(served, seen)

    def _is_welcome(self, served: Served) -> bool:
        sent = self.headers.get("Authorization", "")
        if served.login:
            return sent == "Basic " + base64.b64encode(served.login.encode()).decode()
        wanted = served.headers.get("Authorization", "")
        return not wanted or sent == wanted

    def _status(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, item in (headers or {}).items():
            self.send_header(key, item)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self, served: Served, seen: Request) -> None:
        data, (begin, end) = served.data, self._span(served)
        seen.begin = begin
        if begin and begin >= len(data):
            self._status(416)
            return
        is_part = self.headers.get("Range", "").startswith("bytes=") and (begin or end)
        data = data[: end or len(data)]
        self.send_response(206 if is_part else 200)
        self.send_header("Content-Type", served.content_type)
        if served.etag:
            self.send_header("ETag", served.etag)
        if is_part:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(served.data)}")
        if served.has_length:
            self.send_header("Content-Length", str(len(data) - begin))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        for key, item in served.headers.items():
            if key != "Authorization":
                self.send_header(key, item)
        self.end_headers()
        if self.command == "GET":
            self._send(served, data[begin:], seen)

    def _span(self, served: Served) -> tuple[int, int]:
        """Return where the asked part begins and ends; 0 is the file's own."""
        wanted = self.headers.get("Range", "")
        promised = served.etag or served.headers.get("Last-Modified", "")
        unchanged = self.headers.get("If-Range", promised) == promised
        unchanged = unchanged or served.neglects_if_range
        if not (wanted and served.has_ranges and unchanged):
            return 0, 0
        begin, _, last = wanted.removeprefix("bytes=").partition("-")
        return int(begin), int(last or -1) + 1

    def _send(self, served: Served, data: bytes, seen: Request) -> None:
        most, gate = served.cuts.pop(0) if served.cuts else len(data), served.gate
        try:
            while seen.sent < most:
                step = gate(seen.sent) or CHUNK
                chunk = data[seen.sent : min(seen.sent + step, most)]
                if not chunk:
                    break
                frame = b"%x\r\n%s\r\n" % (len(chunk), chunk)
                self.wfile.write(chunk if served.has_length else frame)
                seen.sent += len(chunk)
            if most < len(data):
                self.close_connection = True
            elif not served.has_length:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:  # the client was killed or refused the rest
            self.close_connection = True


class Listener(ThreadingHTTPServer):
    """The listening socket, and the `Server` whose routes it serves."""

    daemon_threads = True
    owner: "Server"

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # the client was killed
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Server:
    """Serves `routes` on a free port of loopback and remembers every request."""

    def __init__(self, context: Any = None) -> None:
        self.routes: dict[str, Served] = {}
        self.log: list[Request] = []
        self._server = Listener(("127.0.0.1", 0), Handler)
        self._server.owner = self
        scheme = "http"
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self.host = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Server":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add(self, path: str, data: bytes = b"", **how: Any) -> Served:
        self.routes[path] = Served(data, **how)
        return self.routes[path]

    def of(self, path: str, method: str = "GET") -> list[Request]:
        return [r for r in self.log if r.path == path and r.method == method]

    def add_package(
        self, name: str, files: dict[str, bytes], *, as_json: bool = True, **how: Any
    ) -> str:
        """Serve a simple page for *name* with *files*; return the index's address."""
        for file, data in files.items():
            self.add(f"/files/{file}", data, **how)
        if as_json:
            page = json.dumps(
                {
                    "meta": {"api-version": "1.1"},
                    "name": name,
                    "files": [
                        {
                            "filename": file,
                            "url": f"../../files/{file}",
                            "hashes": {"sha256": digest(data)},
                            "size": len(data),
                        }
                        for file, data in files.items()
                    ],
                }
            )
            kind = "application/vnd.pypi.simple.v1+json"
        else:
            page = "<!DOCTYPE html><html><body>" + "".join(
                f'<a href="../../files/{file}#sha256={digest(data)}">{file}</a><br/>'
                for file, data in files.items()
            )
            kind = "text/html"
        login = how.get("login", "")
        self.add(f"/simple/{name}/", page.encode(), content_type=kind, login=login)
        return f"{self.url}/simple"

    def add_hub(
        self, repo: str, files: dict[str, bytes], *, token: str = "", gated: bool = False
    ) -> None:
        """Serve *repo* as the hub does: metadata, and addresses that redirect to a file server."""
        commit = "c" * 40
        siblings = [
            {
                "rfilename": file,
                "size": len(data),
                "blobId": git_digest(data),
                **(
                    {"lfs": {"sha256": digest(data), "size": len(data), "pointerSize": 134}}
                    if len(data) > SMALL
                    else {}
                ),
            }
            for file, data in files.items()
        ]
        info = {"id": repo, "sha": commit, "siblings": siblings, "private": False, "tags": []}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        info |= {"gated": "manual"} if gated else {}
        for path in (f"/api/models/{repo}", f"/api/models/{repo}/revision/main"):
            # anybody may look at the list of a gated repository's files, nobody at a file
            seen = {} if gated else headers
            self.add(path, json.dumps(info).encode(), content_type="application/json", headers=seen)
        for file, data in files.items():
            self.add(f"/{repo}/resolve/{commit}/{file}", location=f"/cdn/{file}", headers=headers)
            self.add(f"/cdn/{file}", data, etag=f'"{digest(data)}"')

    def add_ollama(
        self, name: str, *layers: bytes, kind: str = "model", config: bytes = b"{}"
    ) -> str:
        """Serve ``library/NAME`` as Ollama's registry does; return its source.

        Manifest and media types as of Ollama 0.33, manifest/manifest.go: the GGUF layer among
        others, each with its digest and length.
        """
        model, _, tag = name.partition(":")
        place = f"/v2/library/{model}"
        told = []
        parts = [("params", b'{"stop":["x"]}'), ("license", b"MIT"), *((kind, x) for x in layers)]
        for what, data in parts:
            self.add(f"{place}/blobs/sha256:{digest(data)}", data, etag="")
            told.append(ollama_layer(what, data))
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "digest": f"sha256:{digest(config)}",
                "size": len(config),
            },
            "layers": told,
        }
        self.add(
            f"{place}/manifests/{tag or 'latest'}",
            json.dumps(manifest).encode(),
            content_type="text/plain; charset=utf-8",
        )
        return f"ollama:{self.host}/library/{name}"


def ollama_layer(kind: str, data: bytes) -> dict[str, object]:
    """Return what a manifest of Ollama says of one layer."""
    return {
        "mediaType": f"application/vnd.ollama.image.{kind}",
        "digest": f"sha256:{digest(data)}",
        "size": len(data),
    }
