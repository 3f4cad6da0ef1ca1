"""What goes into the gateway's image, and what its name says about it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import requires, version
from pathlib import Path

import psutil
import pytest
from packaging.requirements import Requirement

import frontier
from fake_index import wheel
from fakes import FakeReporter
from frontier.adapters.gateway_image import GatewayImage
from frontier.adapters.wheels import Wheels, open_wheels
from frontier.domain.errors import CorruptBlobError, DownloadError, StorageError
from frontier.renderers.gateway_image import PACKAGES, reference
from waiting import until

NATIVE = ("backports-zstd", "httptools", "msgspec", "pyyaml", "uvloop")
ANY = "py3-none-any"
MACHINES = ("x86_64", "aarch64")


def file_name(package: str, tag: str) -> str:
    return f"{package.replace('-', '_')}-{version(package)}-{tag}.whl"


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """A folder of wheels: pure ones, and native ones for two kinds of processor and Pythons."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for package in PACKAGES:
        tags = [ANY]
        if package in NATIVE:
            platforms = [f"manylinux2014_{m}.manylinux_2_17_{m}" for m in MACHINES]
            tags = [f"{py}-{py}-{each}" for py in ("cp312", "cp313") for each in platforms]
        for tag in tags:
            content = wheel({f"{package}/__init__.py": tag.encode()})
            (folder / file_name(package, tag)).write_bytes(content)
    return folder


@pytest.fixture
def opened(tmp_path: Path, links: Path) -> Callable[[], Wheels]:
    """Opens an index that is that folder alone."""
    environ = {
        "PIP_FIND_LINKS": str(links), "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1",
    }  # fmt: skip
    parts = tmp_path / "builds" / "parts"
    return lambda: open_wheels(environ, home=tmp_path, prefix=tmp_path, parts=parts)


def refuse() -> Wheels:
    raise AssertionError("nothing has to be fetched")


@pytest.fixture
def make(tmp_path: Path, opened: Callable[[], Wheels]) -> Callable[..., GatewayImage]:
    def image(
        *,
        folder: Path = tmp_path / "builds",
        base: str = "python:3.13",
        architecture: str = "amd64",
        wheels: Callable[[], Wheels] = opened,
        package: Path | None = None,
    ) -> GatewayImage:
        return GatewayImage(folder, base, architecture, wheels, package=package)

    return image


Make = Callable[..., GatewayImage]


def test_equal_inputs_have_equal_names_wherever_they_lie(make: Make, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(Path(frontier.__file__).parent, copy)

    names = {make().reference(), make(folder=tmp_path / "x", package=copy).reference()}

    assert len(names) == 1
    assert re.fullmatch(r"frontier-gateway:[\w.-]+-[0-9a-f]{12}", names.pop())


def test_every_input_changes_the_name(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = tmp_path / "edited"
    shutil.copytree(Path(frontier.__file__).parent, edited)
    with (edited / "gateway" / "app.py").open("a") as code:
        code.write("\n# changed\n")

    names = [
        make().reference(),
        make(base="python:3.13.1").reference(),
        make(architecture="arm64").reference(),
        make(package=edited).reference(),
    ]
    monkeypatch.setattr("frontier.adapters.gateway_image.version", lambda _package: "99.0")
    names.append(make().reference())

    assert len(set(names)) == len(names)


def test_what_the_gateway_does_not_import_does_not_change_the_name(
    make: Make, tmp_path: Path
) -> None:
    edited = tmp_path / "edited"
    shutil.copytree(Path(frontier.__file__).parent, edited)
    (edited / "cli" / "new.py").write_text("x = 1\n")
    (edited / "gateway" / "__pycache__").mkdir(exist_ok=True)
    (edited / "gateway" / "__pycache__" / "app.pyc").write_bytes(b"x")

    assert make(package=edited).reference() == make().reference()


def test_a_local_version_makes_a_valid_tag() -> None:
    assert reference("1.2.0+g1234", "ab" * 32) == "frontier-gateway:1.2.0-g1234-abababababab"


def test_the_packages_are_all_that_the_gateway_needs() -> None:
    needed = set[str]()
    wanted = {"backports-zstd", "httptools", "msgspec", "pyyaml", "starlette", "uvloop"}
    environment = {"python_version": "3.13", "python_full_version": "3.13.0", "extra": ""}
    while wanted:
        needed.add(name := wanted.pop())
        parsed = [Requirement(text) for text in requires(name) or ()]
        active = [r for r in parsed if not r.marker or r.marker.evaluate(environment)]
        wanted |= {r.name.lower().replace("_", "-") for r in active} - needed

    assert sorted(needed) == sorted(PACKAGES)


@pytest.mark.parametrize(("architecture", "machine"), [("amd64", "x86_64"), ("arm64", "aarch64")])
def test_the_context_holds_code_and_wheels_for_that_processor(
    make: Make, architecture: str, machine: str
) -> None:
    reporter = FakeReporter()

    context = make(architecture=architecture).context(reporter)

    library = context / "lib"
    assert sorted(path.name for path in context.iterdir()) == ["Dockerfile", "lib"]
    assert {path.name for path in library.iterdir()} == {*PACKAGES, "frontier"}
    assert sorted(p.name for p in (library / "frontier").iterdir()) == [
        "__init__.py", "adapters", "domain", "gateway",
    ]  # fmt: skip
    assert not list(library.rglob("__pycache__"))
    chosen = (library / "httptools" / "__init__.py").read_text()
    assert chosen == f"cp313-cp313-manylinux2014_{machine}.manylinux_2_17_{machine}"
    assert reporter.said == ["Fetching the gateway's libraries"]
    assert reporter.done == (len(PACKAGES), None)


def test_a_context_is_written_once(make: Make) -> None:
    first = make().context(FakeReporter())

    assert make(wheels=refuse).context(FakeReporter()) == first
    assert sorted(p.name for p in first.parent.iterdir()) == [first.name, "lock"]


def test_whoever_comes_second_waits_for_the_context_and_takes_it(
    make: Make, opened: Callable[[], Wheels], tmp_path: Path
) -> None:
    go_on = threading.Event()

    def slowly() -> Wheels:
        assert go_on.wait(30)
        return opened()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(make(wheels=slowly).context, FakeReporter())
        until(lambda: list((tmp_path / "builds").glob(".beside.*")), what="the first's folder")
        second = pool.submit(make(wheels=refuse).context, FakeReporter())
        until(lambda: times_opened(tmp_path / "builds" / "lock") == 2, what="the second's wait")
        go_on.set()

        assert first.result() == second.result()


def times_opened(path: Path) -> int:
    """Return how many descriptors of this process are open on *path*."""
    opened = [file.path for file in psutil.Process().open_files()]
    return opened.count(str(path.resolve()))


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_another_user_can_read_the_context_whatever_the_umask(make: Make) -> None:
    with umask(0o077):
        context = make().context(FakeReporter())

    modes = {oct(p.stat().st_mode & 0o777) for p in (context, *context.rglob("*")) if p.is_dir()}
    assert modes == {"0o755"}
    assert {oct(p.stat().st_mode & 0o777) for p in context.rglob("*") if p.is_file()} == {"0o644"}


def test_a_wheel_that_is_missing_for_the_platform_is_named(make: Make, links: Path) -> None:
    for path in links.glob("msgspec-*-cp313-*aarch64*"):
        path.unlink()

    with pytest.raises(DownloadError) as caught:
        make(architecture="arm64").context(FakeReporter())

    wanted = f"msgspec=={version('msgspec')} for linux/arm64 and CPython 3.13"
    assert caught.value.message.startswith(f"cannot get a wheel of {wanted}: ")
    assert "PIP_FIND_LINKS" in caught.value.hint
    assert str(links) in caught.value.details
    assert_nothing_but_the_lock(make)


def test_an_own_python_of_the_wheel_wins_over_a_general_one(make: Make, links: Path) -> None:
    general = links / file_name("msgspec", ANY)
    general.write_bytes(wheel({"msgspec/__init__.py": b"slow"}))

    context = make().context(FakeReporter())

    assert "cp313" in (context / "lib" / "msgspec" / "__init__.py").read_text()


@pytest.mark.parametrize(
    ("damage", "words"),
    [(b"no zip", "is damaged"), (wheel({"../../evil.py": b""}), "leads out of it")],
)
def test_a_damaged_or_hostile_wheel_is_refused_and_the_users_file_kept(
    make: Make, links: Path, damage: bytes, words: str
) -> None:
    path = links / file_name("anyio", ANY)
    path.write_bytes(damage)

    with pytest.raises(CorruptBlobError, match=words):
        make().context(FakeReporter())

    assert path.exists()
    assert_nothing_but_the_lock(make)


def test_a_wheel_that_cannot_be_read_is_named(make: Make, links: Path) -> None:
    path = links / file_name("anyio", ANY)
    path.unlink()
    path.mkdir()

    with pytest.raises(DownloadError, match=re.escape(f"cannot read {path}")):
        make().context(FakeReporter())


def assert_nothing_but_the_lock(make: Make) -> None:
    folder = make()._folder
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_full_disk_leaves_nothing(make: Make, full_disk: Path, links: Path) -> None:
    (links / file_name("idna", ANY)).write_bytes(wheel({"idna/data.py": os.urandom(3 << 20)}))

    with pytest.raises(StorageError, match="the disk is full"):
        make(folder=full_disk).context(FakeReporter())

    assert [path.name for path in full_disk.iterdir()] == ["lock"]


def test_a_folder_that_cannot_be_written_is_named(make: Make, read_only: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        make(folder=read_only / "builds").context(FakeReporter())


KILLED = """
import os, signal, sys
from pathlib import Path
from fakes import FakeReporter
from frontier.adapters.gateway_image import GatewayImage

class Wheels:
    def unpack(self, package, version, platform, target):
        (target / package).mkdir()
        if package == "idna":
            os.kill(os.getpid(), signal.SIGKILL)

GatewayImage(Path(sys.argv[1]), "python:3.13", "amd64", Wheels).context(FakeReporter())
"""


def test_what_a_killed_command_left_is_swept_and_never_taken_for_whole(
    make: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "builds"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(["tests", *sys.path])}
    command = (sys.executable, "-c", KILLED, str(folder))
    killed = subprocess.run(command, env=environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(folder.glob(".beside.*"))) == 1

    context = make().context(FakeReporter())

    assert sorted(path.name for path in folder.iterdir()) == [context.name, "lock"]
    assert (context / "lib" / "starlette" / "__init__.py").exists()
