"""Families of instructions, from each kernel's own names."""

import pytest

from frontier.domain.vectors import families


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"sse2", "lm"}, ()),
        ({"avx1.0", "avx2", "fma"}, ("AVX", "AVX2")),
        ({"avx", "avx2", "avx512f", "amx_tile"}, ("AVX", "AVX2", "AVX-512", "AMX")),
        ({"asimd", "sve"}, ("NEON", "SVE")),
        ({"neon", "sme2", "dotprod"}, ("NEON", "SME")),
    ],
)
def test_families_stand_narrowest_first(features: set[str], expected: tuple[str, ...]) -> None:
    assert families(features) == expected
