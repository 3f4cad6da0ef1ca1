"""Metal's share of a Mac's memory, against what Metal told on Macs of many sizes."""

import pytest

from frontier.domain.metal import estimate

GIB = 1 << 30
MB = 1_000_000


@pytest.mark.parametrize(
    ("memory_gib", "macos", "told_bytes"),
    [
        # recommendedMaxWorkingSetSize as llama.cpp prints it, in MB of a million bytes
        (16, 14, 11453.25 * MB),
        (32, 14, 22906.50 * MB),
        (96, 15, 72 * GIB),
        (192, 15, 154618.82 * MB),
        (18, 26, 14302.25 * MB),
        (32, 26, 26800.60 * MB),
        (36, 27, 30150.67 * MB),
        (64, 26, 55662.79 * MB),
        (128, 26, 115448.73 * MB),
        (256, 26, 228065 * 2**20),
    ],
)
def test_the_estimate_is_what_metal_told(memory_gib: int, macos: int, told_bytes: float) -> None:
    assert estimate(memory_gib * GIB, macos) == pytest.approx(told_bytes, rel=0.001)


def test_between_two_sizes_and_above_the_last_the_lower_share_stands() -> None:
    assert estimate(48 * GIB, 26) == int(48 * GIB * 0.78)
    assert estimate(192 * GIB, 26) == int(192 * GIB * 0.84)
    assert estimate(512 * GIB, 26) == int(512 * GIB * 0.87)


def test_an_unknown_macos_is_taken_for_an_old_one() -> None:
    assert estimate(128 * GIB, 0) == 96 * GIB
