"""An engine of our own for a while, which nothing that happens to us leaves running."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

from frontier.adapters import guard
from frontier.adapters.logs import LOG_FILES
from frontier.adapters.ports_free import free_port
from frontier.domain.errors import RuntimeFailedError
from frontier.domain.project import Service

_LOG_BYTES = 10 * 1024 * 1024
_GRACE_S = 3.0
_POLL_S = 0.05
_OK = 200


@contextlib.contextmanager
def running(service: Service, log: Path, env: dict[str, str]) -> Generator[str]:
    """Run *service* on a free port and yield its URL once it is healthy; end it with the block.

    A guard runs it, as in a stack: it ends the engine when this process ends, however that ends.

    Raises:
        RuntimeFailedError: it ended or was not healthy in time; the message is its last line.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    port = free_port()
    limits = (str(_LOG_BYTES), str(LOG_FILES), str(_GRACE_S), str(int(sys.platform == "linux")))
    with subprocess.Popen(  # noqa: S603 our own guard with the project's command
        (sys.executable, "-I", "-S", guard.__file__, str(log), *limits, *service.command(port)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**env, **service.env},
        start_new_session=True,  # Ctrl-C is ours to hear
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _until_healthy(process, f"{url}{service.health_path}", service.start_timeout_s)
            yield url
        finally:
            _end(process)


def _until_healthy(process: "subprocess.Popen[bytes]", url: str, patience_s: float) -> None:
    import httpx2

    deadline = time.monotonic() + patience_s
    with httpx2.Client(timeout=1.0, trust_env=False) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeFailedError(f"the engine ended: {_last_words(process)}")
            with contextlib.suppress(httpx2.HTTPError):
                if client.get(url).status_code == _OK:
                    return
            time.sleep(_POLL_S)
    raise RuntimeFailedError(f"the engine was not ready within {patience_s:.0f} s")


def _last_words(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout is not None  # noqa: S101 it was started with a pipe
    said = process.stdout.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(said) if line.strip()), "without a word")


def _end(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None  # noqa: S101 it was started with a pipe
    process.stdin.close()  # the guard's lifeline
    try:
        process.wait(_GRACE_S + 2.0)
    except subprocess.TimeoutExpired:
        process.kill()
