"""GPUs that the environment hides from programs."""

import pytest

from frontier.domain.gpu import gpus_of, hidden_gpus
from frontier.domain.gpu_visible import hide
from frontier.domain.machine import Cpu, Gpu, Machine, MigDevice, Vendor

PARTS = (MigDevice(profile="3g.20gb", uuid="MIG-a1"), MigDevice(profile="3g.20gb", uuid="MIG-b2"))


def gpus(count: int = 3, vendor: Vendor = "nvidia") -> tuple[Gpu, ...]:
    return tuple(Gpu(vendor=vendor, name=f"GPU {i}", uuid=f"GPU-{i}f00") for i in range(count))


def left(found: tuple[Gpu, ...]) -> list[int]:
    return [i for i, gpu in enumerate(found) if not gpu.hidden_by]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", [0]),
        ("2,0", [0, 2]),
        (" 1 , 2", [1, 2]),
        ("GPU-1", [1]),
        ("0,7,2", [0]),  # CUDA stops at what names nothing
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
    ],
)
def test_cuda_computes_on_what_the_variable_names(value: str, expected: list[int]) -> None:
    found = hide(gpus(), {"CUDA_VISIBLE_DEVICES": value})

    assert left(found) == expected
    assert {g.hidden_by for g in found} <= {"", f"CUDA_VISIBLE_DEVICES={value}"}


def test_without_a_variable_all_are_left() -> None:
    assert hide(gpus(), {"HIP_VISIBLE_DEVICES": "1"}) == gpus()
    assert hide((), {"CUDA_VISIBLE_DEVICES": "0"}) == ()


def test_a_mig_device_that_is_named_is_the_only_one() -> None:
    parted = Gpu(vendor="nvidia", name="A100", uuid="GPU-9", is_mig=True, mig=PARTS)

    found = hide((*gpus(1), parted), {"CUDA_VISIBLE_DEVICES": "MIG-b2"})

    assert left(found) == [1]
    assert found[1].mig == (PARTS[1],)
    assert hide((parted,), {"CUDA_VISIBLE_DEVICES": "0"})[0].mig == PARTS


def test_rocm_reads_two_variables_one_after_the_other() -> None:
    found = hide(gpus(vendor="amd"), {"ROCR_VISIBLE_DEVICES": "1,2", "HIP_VISIBLE_DEVICES": "1"})

    assert left(found) == [2]
    assert [g.hidden_by for g in found] == ["ROCR_VISIBLE_DEVICES=1,2", "HIP_VISIBLE_DEVICES=1", ""]


def test_engines_are_not_given_what_is_hidden_and_it_is_said_where_nothing_is_left() -> None:
    def machine(value: str) -> Machine:
        return Machine(
            os="linux", os_version="x", arch="x86_64", memory=None, disk=None,
            cpu=Cpu(model="x", physical=1, logical=1, usable=1),
            gpus=hide(gpus(), {"CUDA_VISIBLE_DEVICES": value}),
        )  # fmt: skip

    assert [gpu.name for gpu in gpus_of(machine("1"), "cuda")] == ["GPU 1"]
    assert hidden_gpus(machine("1")) == ()
    assert gpus_of(machine(""), "cuda") == []
    first = hidden_gpus(machine(""))[0]
    assert (first.why, first.hint) == (
        "CUDA_VISIBLE_DEVICES= hides the GPU 0",
        "unset CUDA_VISIBLE_DEVICES",
    )
