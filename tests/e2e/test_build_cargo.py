"""Real cargo compiles a crate of mistral.rs's name that takes a second; every failure for real."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from frontier.adapters.cargo_tools import CargoTools
from frontier.adapters.mistral_build import MistralBuilds
from frontier.domain.build import MISTRAL, Recipe
from frontier.domain.errors import BusyError, FrontierError, RuntimeFailedError, StorageError
from native_harness import Silent
from tiny_crate import TinyCrate, cargo
from waiting import until

RECIPE = Recipe(version=MISTRAL.version, accelerator="cpu", features=("mkl", "ring"))


@pytest.fixture(scope="module")
def program() -> str:
    return cargo()


@pytest.fixture
def crate(tmp_path: Path) -> TinyCrate:
    return TinyCrate(tmp_path / "crate")


class Bench:
    """One workspace's builds with the tiny crate behind them."""

    def __init__(self, root: Path, crate: TinyCrate, program: str) -> None:
        self.folder, self.log = root / "builds", root / "logs/build-mistral.log"
        self.crate, self.program = crate, program
        self.environ = crate.environ
        self.seen: list[tuple[int, int | None]] = []

    @property
    def builds(self) -> MistralBuilds:
        return MistralBuilds(self.folder, self.log, self.environ)

    def make(self, recipe: Recipe = RECIPE) -> Path:
        seen = self.seen

        class Watching(Silent):
            def update(self, done: int, total: int | None = None) -> None:
                seen.append((done, total))

        return self.builds.make(recipe, self.program, self.environ["PATH"], Watching()).path

    def fails(self, recipe: Recipe = RECIPE) -> FrontierError:
        with pytest.raises(FrontierError) as caught:
            self.make(recipe)
        assert self.builds.find(recipe) is None
        assert not (self.folder / recipe.key).exists()
        return caught.value

    def begin(self, gate: Path) -> subprocess.Popen[bytes]:
        """Build in a process of its own; return once the build waits for *gate*."""
        self.crate.wait_for(gate)
        code = (
            "import sys, os; from pathlib import Path; from native_harness import Silent; "
            "from frontier.adapters.mistral_build import MistralBuilds; "
            "from frontier.domain.build import Recipe; "
            f"r = Recipe(version={MISTRAL.version!r}, accelerator='cpu', "
            "features=('mkl', 'ring')); "
            f"b = MistralBuilds(Path({str(self.folder)!r}), Path({str(self.log)!r}), os.environ); "
            f"b.make(r, {self.program!r}, os.environ['PATH'], Silent())"
        )
        environ = {**self.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen((sys.executable, "-c", code), env=environ, stderr=-1)
        until(Path(f"{gate}.pid").exists, what="the build script", timeout_s=60)
        return process

    def until_nothing_runs(self) -> None:
        def running() -> list[str]:
            words = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
            return [line for line in words if str(self.folder) in line and "install" in line]

        until(lambda: not running(), what="the end of cargo and its guard")


@pytest.fixture
def bench(tmp_path: Path, crate: TinyCrate, program: str) -> Iterator[Bench]:
    bench = Bench(tmp_path, crate, program)
    yield bench
    bench.until_nothing_runs()


def test_a_build_is_verified_kept_and_found_again(bench: Bench) -> None:
    path = bench.make()

    assert bench.seen[-1][1] == 1  # of one crate
    found = bench.builds.find(RECIPE)
    assert found is not None
    assert (found.path, found.report.features) == (path, ("mkl", "ring"))
    assert path.parent.parent == bench.folder / RECIPE.key
    assert [p.name for p in bench.folder.iterdir() if p.name.startswith(".")] == []
    meta = json.loads((path.parent.parent / "build.json").read_text())
    assert meta["inputs"]["version"] == MISTRAL.version


def test_the_log_has_what_cargo_said_without_its_bars(bench: Bench) -> None:
    bench.make()

    log = bench.log.read_text()

    assert log.startswith(f"$ {bench.program} install mistralrs-cli --version 0.8.1 --locked")
    assert "   Compiling mistralrs-cli v0.8.1\n" in log
    assert "Building [" not in log
    assert "\r" not in log


def test_progress_comes_while_cargo_works(bench: Bench, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    bench.crate.wait_for(gate)
    worker = threading.Thread(target=bench.make)
    worker.start()

    until(lambda: bench.seen, what="progress", timeout_s=60)
    gate.touch()
    worker.join(60)

    assert {total for _, total in bench.seen} == {3}  # compile the script, run it, compile the rest


def test_a_damaged_build_is_not_found_and_made_again(bench: Bench) -> None:
    path = bench.make()
    path.write_bytes(b"")

    assert bench.builds.find(RECIPE) is None
    assert bench.builds.newest("cpu") is None

    assert bench.make() == path
    assert bench.builds.find(RECIPE) is not None


@pytest.mark.parametrize("text", ["", "[]", '{"size_bytes": 1}'])
def test_a_build_whose_description_is_damaged_is_not_found(bench: Bench, text: str) -> None:
    path = bench.make()
    (path.parent.parent / "build.json").write_text(text)

    assert bench.builds.find(RECIPE) is None


def test_the_newest_build_for_an_accelerator_is_found(bench: Bench) -> None:
    bench.make(Recipe(version=MISTRAL.version, accelerator="cpu"))
    later = bench.make()
    os.utime(later.parent.parent / "build.json", (9e9, 9e9))
    bench.make(Recipe(version=MISTRAL.version, accelerator="cuda", features=("cuda",)))

    newest = bench.builds.newest("cpu")

    assert newest is not None
    assert newest.path == later
    assert bench.builds.newest("metal") is None
    assert bench.builds.accelerators == ("cpu", "cuda")


def test_a_target_folder_of_the_user_is_used_and_kept(bench: Bench, tmp_path: Path) -> None:
    bench.environ = {**bench.environ, "CARGO_TARGET_DIR": str(tmp_path / "mine")}

    bench.make()

    assert (tmp_path / "mine/release/deps").is_dir()


def test_a_program_that_is_another_version_is_not_kept(bench: Bench) -> None:
    bench.crate.main(says="0.7.9")

    assert "it says version 0.7.9, not 0.8.1" in bench.fails().message


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("fn main() { std::process::exit(3); }", "exit code 3"),
        ('fn main() { println!("mistralrs 0.8.1"); }', "doctor --json printed something else"),
    ],
)
def test_a_program_that_does_not_work_is_not_kept(bench: Bench, source: str, reason: str) -> None:
    bench.crate.main(source=source)

    assert reason in bench.fails().message


def test_a_compiler_error_is_shown_with_its_line(bench: Bench) -> None:
    bench.crate.main(source="fn main() { let x: u8 = words; }")

    error = bench.fails()

    assert isinstance(error, RuntimeFailedError)
    assert error.message == "mistralrs-cli 0.8.1 does not compile: cargo ended with exit code 101"
    assert error.details.startswith("error[E0425]: cannot find value `words` in this scope")
    assert error.hint == f"All that it said: {bench.log}"


@pytest.mark.parametrize(
    ("script", "hint"),
    [
        ('std::process::Command::new("nvcc").output().expect("Failed to execute `nvcc`");',
         "--accelerator cpu"),
        ('panic!("Unsupported cuda toolkit version: `13.3`. Please raise a github issue.");',
         "--accelerator cpu"),
        ('println!("cargo:rustc-link-lib=cudnn");', "--features cuda"),
    ],
)  # fmt: skip
def test_a_build_script_that_misses_cuda_tells_what_to_do(
    bench: Bench, script: str, hint: str
) -> None:
    bench.crate.build_script(script)

    assert hint in bench.fails().hint


def test_a_compiler_that_memory_was_too_small_for_is_explained(
    bench: Bench, tmp_path: Path
) -> None:
    wrapper = tmp_path / "rustc"
    wrapper.write_text('#!/bin/sh\ncase "$*" in *mistralrs*) kill -9 $$;; esac\nexec "$@"\n')
    wrapper.chmod(0o755)
    bench.environ = {**bench.environ, "RUSTC_WRAPPER": str(wrapper)}

    assert "CARGO_BUILD_JOBS=1 frontier stack build mistral" in bench.fails().hint


def test_a_missing_linker_is_explained(bench: Bench) -> None:
    bench.environ = {**bench.environ, "RUSTFLAGS": "-C linker=/nowhere/cc"}

    assert bench.fails().hint == "sudo apt install build-essential"


def test_a_compiler_that_is_too_old_is_explained(bench: Bench) -> None:
    manifest = bench.crate.crate / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace(f'"{MISTRAL.rust}"', '"1.999"'))

    assert bench.fails().hint == "rustup update stable"


def test_a_registry_that_cannot_be_reached_is_explained(bench: Bench) -> None:
    (bench.crate.home / "config.toml").write_text(
        '[source.crates-io]\nreplace-with = "gone"\n'
        '[source.gone]\nregistry = "sparse+http://127.0.0.1:9/"\n[net]\nretry = 0\n'
    )

    assert "The crates must be reachable once" in bench.fails().hint


def test_a_version_that_is_not_published_is_explained(bench: Bench) -> None:
    error = bench.fails(Recipe(version="9.9.9", accelerator="cpu"))

    assert "9.9.9" in error.message
    assert error.hint == "cargo search mistralrs-cli"


def test_a_full_disk_is_explained(bench: Bench, full_disk: Path) -> None:
    bench.environ = {**bench.environ, "CARGO_TARGET_DIR": str(full_disk)}
    (full_disk / "filler").write_bytes(bytes(1_900_000))

    assert "The disk is full" in bench.fails().hint


def test_a_folder_that_cannot_be_written_is_explained(bench: Bench, read_only: Path) -> None:
    bench.folder = read_only / "builds"

    with pytest.raises(StorageError, match="cannot write"):
        bench.make()


def test_a_second_build_at_the_same_time_is_told_of_the_first(bench: Bench, tmp_path: Path) -> None:
    first = bench.begin(tmp_path / "gate")

    with pytest.raises(BusyError, match="frontier stack build mistral"):
        bench.make()

    (tmp_path / "gate").touch()
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert bench.builds.find(RECIPE) is not None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_is_stopped_leaves_no_process_and_no_half_build(
    bench: Bench, tmp_path: Path, number: signal.Signals
) -> None:
    gate = tmp_path / "gate"
    command = bench.begin(gate)
    script = int(Path(f"{gate}.pid").read_text())

    command.send_signal(number)

    command.communicate(timeout=60)
    until(lambda: not psutil.pid_exists(script), what="the end of the build script")
    bench.until_nothing_runs()
    assert bench.builds.find(RECIPE) is None
    assert bench.builds.accelerators == ()
    (bench.crate.crate / "build.rs").unlink()
    assert bench.make().exists()  # and nothing is in the way of the next one
    assert list(bench.folder.glob(".*.part")) == []


def test_a_guard_that_does_not_start_is_no_traceback(bench: Bench) -> None:
    bench.program = "/nowhere/cargo"

    assert "exit code 127" in bench.fails().message


def test_the_real_tools_are_found(program: str) -> None:
    tools = CargoTools(os.environ, Path.home()).look(is_mac=False)

    assert tools.cargo_path == program
    assert tools.rustc[0].isdigit()
    assert tools.cargo[0].isdigit()
    assert tools.target.endswith("-linux-gnu")
    assert tools.compiler == "" or shutil.which("c++")
