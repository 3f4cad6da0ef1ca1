"""What the machine and its Docker must have, on machines that we do not have."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from frontier.domain import check_docker, check_machine
from frontier.domain.check import Finding
from frontier.domain.docker import DockerFacts
from frontier.domain.errors import RuntimeFailedError
from frontier.domain.machine import AppleChip, Cpu, Disk, DockerDesktop, Gpu, Machine, Memory

GIB = 1 << 30
LINUX = Machine(
    os="linux",
    os_version="Debian 13",
    arch="x86_64",
    cpu=Cpu(model="EPYC", physical=8, logical=16, usable=16, features=("avx2",)),
    memory=Memory(total_bytes=64 * GIB, available_bytes=60 * GIB),
    disk=Disk(path=Path("/data"), free_bytes=100 * GIB, total_bytes=200 * GIB, file_system="ext4"),
)
CHIP = AppleChip(name="Apple M2", gpu_cores=10, unified_memory_bytes=24 * GIB)
MAC = replace(LINUX, os="macos", arch="arm64", apple=CHIP)
NVIDIA = replace(LINUX, gpus=(Gpu(vendor="nvidia", name="H100", driver="570.1"),))
IRIS = Gpu(vendor="intel", name="Intel Iris", driver="i915", is_integrated=True)
DESKTOP = DockerDesktop(disk_used_bytes=60 * GIB, disk_limit_bytes=64 * GIB)
FACTS = DockerFacts(
    engine="28.3.0", api="1.51", compose="2.39.1", memory_bytes=8 * GIB, cpus=4, arch="x86_64"
)


def memory(available: int, limit: int | None = None) -> Machine:
    return replace(
        LINUX, memory=Memory(total_bytes=64 * GIB, available_bytes=available, limit_bytes=limit)
    )


def disk(free: int, kind: str = "ext4") -> Machine:
    return replace(
        LINUX,
        disk=Disk(path=Path("/d"), free_bytes=free, total_bytes=200 * GIB, file_system=kind),
    )


@pytest.mark.parametrize(
    ("judge", "machine", "state", "seen"),
    [
        (check_machine.architecture, LINUX, "pass", "Debian 13, x86_64"),
        (check_machine.architecture, replace(LINUX, arch="riscv64"), "fail", "riscv64"),
        (check_machine.architecture, replace(MAC, arch="x86_64"), "fail", "Intel build of Python"),
        (check_machine.probes, replace(LINUX, problems=("nvidia-smi: x",)), "warn", "nvidia-smi"),
        (check_machine.probes, LINUX, "pass", "every probe"),
        (check_machine.processor, LINUX, "pass", "16 of 16"),
        (
            check_machine.processor,
            replace(LINUX, cpu=replace(LINUX.cpu, features=("sse4_2",))),
            "warn",
            "without AVX2",
        ),
        (check_machine.processor, replace(LINUX, cpu=replace(LINUX.cpu, usable=1)), "warn", "1 of"),
        (check_machine.memory, memory(60 * GIB), "pass", "60.0 GiB available"),
        (check_machine.memory, memory(2 * GIB, 3 * GIB), "warn", "limited to 3.0 GiB"),
        (check_machine.memory, memory(GIB // 4), "fail", "256"),
        (check_machine.memory, replace(LINUX, memory=None), "warn", "unknown"),
        (check_machine.disk, disk(50 * GIB), "pass", "50.0 GiB free"),
        (check_machine.disk, disk(5 * GIB), "warn", "5.0 GiB free"),
        (check_machine.disk, disk(GIB // 2), "fail", "free of"),
        (check_machine.disk, replace(LINUX, disk=None), "warn", "unknown"),
        (check_machine.file_system, disk(GIB, "ext4"), "pass", "/d lies on ext4"),
        (check_machine.file_system, disk(GIB, "nfs4"), "warn", "crosses a network"),
        (check_machine.file_system, disk(GIB, "9p"), "warn", "9p"),
        (check_machine.file_system, disk(GIB, ""), "skipped", "not known"),
        (check_machine.gpu, LINUX, "pass", "none"),
        (check_machine.gpu, NVIDIA, "pass", "H100 (570.1)"),
        (check_machine.gpu, MAC, "pass", "Apple M2, by Metal"),
        (
            check_machine.gpu,
            replace(LINUX, gpus=(IRIS,), problems=("nvidia-smi: not installed, but",)),
            "fail",
            "nvidia-smi: not installed",
        ),
        (check_machine.gpu, replace(LINUX, gpus=(IRIS,)), "pass", "Intel Iris (i915)"),
        (
            check_machine.gpu,
            replace(LINUX, problems=("nvidia-smi: exit code 9: no driver",)),
            "fail",
            "no driver",
        ),
    ],
)
def test_the_hardware_is_judged(
    judge: Callable[[Machine], Finding], machine: Machine, state: str, seen: str
) -> None:
    found = judge(machine)

    assert found.state == state
    assert seen in found.seen
    assert found.state not in ("warn", "fail") or found.expected


@pytest.mark.parametrize(
    ("environ", "state", "seen"),
    [
        ({}, "pass", "no proxy"),
        ({"HTTP_PROXY": ""}, "pass", "no proxy"),
        ({"https_proxy": "http://me:secret@proxy:3128"}, "warn", "HTTPS_PROXY=proxy:3128"),
        (
            {"HTTP_PROXY": "proxy:80", "NO_PROXY": "localhost, 127.0.0.1"},
            "pass",
            "not for this machine",
        ),
        ({"ALL_PROXY": "socks5://p", "no_proxy": "*"}, "pass", "not for"),
        ({"HTTP_PROXY": "http://p:odd"}, "warn", "HTTP_PROXY=p"),
    ],
)
def test_a_proxy_must_not_stand_before_this_machine(
    environ: dict[str, str], state: str, seen: str
) -> None:
    found = check_machine.proxies(environ)

    assert (found.state, seen in found.seen) == (state, True), found
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("kernel", "workspace", "state"),
    [
        ("Linux version 6.1.0 (debian)", "/home/me/w", "skipped"),
        ("Linux version 4.4.0-19041-Microsoft (Microsoft@x)", "/home/me/w", "fail"),
        ("Linux version 5.15.167.4-microsoft-standard-WSL2", "/mnt/c/w", "warn"),
        ("Linux version 5.15.167.4-microsoft-standard-WSL2", "/home/me/w", "pass"),
    ],
)
def test_windows_linux_is_judged(kernel: str, workspace: str, state: str) -> None:
    assert check_machine.wsl(kernel, workspace).state == state


@pytest.mark.parametrize(
    ("now", "told", "state"),
    [(1e9, None, "fail"), (2e9, None, "pass"), (2e9, 2e9 + 100, "pass"), (2e9, 2e9 - 900, "fail")],
)
def test_a_wrong_clock_is_found(now: float, told: float | None, state: str) -> None:
    assert check_machine.clock(now, 1.9e9, told).state == state


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("notAfter=Nov 21 10:00:00 2027 GMT", "pass"),
        ("notAfter=Nov 30 10:00:00 2026 GMT", "warn"),
        ("notAfter=Nov  1 10:00:00 2026 GMT", "fail"),
        ("unable to load certificate", "warn"),
        (None, "warn"),
    ],
)
def test_the_end_of_a_certificate_is_told_in_time(told: str | None, state: str) -> None:
    now = 1795255200.0  # 2026-11-21

    assert check_machine.certificate(told, now).state == state


def test_few_open_files_are_told() -> None:
    assert check_machine.open_files(256).state == "warn"
    assert check_machine.open_files(1024).state == "pass"


def facts(**more: object) -> Callable[[], DockerFacts]:
    return lambda: replace(FACTS, **more)  # type: ignore[arg-type]


def broken(message: str) -> Callable[[], DockerFacts]:
    def ask() -> DockerFacts:
        raise RuntimeFailedError(message, hint="Do this.")

    return ask


@pytest.mark.parametrize(
    ("found", "state", "seen"),
    [
        (check_docker.program(None, is_needed=False), "warn", "no program named docker"),
        (check_docker.program(None, is_needed=True), "fail", "no program named docker"),
        (check_docker.program("Docker version 28", is_needed=True), "pass", "28"),
        (check_docker.daemon(facts(), is_there=False, is_needed=True), "skipped", "no program"),
        (
            check_docker.daemon(broken("Docker is not running"), is_there=True, is_needed=False),
            "warn",
            "not running",
        ),
        (
            check_docker.daemon(broken("Docker is not running"), is_there=True, is_needed=True),
            "fail",
            "not running",
        ),
        (
            check_docker.daemon(broken("Docker has no Compose"), is_there=True, is_needed=True),
            "pass",
            "answers",
        ),
        (
            check_docker.daemon(
                facts(is_desktop=True, is_rootless=True, context="colima"),
                is_there=True,
                is_needed=True,
            ),
            "pass",
            "it answers (Docker Desktop or the like) (rootless), context colima",
        ),
        (check_docker.engine("20.10.24", is_needed=True), "pass", "20.10.24"),
        (check_docker.engine("19.03.1", is_needed=True), "fail", "19.03.1"),
        (check_docker.engine(None, is_needed=True), "skipped", "not tell"),
        (check_docker.compose("v2.39.1", is_there=True, is_needed=True), "pass", "2.39.1"),
        (check_docker.compose("1.29.2", is_there=True, is_needed=True), "fail", "1.29.2"),
        (check_docker.compose("", is_there=True, is_needed=False), "warn", "unknown version"),
        (check_docker.compose(None, is_there=True, is_needed=True), "fail", "of no Compose"),
        (check_docker.compose(None, is_there=False, is_needed=True), "skipped", "no program"),
        (check_docker.memory(facts()), "pass", "8.0 GiB and 4 CPUs"),
        (check_docker.memory(facts(memory_bytes=2 * GIB, is_desktop=True)), "warn", "2.0 GiB"),
        (check_docker.memory(broken("no")), "skipped", "does not work"),
        (check_docker.gpu(facts(), LINUX, ()), "skipped", "no NVIDIA"),
        (check_docker.gpu(facts(), MAC, ()), "skipped", "of a Mac"),
        (check_docker.gpu(facts(), NVIDIA, ()), "warn", "no NVIDIA runtime"),
        (check_docker.gpu(facts(), NVIDIA, ("/etc/cdi/nvidia.yaml",)), "pass", "can be given"),
        (check_docker.gpu(facts(runtimes=("nvidia",)), NVIDIA, ()), "pass", "can be given"),
        (check_docker.gpu(broken("no"), NVIDIA, ()), "skipped", "does not work"),
        (check_docker.host({}, lambda _: True), "pass", "not set"),
        (check_docker.host({"DOCKER_HOST": "unix:///a"}, lambda _: True), "pass", "/a"),
        (check_docker.host({"DOCKER_HOST": "unix:///a"}, lambda _: False), "warn", "no such"),
        (check_docker.host({"DOCKER_HOST": "tcp://far:2375"}, lambda _: True), "warn", "another"),
        (check_docker.disk(None), "skipped", "cannot look"),
        (check_docker.disk(GIB), "warn", "1.0 GiB"),
        (check_docker.disk(50 * GIB), "pass", "50.0 GiB"),
        (check_docker.disk(None, DESKTOP), "warn", "4.0 GiB free in Docker Desktop's disk"),
        (check_docker.disk(50 * GIB, DESKTOP), "pass", "50.0 GiB free where"),
        (check_docker.disk(None, DockerDesktop(disk_used_bytes=9)), "skipped", "cannot look"),
        (check_docker.git(None), "warn", "no program named git"),
        (check_docker.git("git version 2.25.1"), "warn", "2.25.1"),
        (check_docker.git("git version 2.47.3"), "pass", "2.47.3"),
    ],
)
def test_docker_and_git_are_judged(found: Finding, state: str, seen: str) -> None:
    assert found.state == state
    assert seen in found.seen
    assert found.state not in ("warn", "fail") or found.mend
