"""Model names: ``family:tag``, lower case, ``latest`` where no tag is given."""

import difflib
import re
from collections.abc import Collection

from frontier.domain.errors import UsageError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*(:[a-z0-9][a-z0-9._-]*)?")
_LONGEST = 100
_QUANT = re.compile(r"[-._]((ud-)?i?q\d\w*|b?f16|f32|mxfp4\w*|nvfp4\w*)$")


def full_name(text: str) -> str:
    """Return *text* as ``family:tag``.

    Raises:
        UsageError: *text* cannot be a model's name.
    """
    name = text.strip().lower()
    if text.startswith(("/", "./", "../", "~")):
        raise UsageError(
            f"{text!r} cannot be a model's name: it is a path",
            hint=f"For a file: frontier models pull file:{text}",
        )
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        raise UsageError(
            f"{text!r} cannot be a model's name",
            hint="Letters, digits and . _ - / with one tag, for instance `smollm2:135m`.",
        )
    return name if ":" in name else f"{name}:latest"


def resolve(text: str, known: Collection[str]) -> str | None:
    """Return the name among *known* that *text* means, None if there is none or no only one.

    A family without a tag means its ``latest``, else its only tag.
    """
    name = full_name(text)
    if name in known:
        return name
    if ":" in text:
        return None
    tags = tags_of(text, known)
    return tags[0] if len(tags) == 1 else None


def tags_of(text: str, known: Collection[str]) -> tuple[str, ...]:
    """Return all names of the family of *text*, sorted."""
    family = full_name(text).partition(":")[0]
    return tuple(sorted(name for name in known if name.partition(":")[0] == family))


def nearest(text: str, known: Collection[str]) -> tuple[str, ...]:
    """Return up to three names that *text* may have been meant as: its family, then look-alikes."""
    name = text.strip().lower()
    family = name.partition(":")[0]
    same = sorted(other for other in known if other.partition(":")[0] == family)
    alike = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    return tuple(dict.fromkeys([*same, *alike]))[:3]


def name_from_file(file_name: str) -> str:
    """Return a name for a model file: its stem, with the quantisation as tag.

    ``Qwen3.5-4B-Q4_K_M.gguf`` becomes ``qwen3.5-4b:q4_k_m``.
    """
    stem = re.sub(r"\.gguf$", "", file_name.rsplit("/", 1)[-1].lower())
    quant = _QUANT.search(stem)
    family = _clean(stem[: quant.start()] if quant else stem)
    return f"{family}:{_clean(quant[1])}" if quant else f"{family}:latest"


def _clean(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text).strip("-._")[:80] or "model"
