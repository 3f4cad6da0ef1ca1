"""Every item of the conformance list is a test, and the reference names it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ITEMS = range(1, 121)


def covered() -> set[int]:
    """Return every item that the name of a test has."""
    names = (
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def test_conformance((?:_\d{3})+)_", path.read_text())
    )
    return {int(number) for name in names for number in name.strip("_").split("_")}


def test_the_reference_lists_every_item_once_with_its_tests() -> None:
    text = (ROOT / "docs/reference/conformance.md").read_text()

    rows = re.findall(r"^\| (\d+) \| .+ \| `test_conformance_(\d{3})_\*` \|$", text, re.MULTILINE)

    assert [int(item) for item, _ in rows] == list(ITEMS)
    assert all(int(item) == int(number) for item, number in rows)


@pytest.mark.parametrize("item", ITEMS)
def test_every_item_has_a_test(item: int) -> None:
    assert item in covered()
