"""`frontier doctor`, on machines that we do not have."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from frontier.bootstrap import Services
from frontier.cli import doctor, output
from frontier.cli.session import Session
from frontier.domain.docker import DockerFacts
from frontier.domain.errors import RuntimeFailedError
from frontier.domain.machine import AppleChip, Cpu, Disk, Gpu, Machine, Memory

GIB = 1 << 30
SERVER = Machine(
    os="linux",
    os_version="Debian GNU/Linux 12 (bookworm)",
    arch="x86_64",
    cpu=Cpu(model="AMD EPYC", physical=64, logical=128, usable=16, features=("avx2", "fma")),
    memory=Memory(total_bytes=512 * GIB, available_bytes=30 * GIB, limit_bytes=32 * GIB),
    disk=Disk(path=Path("/data"), free_bytes=100 * GIB, total_bytes=1024 * GIB),
    gpus=(
        Gpu(
            vendor="nvidia",
            name="NVIDIA H100",
            memory_total_bytes=80 * GIB,
            memory_free_bytes=79 * GIB,
            driver="570.1",
            compute_capability="9.0",
        ),
        Gpu(vendor="amd", name="AMD GPU", memory_total_bytes=64 * GIB),
        Gpu(vendor="nvidia", name="NVIDIA GB10"),
    ),
    problems=("rocm-smi: timed out after 5 s",),
)
MAC = replace(
    SERVER,
    os="macos",
    os_version="15.5",
    arch="arm64",
    cpu=Cpu(model="Apple M2 Max", physical=12, logical=12, usable=12),
    memory=Memory(total_bytes=96 * GIB, available_bytes=50 * GIB),
    disk=None,
    apple=AppleChip(name="Apple M2 Max", gpu_cores=38, unified_memory_bytes=96 * GIB),
    gpus=(),
    problems=(),
)


def test_a_server_is_shown_with_its_limits_gpus_and_problems() -> None:
    assert output.text(SERVER).splitlines() == [
        "system   Debian GNU/Linux 12 (bookworm), x86_64",
        "cpu      AMD EPYC: 64 cores, 128 threads, 16 usable; avx2 fma",
        "memory   30.0 GiB available of 512.0 GiB, limited to 32.0 GiB by a control group",
        "disk     100.0 GiB free of 1.0 TiB at /data",
        "gpu      NVIDIA H100: 79.0 GiB free of 80.0 GiB, driver 570.1, 9.0",
        "gpu      AMD GPU: 64.0 GiB",
        "gpu      NVIDIA GB10: memory not told by the driver",
        "problem  rocm-smi: timed out after 5 s",
    ]


def test_a_mac_is_shown_with_its_chip() -> None:
    assert output.text(MAC).splitlines() == [
        "system  macOS 15.5, arm64",
        "cpu     Apple M2 Max: 12 cores, 12 threads, 12 usable; no vector features known",
        "memory  50.0 GiB available of 96.0 GiB",
        "disk    unknown",
        "gpu     Apple M2 Max: 38 GPU cores, 96.0 GiB of unified memory",
    ]


def test_what_is_not_known_is_said() -> None:
    hidden = AppleChip(name="Apple M1", gpu_cores=None, unified_memory_bytes=8 * GIB)

    assert "GPU cores unknown" in output.text(replace(MAC, apple=hidden))
    assert "gpu     none found" in output.text(replace(MAC, apple=None))
    assert "memory  unknown" in output.text(replace(MAC, memory=None))


def test_docker_is_shown_with_its_versions() -> None:
    facts = DockerFacts(
        engine="28.3.0", api="1.51", compose="2.39.1", memory_bytes=8 * GIB, cpus=4,
        arch="x86_64", is_rootless=True,
    )  # fmt: skip

    shown = output.text(doctor.Diagnosis.of(MAC, lambda: facts)).splitlines()

    assert shown[-1] == (
        "docker  engine 28.3.0, Compose 2.39.1, the daemon answers, "
        "4 CPUs and 8.0 GiB for containers, rootless"
    )


def test_a_docker_that_cannot_be_used_is_shown_with_what_to_do() -> None:
    def fail() -> DockerFacts:
        raise RuntimeFailedError("Docker is not running", hint="Start it.")

    shown = output.text(doctor.Diagnosis.of(MAC, fail)).splitlines()

    assert shown[-2:] == ["docker  Docker is not running", "        Start it."]


@pytest.mark.usefixtures("free_ports")
@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_asks_for_the_disk_of_the_workspace(tmp_path: Path, as_json: bool) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    doctor.register(app)
    services = Services(chosen=tmp_path / "new")

    result = CliRunner().invoke(
        app, ["doctor", "--ci", *(["--json"] if as_json else [])], obj=Session(services)
    )

    assert result.exit_code == 0
    if as_json:
        shown = json.loads(result.stdout)
        assert shown["disk"]["path"] == str(tmp_path)
        assert set(shown) == set(doctor.Diagnosis.__dataclass_fields__)
    else:
        assert f"at {tmp_path}" in result.stdout
    assert not (tmp_path / "new").exists()
