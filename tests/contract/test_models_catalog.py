"""The packaged catalog keeps the form that its readers rely on."""

import re

import pytest

from frontier.adapters.catalog import PackagedCatalog
from frontier.domain.model import CatalogEntry
from frontier.domain.names import full_name
from frontier.domain.source import PackageSource, parse_source
from frontier.settings import Settings

ENTRIES = PackagedCatalog().entries


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_can_be_pulled(entry: CatalogEntry) -> None:
    sources = [parse_source(source) for source in entry.sources]

    assert full_name(entry.name) == entry.name
    assert sources
    assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
    assert entry.size_bytes is None or entry.size_bytes > 10_000_000
    assert entry.context >= 512
    assert re.fullmatch(r"\d+(\.\d+)?[MB]", entry.parameters)
    assert entry.licence
    # what comes over the network is another file than the model only inside a wheel
    assert isinstance(sources[0], PackageSource) == (entry.download_bytes is not None)


def test_no_two_entries_are_one_file() -> None:
    assert len({entry.sha256 for entry in ENTRIES.values()}) == len(ENTRIES)


def test_the_default_model_is_in_the_catalog() -> None:
    assert Settings.model_fields["default_model"].default in ENTRIES
