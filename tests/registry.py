"""A registry that gives one image away, slowly or not at all."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_CHUNK_BYTES = 64 * 1024


class Registry:
    """Serves the image ``test/image:1``, and answers what `status` says where it is not 200.

    Args:
        content: The one file of the image; random bytes make a layer that no machine has yet.
        architecture: Of the image.
    """

    def __init__(self, content: bytes, architecture: str) -> None:
        self.status = 200
        self.cut_after_bytes: int | None = None
        self._blobs: dict[str, bytes] = {}
        layer = _tar(content)
        rootfs = {"type": "layers", "diff_ids": [_digest(layer)]}
        config = {"architecture": architecture, "os": "linux", "config": {}, "rootfs": rootfs}
        parts = [
            self._part(_CONFIG, json.dumps(config).encode()),
            self._part(_LAYER, gzip.compress(layer, 0)),
        ]
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": parts[0],
            "layers": parts[1:],
        }
        self._manifest = json.dumps(manifest).encode()

    def _part(self, kind: str, data: bytes) -> dict[str, Any]:
        self._blobs[_digest(data)] = data
        return {"mediaType": kind, "size": len(data), "digest": _digest(data)}

    def answer(self, path: str) -> tuple[int, str, bytes]:
        if path == "/v2/":
            return 200, "application/json", b"{}"
        if self.status != 200:
            code = {401: "UNAUTHORIZED", 404: "MANIFEST_UNKNOWN"}.get(self.status, "UNKNOWN")
            error = {"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}
            return self.status, "application/json", json.dumps(error).encode()
        if "/manifests/" in path:
            return 200, _MANIFEST, self._manifest
        return 200, "application/octet-stream", self._blobs[path.rpartition("/")[2]]


def _tar(content: bytes) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        info = tarfile.TarInfo("content")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@contextmanager
def serving(registry: Registry) -> Iterator[str]:
    """Serve *registry* on loopback, which Docker trusts without TLS; yield the image's name."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._head()

        def do_GET(self) -> None:
            data = self._head()
            if registry.cut_after_bytes is not None and "/blobs/" in self.path:
                self.wfile.write(data[: registry.cut_after_bytes])
                self.close_connection = True
                return
            for begin in range(0, len(data), _CHUNK_BYTES):
                self.wfile.write(data[begin : begin + _CHUNK_BYTES])

        def _head(self) -> bytes:
            status, kind, data = registry.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            if "/manifests/" in self.path:
                self.send_header("Docker-Content-Digest", _digest(data))
            self.end_headers()
            return data

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 its name

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}/test/image:1"
        finally:
            server.shutdown()
            thread.join()
