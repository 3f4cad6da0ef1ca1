"""What the kernel's files say about processor and memory."""

import shutil
from pathlib import Path

import pytest

from frontier.adapters.machine import arm, cgroup, linux

GIB = 1 << 30
RECORDED = Path(__file__).parents[2] / "fixtures" / "machine" / "linux-cgroup1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the recorded machine, to be changed."""
    return Path(shutil.copytree(RECORDED, tmp_path / "root"))


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def v2(root: Path, group: str, mount_root: str = "/") -> Path:
    """A machine with 64 GiB, control groups version 2 and this process in *group*."""
    mount = f"30 23 0:26 {mount_root} /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n"
    return write(
        root,
        {
            "proc/meminfo": f"MemTotal: {64 << 20} kB\nMemAvailable: {60 << 20} kB\n",
            "proc/self/cgroup": f"0::{group}\n",
            "proc/self/mountinfo": f"22 1 0:20 / /proc rw - proc proc rw\n{mount}",
        },
    )


def test_the_recorded_machine_is_read_as_it_was() -> None:
    cpu = linux.cpu(RECORDED, "x86_64")

    assert (cpu.model, cpu.physical, cpu.logical) == ("AMD EPYC", 2, 2)
    assert {"avx2", "avx512_vnni", "f16c", "fma"} <= set(cpu.features)
    assert linux.version(RECORDED) == "Debian GNU/Linux 12 (bookworm)"


def test_a_quota_of_the_parent_group_limits_the_usable_cpus_rounded_down() -> None:
    assert cgroup.cpu_quota(RECORDED) == 1.5
    assert linux.cpu(RECORDED, "x86_64").usable == 1


def test_a_memory_limit_of_the_parent_group_holds_and_cached_files_do_not_count() -> None:
    memory = linux.memory(RECORDED)

    assert memory.limit_bytes == memory.ceiling_bytes == 3 * GIB
    # 105 684 992 bytes used, of which 100 134 912 are pages of files.
    assert memory.available_bytes == 3 * GIB - 5_550_080


def test_without_a_limit_the_kernels_estimate_counts(root: Path) -> None:
    (root / "proc/self/cgroup").write_text("4:memory:/\n1:cpu:/\n0::/\n")

    memory = linux.memory(root)

    assert memory.limit_bytes is None
    assert memory.available_bytes > 20 * GIB
    assert memory.ceiling_bytes == memory.total_bytes
    assert linux.cpu(root, "x86_64").usable == 2


def test_the_affinity_mask_limits_the_usable_cpus(root: Path) -> None:
    (root / "proc/self/cgroup").write_text("0::/\n")
    (root / "proc/self/status").write_text("Cpus_allowed:\t1\nCpus_allowed_list:\t0\n")

    assert linux.cpu(root, "x86_64").usable == 1


def test_a_list_of_cpu_ranges_is_counted(tmp_path: Path) -> None:
    processors = "".join(f"processor : {i}\n" for i in range(16))
    root = write(
        tmp_path,
        {"proc/cpuinfo": processors, "proc/self/status": "Cpus_allowed_list:\t0-3,8,10-11\n"},
    )

    assert linux.cpu(root, "x86_64").usable == 7


def test_two_threads_of_one_core_are_one_core(root: Path) -> None:
    for cpu in (0, 1):
        path = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        path.write_text("0-1\n")

    cpu = linux.cpu(root, "x86_64")

    assert (cpu.physical, cpu.logical) == (1, 2)


def test_an_arm_board_without_a_model_name_is_called_by_its_architecture(tmp_path: Path) -> None:
    core = "processor\t: {}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd crc32 asimddp i8mm bf16\n"
    root = write(
        tmp_path,
        {
            "proc/cpuinfo": core.format(0) + core.format(1),
            "proc/self/status": "Name:\tcat\n",
            "etc/os-release": "ID=alpine\n",
        },
    )

    cpu = linux.cpu(root, "aarch64")

    assert (cpu.model, cpu.physical, cpu.usable) == ("aarch64", 2, 2)
    assert cpu.features == ("asimd", "asimddp", "bf16", "i8mm")
    assert linux.version(root) == "unknown"


def test_in_a_container_the_limit_is_found_at_the_mounted_root(tmp_path: Path) -> None:
    root = write(
        v2(tmp_path, "/"),
        {
            "sys/fs/cgroup/memory.max": f"{8 * GIB}\n",
            "sys/fs/cgroup/memory.high": "max\n",
            "sys/fs/cgroup/memory.current": f"{5 * GIB}\n",
            "sys/fs/cgroup/memory.stat": f"anon {2 * GIB}\nactive_file {GIB}\n"
            f"inactive_file {2 * GIB}\nworkingset_refault_file 7\n",
            "sys/fs/cgroup/cpu.max": "400000 100000\n",
        },
    )

    memory = linux.memory(root)

    assert (memory.limit_bytes, memory.available_bytes) == (8 * GIB, 6 * GIB)
    assert cgroup.cpu_quota(root) == 4.0


def test_the_tightest_group_on_the_way_up_decides(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/system.slice/frontier.service"
    root = write(
        v2(tmp_path, "/system.slice/frontier.service"),
        {
            f"{group}/memory.max": "max\n",
            f"{group}/memory.high": f"{4 * GIB}\n",
            f"{group}/memory.current": f"{GIB}\n",
            f"{group}/cpu.max": "max 100000\n",
            "sys/fs/cgroup/system.slice/memory.max": f"{16 * GIB}\n",
            "sys/fs/cgroup/system.slice/memory.current": f"{15 * GIB}\n",
            "sys/fs/cgroup/system.slice/cpu.max": "250000 100000\n",
        },
    )

    memory = linux.memory(root)

    assert memory.limit_bytes == 4 * GIB
    assert memory.available_bytes == GIB
    assert cgroup.cpu_quota(root) == 2.5


def test_a_group_named_from_outside_the_container_is_read_at_the_mount(tmp_path: Path) -> None:
    root = v2(tmp_path, "/../../other", mount_root="/docker/4f0c")
    write(root, {"sys/fs/cgroup/memory.max": f"{2 * GIB}\n"})

    assert linux.memory(root).limit_bytes == 2 * GIB


def test_a_limit_above_the_machines_memory_is_none(tmp_path: Path) -> None:
    root = write(v2(tmp_path, "/"), {"sys/fs/cgroup/memory.max": f"{128 * GIB}\n"})

    assert linux.memory(root).limit_bytes is None


def test_a_group_that_is_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    limit = {"sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "1200\n"}

    memory = linux.memory(write(v2(tmp_path, "/"), limit))

    assert memory.available_bytes == 0


@pytest.mark.parametrize(
    ("maker", "parts", "name"),
    [
        ("0x41", ["0xd4f", "0xd4f"], "Neoverse-V2"),
        ("0x41", ["0xd85", "0xd87"], "Cortex-A725 and Cortex-X925"),
        ("0xc0", ["0xac3"], "Ampere-1"),
        ("0x41", ["0xfff"], ""),
        ("0x61", ["0xd4f"], ""),
    ],
)
def test_arms_cores_are_named_by_their_numbers(maker: str, parts: list[str], name: str) -> None:
    info = "".join(f"CPU implementer\t: {maker}\nCPU part\t: {part}\n" for part in parts)

    assert arm.model(info) == name
