from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeReporter
from frontier.domain.binary import Binary, Report
from frontier.domain.build import MISTRAL, Recipe, Wish
from frontier.domain.errors import NotFoundError, RefusedError, RuntimeFailedError, UsageError
from frontier.domain.machine import AppleChip, Cpu, Gpu, Machine
from frontier.domain.stack import Image, Stack
from frontier.domain.toolchain import Toolchain
from frontier.ports import Reporter
from frontier.usecases.build import Build

CPU = Cpu(model="x", physical=2, logical=2, usable=2, features=("avx2", "f16c", "fma"))
PLAIN = Machine(os="linux", os_version="", arch="x86_64", cpu=CPU, memory=None, disk=None)
GPU = Gpu(vendor="nvidia", name="NVIDIA L4", compute_capability="8.9")
WITH_GPU = replace(PLAIN, gpus=(GPU,))
TOOLS = Toolchain(rustc="1.95.0", cargo="1.95.0", cargo_path="/c/cargo", compiler="c++ 14")
CUDA = replace(TOOLS, nvcc="12.8", driver_cuda="12.8")
IMAGE = Image(references={"cpu": "mistral:cpu-1", "cuda": "mistral:sm{sm}-1"})
STACK = Stack(name="mistral", title="mistral.rs", engine="mistral", images={"mistral": IMAGE})


def binary(*features: str, version: str = MISTRAL.version, key: str = "abc") -> Binary:
    report = Report(version=version, features=features)
    return Binary(path=Path("/b/mistralrs"), report=report, key=key)


@dataclass
class FakeBuilds:
    """Keeps what was compiled by key."""

    kept: dict[str, Binary] = field(default_factory=dict)
    compiled: list[tuple[Recipe, str, str]] = field(default_factory=list)

    def find(self, recipe: Recipe) -> Binary | None:
        return self.kept.get(recipe.key)

    def make(self, recipe: Recipe, cargo: str, search: str, reporter: Reporter) -> Binary:
        self.compiled.append((recipe, cargo, search))
        self.kept[recipe.key] = binary(*recipe.features, key=recipe.key)
        return self.kept[recipe.key]


@dataclass
class FakeImages:
    """Keeps the names of images."""

    kept: set[str] = field(default_factory=set)

    def reference(self, binary: Binary, base: str) -> str:
        return f"frontier-mistral:{binary.report.version}-{binary.key}-{base}"

    def exists(self, reference: str) -> bool:
        return reference in self.kept

    def make(self, binary: Binary, base: str, reporter: Reporter) -> str:
        self.kept.add(self.reference(binary, base))
        return self.reference(binary, base)


class Bench:
    def __init__(self, machine: Machine = PLAIN, tools: Toolchain = TOOLS) -> None:
        self.builds, self.images, self.reporter = FakeBuilds(), FakeImages(), FakeReporter()
        self.machine, self.tools = machine, tools
        self.found: Binary | None = None
        self.given_image = ""

    def run(self, method: Any = "cargo", wish: Wish | None = None, **options: Any) -> Any:
        case = Build(
            machine=lambda: self.machine,
            tools=lambda: self.tools,
            search=lambda: "/c:/usr/bin",
            builds=self.builds,
            images=self.images,
            on_path=lambda: self.found,
            base="python:3.13",
            given_image=self.given_image,
            reporter=self.reporter,
        )
        return case.run(options.pop("stack", STACK), wish or Wish(), method, **options)


def test_what_is_not_there_is_compiled_and_the_second_time_found() -> None:
    bench = Bench()

    first, second = bench.run(), bench.run()

    assert [(c, s) for _, c, s in bench.builds.compiled] == [("/c/cargo", "/c:/usr/bin")]
    assert (first.is_cached, second.is_cached) == (False, True)
    assert first.applied
    assert (first.accelerator, first.binary, first.image) == ("cpu", Path("/b/mistralrs"), "")


def test_every_decision_is_said_and_returned() -> None:
    bench = Bench()

    result = bench.run()

    assert result.decisions[0] == "mistral.rs 0.8.1, the newest on crates.io"
    assert "accelerator: cpu, because no GPU found" in result.decisions
    assert list(result.decisions) == bench.reporter.said


def test_other_inputs_are_compiled_beside() -> None:
    bench = Bench(WITH_GPU, CUDA)

    bench.run()
    bench.run(wish=Wish(accelerator="cpu"))

    assert [r.features for r, _, _ in bench.builds.compiled] == [("cuda", "flash-attn"), ()]


def test_a_missing_prerequisite_is_refused_before_anything_is_compiled() -> None:
    bench = Bench(tools=replace(TOOLS, compiler=""))

    with pytest.raises(RefusedError, match=r"for cpu cannot be built here: c\+\+"):
        bench.run()

    assert bench.builds.compiled == []


def test_what_is_built_already_needs_no_compiler_any_more() -> None:
    bench = Bench()
    bench.run()
    bench.tools = replace(TOOLS, compiler="")

    assert bench.run().is_cached


def test_a_dry_run_decides_and_checks_and_compiles_nothing() -> None:
    bench = Bench(tools=replace(TOOLS, compiler=""))

    result = bench.run(dry_run=True)

    assert bench.builds.compiled == []
    assert (result.applied, result.is_cached, result.binary) == (False, False, None)
    assert [check.name for check in result.checks if not check.is_met] == ["c++"]


def test_an_image_is_made_of_what_was_compiled_once() -> None:
    bench = Bench()

    first, second = bench.run("image"), bench.run("image")

    assert first.image == second.image == next(iter(bench.images.kept))
    assert first.image.endswith("-python:3.13")
    assert (first.is_cached, second.is_cached) == (False, True)
    assert len(bench.builds.compiled) == 1
    assert "base image: python:3.13" in first.decisions


def test_an_image_for_cuda_has_the_libraries_of_its_toolkit() -> None:
    image = Bench(WITH_GPU, CUDA).run("image").image

    assert image.endswith("-nvidia/cuda:12.8.0-cudnn-runtime-ubuntu24.04")


def test_a_base_image_can_be_named() -> None:
    assert Bench(WITH_GPU, CUDA).run("image", base="mine:1").image.endswith("-mine:1")


def test_metal_has_no_image() -> None:
    chip = AppleChip(name="Apple M2", gpu_cores=8, unified_memory_bytes=1)
    mac = replace(PLAIN, os="macos", arch="arm64", apple=chip)

    with pytest.raises(UsageError, match="Metal does not reach containers") as caught:
        Bench(mac, replace(TOOLS, metal="/m")).run("image")

    assert "--method cargo" in caught.value.hint


def test_a_stack_without_a_build_says_which_has_one() -> None:
    with pytest.raises(UsageError, match="'ollama' is not built: ollama comes ready-made") as e:
        Bench().run(stack=replace(STACK, name="ollama", engine="ollama"))

    assert e.value.hint == "frontier stack build mistral"


def test_a_ready_made_program_on_the_path_is_taken() -> None:
    bench = Bench()
    bench.found = binary(version="0.9.5", key="")

    result = bench.run("prebuilt")

    assert (result.binary, result.version, result.image) == (Path("/b/mistralrs"), "0.9.5", "")
    assert result.decisions[-1] == "/b/mistralrs: mistral.rs 0.9.5, for cpu"
    assert bench.builds.compiled == []


def test_a_ready_made_program_for_something_else_is_passed_over_with_the_reason() -> None:
    bench = Bench(WITH_GPU)
    bench.found = binary()

    result = bench.run("prebuilt")

    assert (result.binary, result.image) == (None, "mistral:sm89-1")
    assert "/b/mistralrs is passed over: made for cpu" in result.decisions


def test_without_a_program_the_released_image_is_named() -> None:
    result = Bench().run("prebuilt")

    assert (result.image, result.version) == ("mistral:cpu-1", "cpu-1")
    assert "there is no mistralrs on PATH" in result.decisions


def test_an_image_of_the_settings_wins() -> None:
    bench = Bench()
    bench.given_image = "mine:2"

    assert bench.run("prebuilt").image == "mine:2"


@pytest.mark.parametrize(
    "stack", [replace(STACK, images={}), replace(STACK, images={"mistral": Image(references={})})]
)
def test_where_nothing_is_ready_made_it_must_be_compiled(stack: Stack) -> None:
    with pytest.raises(NotFoundError, match=r"no ready-made mistral\.rs for cpu") as caught:
        Bench().run("prebuilt", stack=stack)

    assert caught.value.hint == "frontier stack build mistral --method cargo"


def test_what_the_hardware_cannot_do_is_refused_for_every_method() -> None:
    old = replace(PLAIN, gpus=(replace(GPU, compute_capability="7.5"),))

    for method in ("cargo", "image", "prebuilt"):
        with pytest.raises(RefusedError, match="compute capability"):
            Bench(old, CUDA).run(method)


def test_a_build_that_fails_is_not_hidden() -> None:
    class Failing(FakeBuilds):
        def make(self, recipe: Recipe, cargo: str, search: str, reporter: Reporter) -> Binary:
            raise RuntimeFailedError("does not compile")

    bench = Bench()
    bench.builds = Failing()

    with pytest.raises(RuntimeFailedError):
        bench.run()
