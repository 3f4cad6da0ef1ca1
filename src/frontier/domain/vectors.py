"""Families of vector instructions, told from the names that kernels give to single features."""

from collections.abc import Iterable
from typing import Final

_FAMILIES: Final = {
    "AVX": {"avx", "avx1.0"},
    "AVX2": {"avx2"},
    "AVX-VNNI": {"avx_vnni", "avxvnni"},
    "AVX-512": {"avx512f"},
    "AMX": {"amx_tile", "amx_int8", "amx_bf16"},
    "NEON": {"asimd", "neon", "advsimd"},
    "SVE": {"sve", "sve2"},
    "SME": {"sme", "sme2"},
}
"""Narrowest first.

Sources: Linux arch/x86/include/asm/cpufeatures.h, Documentation/arch/arm64/elf_hwcaps.rst, Apple's
"Determining instruction set characteristics".
"""


def families(features: Iterable[str]) -> tuple[str, ...]:
    """Return the families that *features* belong to, narrowest first."""
    known = set(features)
    return tuple(family for family, names in _FAMILIES.items() if names & known)
