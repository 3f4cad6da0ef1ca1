"""The question to Metal: the program that asks, against libraries that answer as macOS' do."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from frontier.adapters.machine import metal
from frontier.adapters.machine.tools import ToolError, runner

TOLD = 239_143_485_440  # more than 32 bits hold, as of a Mac with 256 GiB

METAL = """
#include <stdlib.h>
static void *device;
void *MTLCreateSystemDefaultDevice(void) { return device = WITH_DEVICE ? malloc(1 << 24) : 0; }
"""
OBJC = """
#include <string.h>
void *sel_registerName(const char *name) { return strdup(name); }
unsigned long long objc_msgSend(void *object, void *selector) {
    if ((unsigned long long)object < (1ULL << 32)) return 1; /* cut to 32 bits on the way */
    return strcmp(selector, "recommendedMaxWorkingSetSize") ? 2 : 239143485440ULL;
}
"""


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    """A folder with libraries that have the functions of macOS' frameworks."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make them with")
    for name, source in (("Metal", METAL), ("CoreGraphics", ""), ("objc", OBJC)):
        build(compiler, tmp_path, name, source, "-DWITH_DEVICE=1")
    return tmp_path


def build(compiler: str, folder: Path, name: str, source: str, flag: str) -> None:
    (folder / f"{name}.c").write_text(source)
    command = [compiler, "-shared", "-fPIC", flag, "-o", folder / name, folder / f"{name}.c"]
    subprocess.run(command, check=True, capture_output=True)


def asking(folder: Path) -> str:
    ask = metal.ASK.replace("/System/Library/Frameworks/{0}.framework/{0}", f"{folder}/{{0}}")
    return ask.replace("/usr/lib/libobjc.A.dylib", f"{folder}/objc")


def test_metals_answer_is_read_whole(libraries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metal, "ASK", asking(libraries))

    assert metal.working_set(runner(20)) == TOLD


def test_a_mac_without_a_metal_device_tells_none(
    libraries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(shutil.which("cc") or "cc", libraries, "Metal", METAL, "-DWITH_DEVICE=0")
    monkeypatch.setattr(metal, "ASK", asking(libraries))

    assert metal.working_set(runner(20)) is None


def test_a_program_that_breaks_is_a_problem_of_metal_alone() -> None:
    def run(argv: object) -> str:
        raise ToolError(f"{sys.executable}: exit code -11: no message")

    with pytest.raises(ToolError, match=r"^metal: exit code -11: no message$"):
        metal.working_set(run)


@pytest.mark.skipif(sys.platform == "darwin", reason="there it answers")
def test_a_system_without_metal_is_told_as_such() -> None:
    with pytest.raises(ToolError, match=r"^metal: exit code 1: .*CoreGraphics"):
        metal.working_set(runner(20))
