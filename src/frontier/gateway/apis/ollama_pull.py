"""Pulling a model of the catalog into the workspace, told as Ollama tells its own."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import Response, StreamingResponse

from frontier.gateway.apis.ollama_body import Json
from frontier.gateway.apis.ollama_control import document
from frontier.gateway.apis.ollama_models import digest

if TYPE_CHECKING:
    from frontier.gateway.routes import Target

_NDJSON: Final = "application/x-ndjson"
_END_S: Final = 5.0


async def served(target: "Target") -> AsyncIterator[Json]:
    """Yield what a pull of a model says that is here already."""
    layer = digest(target)
    size = target.details.size_bytes
    yield {"status": "pulling manifest"}
    yield {
        "status": f"pulling {layer[:12]}",
        "digest": f"sha256:{layer}",
        "total": size,
        "completed": size,
    }
    yield {"status": "verifying sha256 digest"}
    yield {"status": "writing manifest"}
    yield {"status": "success"}


async def pulled(name: str, workspace: Path) -> AsyncIterator[Json]:
    """Yield the progress of a pull into the store of *workspace*.

    It runs in a process of its own: a download is slow, blocks, and needs memory that the gateway
    should not keep. Whoever stops listening stops it; what came is kept for the next pull.
    """
    arguments = ("-m", "frontier.gateway.pulling", "--workspace", str(workspace), name)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None  # noqa: S101 - it was asked for
    said: Json = {}
    try:
        async for line in process.stdout:
            said = json.loads(line)
            yield said
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await process.wait()
    if said.get("status") != "success" and "error" not in said:
        yield {"error": f"the download ended with exit code {process.returncode}"}


async def told(progress: AsyncIterator[Json], *, stream: bool) -> Response:
    """Return *progress* as it is made, or its end alone if the client wants no stream.

    A failure before anything was done has a status of its own.
    """
    if not stream:
        last = [item async for item in progress][-1]
        return document(last, 404 if "error" in last else 200)
    first = await anext(progress)
    if "error" in first:
        return document(first, 404)
    return StreamingResponse(_lines(first, progress), media_type=_NDJSON)


async def _lines(first: Json, progress: AsyncIterator[Json]) -> AsyncIterator[bytes]:
    yield json.dumps(first).encode() + b"\n"
    async for item in progress:
        yield json.dumps(item).encode() + b"\n"
