"""What is around the hardware: virtual machines, containers, file systems, Docker Desktop."""

import json
from pathlib import Path

import pytest

from frontier.adapters.machine import docker_desktop, linux, macos, pci, virtual
from frontier.adapters.machine.tools import ToolError

WHOLE_DISK = "28 1 259:2 / / rw - ext4 /dev/vda rw\n"
OVERLAY = "1712 1600 0:412 / / rw - overlay overlay rw\n"


def write(root: Path, **files: str) -> Path:
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ()),
        ({"proc__cpuinfo": "flags\t: fpu hypervisor\n"}, ("vm",)),
        ({"proc__cpuinfo": "flags\t: fpu hypervisors\n"}, ()),
        ({"sys__hypervisor__type": "xen\n"}, ("vm",)),
        ({"proc__sys__kernel__osrelease": "6.6.87.2-microsoft-standard-WSL2\n"}, ("wsl2",)),
        ({".dockerenv": "", "proc__self__mountinfo": OVERLAY}, ("container",)),
        ({".dockerenv": "", "proc__self__mountinfo": WHOLE_DISK}, ()),
        ({"run__.containerenv": 'engine="podman"\n'}, ("container",)),
        ({"proc__self__cgroup": "0::/kubepods.slice/pod1/cri-1\n"}, ("container",)),
        ({"proc__self__cgroup": f"0::/system.slice/docker-{'4f' * 32}.scope\n"}, ("container",)),
        ({"proc__self__cgroup": f"4:memory:/docker/{'4f' * 32}\n"}, ("container",)),
        ({"proc__self__cgroup": "0::/system.slice/docker.service\n"}, ()),
        ({"proc__self__cgroup": "0::/user.slice\n"}, ()),
    ],
)
def test_what_stands_between_the_process_and_the_hardware(
    tmp_path: Path, files: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert virtual.linux(write(tmp_path, **files)) == expected


MOUNTS = (
    "28 1 259:2 / / rw - ext4 /dev/sda1 rw\n"
    "40 28 0:50 / /mnt/c rw - 9p C:\\134 rw\n"
    "41 28 0:51 / /mnt/my\\040models rw - nfs4 nas:/models rw\n"
    "42 28 0:52 / /data rw - xfs /dev/sdb1 rw\n"
    "43 28 0:53 / /data rw - zfs tank rw\n"
)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me", "ext4"),
        ("/mnt/c/Users/me", "9p"),
        ("/mnt/cc", "ext4"),
        ("/mnt/my models/llama", "nfs4"),
        ("/data", "zfs"),
    ],
)
def test_the_innermost_and_last_mount_names_the_file_system(
    tmp_path: Path, path: str, kind: str
) -> None:
    root = write(tmp_path, proc__self__mountinfo=MOUNTS)

    assert linux.file_system(root, Path(path)) == kind


def test_a_mac_names_the_file_system_of_a_volume() -> None:
    printed = (
        "/dev/disk3s1s1 on / (apfs, sealed, local)\n"
        "//me@nas/models on /Volumes/My Models (smbfs, nodev, nosuid)\n"
    )

    assert macos.file_system(lambda _: printed, Path("/Volumes/My Models/x")) == "smbfs"
    assert macos.file_system(lambda _: printed, Path("/Users/me")) == "apfs"
    with pytest.raises(ToolError, match="mount: unexpected output"):
        macos.file_system(lambda _: "", Path("/"))


def settings(home: Path, folder: str, name: str, **values: object) -> None:
    path = home / folder / name
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(values))


def test_without_docker_desktop_there_are_no_settings(tmp_path: Path) -> None:
    assert docker_desktop.probe(tmp_path) is None


def test_docker_desktop_tells_its_limits_without_running(tmp_path: Path) -> None:
    folder = "Library/Group Containers/group.com.docker"
    settings(tmp_path, folder, "settings-store.json", Cpus=8, MemoryMiB=8092, DiskSizeMiB=65536)
    image = tmp_path / "Library/Containers/com.docker.docker/Data/vms/0/data/Docker.raw"
    image.parent.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(64 << 20)  # sparse: it takes nothing yet
        file.write(b"x" * 8192)

    found = docker_desktop.probe(tmp_path)

    assert found is not None
    assert (found.cpus, found.memory_bytes, found.disk_limit_bytes) == (8, 8092 << 20, 64 << 30)
    assert found.disk_image == image
    assert found.disk_used_bytes is not None
    assert 8192 <= found.disk_used_bytes < 1 << 20


def test_settings_of_old_docker_desktops_and_of_linux_are_read(tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "Docker.raw").touch()
    settings(tmp_path, ".docker/desktop", "settings.json", memoryMiB=2048, dataFolder=str(moved))

    found = docker_desktop.probe(tmp_path)

    assert found is not None
    assert (found.memory_bytes, found.cpus, found.disk_limit_bytes) == (2 << 30, None, None)
    assert found.disk_image == moved / "Docker.raw"


IDS = (
    "8086  Intel Corporation\n"
    "\t2684  something of Intel's\n"
    "10de  NVIDIA Corporation\n"
    "\t2684  AD102 [GeForce RTX 4090]\n"
    "\t\t1043 889c  a card of another maker\n"
    "\t2330  GH100\n"
    "ffff  Illegal Vendor ID\n"
)


def card(root: Path, device: str) -> Path:
    folder = root / "sys/bus/pci/devices/0000:01:00.0"
    folder.mkdir(parents=True)
    for name, text in (("vendor", "0x10de"), ("class", "0x030000"), ("device", f"0x{device}")):
        (folder / name).write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("device", "name"),
    [("2684", "NVIDIA GeForce RTX 4090"), ("2330", "NVIDIA GH100"), ("9999", "")],
)
def test_a_card_is_named_by_the_list_of_its_maker(tmp_path: Path, device: str, name: str) -> None:
    root = write(card(tmp_path, device), **{"usr/share/misc/pci.ids": IDS})

    (found,) = pci.gpus(root, "nvidia")

    assert (found.name, found.driver, found.address) == (name, "", "0000:01:00.0")
