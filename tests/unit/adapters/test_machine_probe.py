"""The whole machine: parts found together, failures kept apart."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest

from frontier.adapters.machine import macos, probe_machine
from frontier.adapters.machine.tools import Run, ToolError, ToolMissingError
from frontier.domain.machine import AppleChip

FIXTURES = Path(__file__).parents[2] / "fixtures" / "machine"
RECORDED = FIXTURES / "linux-cgroup1"
GIB = 1 << 30


def mac(state: str = "sysctl-m2-max.txt", **changed: str) -> Run:
    """A Run that answers as a Mac does."""
    answers = {
        "sysctl": (FIXTURES / "macos" / state).read_text(),
        "vm_stat": (FIXTURES / "macos" / "vm_stat.txt").read_text(),
        "system_profiler": (FIXTURES / "macos" / "displays-m2-max.json").read_text(),
        "sw_vers": "15.5\n",
        "mount": "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n",
        sys.executable: f"{72 * GIB}\n",
        **changed,
    }

    def run(argv: Sequence[str]) -> str:
        return answers[argv[0]] if argv[0] in answers else nothing(argv)

    return run


def nothing(argv: Sequence[str]) -> str:
    raise ToolMissingError(f"{argv[0]}: not installed")


def parts(problems: tuple[str, ...]) -> list[str]:
    return sorted(problem.split(":")[0] for problem in problems)


def test_this_machine_is_read_without_a_problem_of_its_own(tmp_path: Path) -> None:
    machine = probe_machine(tmp_path / "not" / "yet" / "there", run=nothing)

    assert machine.cpu.usable >= 1
    assert machine.memory is not None
    assert 0 < machine.memory.available_bytes <= machine.memory.total_bytes
    assert machine.disk is not None
    assert machine.disk.path == tmp_path
    assert 0 <= machine.disk.free_bytes <= machine.disk.total_bytes


def test_a_linux_machine_with_gpus_is_read_whole(tmp_path: Path) -> None:
    csv = (FIXTURES / "nvidia" / "two-h100.csv").read_text()
    banner = (FIXTURES / "nvidia" / "banner.txt").read_text()

    def run(argv: Sequence[str]) -> str:
        if argv[0] != "nvidia-smi":
            return nothing(argv)
        return csv if len(argv) > 1 else banner

    machine = probe_machine(tmp_path, run=run, root=RECORDED, system="Linux", arch="x86_64")

    assert (machine.os, machine.arch, machine.apple) == ("linux", "x86_64", None)
    assert machine.os_version == "Debian GNU/Linux 12 (bookworm)"
    assert [gpu.compute_capability for gpu in machine.gpus] == ["9.0", "9.0"]
    assert {gpu.cuda_version for gpu in machine.gpus} == {"12.8"}
    assert machine.problems == ()


def test_a_mac_studio_is_read_whole(tmp_path: Path) -> None:
    machine = probe_machine(tmp_path, run=mac(), system="Darwin", arch="arm64")

    assert (machine.os, machine.os_version) == ("macos", "15.5")
    assert machine.apple == AppleChip(
        name="Apple M2 Max",
        gpu_cores=38,
        unified_memory_bytes=96 * GIB,
        gpu_memory_bytes=72 * GIB,
        gpu_memory_source="told",
    )
    assert (machine.cpu.model, machine.cpu.usable) == ("Apple M2 Max", 12)
    assert machine.cpu.features == ("bf16", "dotprod", "fp16", "i8mm")
    assert machine.memory is not None
    assert (machine.memory.total_bytes, machine.memory.available_bytes) == (96 * GIB, 50 * GIB)
    assert machine.problems == ()


def test_an_intel_mac_has_no_apple_chip(tmp_path: Path) -> None:
    run = mac("sysctl-intel.txt")

    machine = probe_machine(tmp_path, run=run, system="Darwin", arch="x86_64")

    assert machine.apple is None
    assert (machine.cpu.physical, machine.cpu.logical) == (8, 16)
    assert machine.cpu.features == ("avx1.0", "avx2", "f16c", "fma")
    assert machine.problems == ()


def test_an_emulated_python_is_a_problem(tmp_path: Path) -> None:
    machine = probe_machine(tmp_path, run=mac(), system="Darwin", arch="x86_64")

    assert machine.problems == (
        "python: an Intel build on Apple silicon cannot use Metal: install an arm64 Python",
    )


def test_a_virtual_mac_hides_its_gpu_cores(tmp_path: Path) -> None:
    run = mac(system_profiler='{"SPDisplaysDataType": [{"_name": "Apple Paravirtual device"}]}')

    machine = probe_machine(tmp_path, run=run, system="Darwin", arch="arm64")

    assert machine.apple is not None
    assert machine.apple.gpu_cores is None
    assert machine.problems == ()


def test_a_mac_whose_tools_print_garbage_gives_one_problem_each(tmp_path: Path) -> None:
    run = mac(sysctl="?", vm_stat="<html>", system_profiler="<html>")

    machine = probe_machine(tmp_path, run=run, system="Darwin", arch="arm64")

    assert parts(machine.problems) == ["gpu cores", "sysctl", "vm_stat"]
    assert machine.cpu.model == "arm64"


def test_one_name_that_sysctl_cannot_read_does_not_spoil_the_others(tmp_path: Path) -> None:
    def run(argv: Sequence[str]) -> str:
        if argv[0] == "sysctl":
            refused = "sysctl: exit code 1: hw.secret: Operation not permitted"
            raise ToolError(refused, stdout=mac()(argv))
        return mac()(argv)

    machine = probe_machine(tmp_path, run=run, system="Darwin", arch="arm64")

    assert machine.cpu.model == "Apple M2 Max"
    assert machine.problems == ()


def test_a_mac_that_cannot_run_its_tools_gives_problems_and_a_usable_answer(tmp_path: Path) -> None:
    machine = probe_machine(tmp_path, run=nothing, system="Darwin", arch="arm64")

    assert machine.cpu.usable >= 1
    assert set(machine.problems) == {
        f"{name}: not installed"
        for name in ("sysctl", "system_profiler", "sw_vers", "vm_stat", "mount", "metal")
    }


def test_a_machine_without_any_file_gives_problems_and_a_usable_answer(tmp_path: Path) -> None:
    machine = probe_machine(tmp_path, run=nothing, root=tmp_path, system="Linux", arch="riscv64")

    assert (machine.os_version, machine.cpu.model, machine.memory) == ("unknown", "riscv64", None)
    assert parts(machine.problems) == ["cpu", "file system", "memory", "os version"]


def test_a_path_that_cannot_exist_is_a_problem_of_the_disk_alone() -> None:
    machine = probe_machine(Path("/x\0y"), run=nothing, root=RECORDED, system="Linux")

    assert machine.disk is None
    assert machine.memory is not None
    assert parts(machine.problems) == ["disk"]


def test_probes_that_hang_cost_one_time_limit_together(tmp_path: Path) -> None:
    forever = Event()
    begun = time.monotonic()

    def run(argv: Sequence[str]) -> str:
        forever.wait()
        return ""

    machine = probe_machine(tmp_path, run=run, root=RECORDED, system="Linux", timeout_s=0.2)
    took_s = time.monotonic() - begun
    forever.set()

    assert took_s < 2
    assert machine.problems == ("nvidia: no answer after 0.2 s", "amd: no answer after 0.2 s")
    assert machine.memory is not None


def test_a_hanging_tool_on_the_real_path_delays_by_its_limit_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nvidia-smi", "amd-smi"):
        tool = tmp_path / name
        tool.write_text("#!/bin/sh\ntrap '' TERM\nsleep 300\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    begun = time.monotonic()

    machine = probe_machine(tmp_path, root=RECORDED, system="Linux", timeout_s=0.5)

    assert time.monotonic() - begun < 2
    assert set(machine.problems) >= {
        "nvidia-smi: timed out after 0.5 s",
        "amd-smi: timed out after 0.5 s",
    }
    assert machine.cpu.model == "AMD EPYC"


@pytest.mark.parametrize(
    ("levels", "performance"),
    [
        ({"0": ("Performance", 16), "1": ("Efficiency", 8)}, 16),
        ({"0": ("Super", 6), "1": ("Performance", 12)}, None),
        ({"0": ("Super", 4), "1": ("Performance", 4), "2": ("Efficiency", 4)}, 8),
        ({"0": ("", 4), "1": ("", 4)}, 4),
        ({"0": ("Performance", 4)}, None),
        ({}, None),
    ],
)
def test_cores_that_macos_does_not_call_efficient_are_fast(
    levels: dict[str, tuple[str, int]], performance: int | None
) -> None:
    count = sum(n for _, n in levels.values()) or 8
    state = f"hw.memsize: {GIB}\nhw.logicalcpu: {count}\nhw.physicalcpu: {count}\n"
    for level, (name, cores) in levels.items():
        state += f"hw.perflevel{level}.physicalcpu: {cores}\n"
        state += f"hw.perflevel{level}.name: {name}\n" if name else ""

    assert macos.cpu(lambda _: state, "arm64").performance == performance
