"""What models can be computed in, on machines that we do not have."""

from pathlib import Path

import pytest

import machines
from frontier.domain.fit import devices

GIB = 1 << 30


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mac-studio-m2-ultra", [("metal", 144.0, 1), ("cpu", 164.0, 0)]),
        ("mac-studio-m3-ultra-512", [("metal", 464.0, 1), ("cpu", 466.0, 0)]),
        ("linux-rtx4090", [("cuda", 23.1, 1), ("cpu", 58.2, 0)]),
        ("linux-8xh100", [("cuda", 79.1, 1), ("cuda", 554.9, 8), ("cpu", 1890.2, 0)]),
        # the whole GPU of two is the roomier one, and no program gets both
        ("linux-a100-mig", [("cuda", 39.5, 1), ("cpu", 160.5, 0)]),
        ("linux-h200", [("cuda", 139.8, 1), ("cpu", 122.1, 0)]),
        ("linux-mi300x", [("rocm", 191.7, 1), ("rocm", 241.7, 2), ("cpu", 1450.0, 0)]),
        ("linux-strix-halo", [("rocm", 47.0, 1), ("cpu", 88.4, 0)]),
        ("linux-arc-b580", [("cpu", 26.4, 0)]),
        ("laptop-nvidia-without-driver", [("cpu", 22.3, 0)]),
        ("wsl2-rtx4090", [("cuda", 22.3, 1), ("cpu", 29.8, 0)]),
        ("dgx-spark", [("cuda", 112.3, 1), ("cpu", 112.3, 0)]),
        ("container-cgroup2", [("cpu", 14.0, 0)]),
        ("small-vm", [("cpu", 0.7, 0)]),
    ],
)
def test_a_model_finds_the_memory_that_its_device_really_has(
    name: str, expected: list[tuple[str, float, int]], tmp_path: Path
) -> None:
    found = devices(machines.seen(name, tmp_path))

    assert [(d.accelerator, round(d.free_bytes / GIB, 1), d.gpus) for d in found] == expected
