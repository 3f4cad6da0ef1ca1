"""The packaged catalog keeps the form that its readers rely on, and agrees with itself."""

import json
from pathlib import Path

import pytest

from frontier.adapters.catalog import PackagedCatalog
from frontier.adapters.catalog_file import json_schema
from frontier.domain.catalog import CatalogEntry, choose, variant_name
from frontier.domain.names import full_name
from frontier.domain.source import PackageSource, parse_source
from frontier.settings import Settings

ROOT = Path(__file__).parents[2]
ENTRIES = PackagedCatalog().entries

# f16 bytes of one token, as published beside the models; the architecture has to give the same.
PUBLISHED_KV = {
    "smollm2:135m": 23040,
    "smollm2:1.7b": 196608,
    "smollm3:3b": 73728,
    "gemma3:270m": 3072,
    "gemma3:4b": 20480,
    "gemma4:e2b": 10240,
    "gemma4:e4b": 28672,
    "gemma4:26b": 81920,
    "gemma4:31b": 327680,
    "qwen3:0.6b": 114688,
    "qwen3:4b-instruct": 147456,
    "qwen3.5:0.8b": 12288,
    "qwen3.5:2b": 12288,
    "qwen3.5:4b": 32768,
    "qwen3.5:9b": 32768,
    "qwen3.5:27b": 65536,
    "qwen3.5:35b": 20480,
    "qwen3.5:122b": 24576,
    "qwen3.6:27b": 65536,
    "qwen3.6:35b": 20480,
    "qwen3-coder:30b": 98304,
    "gpt-oss:20b": 24576,
    "gpt-oss:120b": 36864,
    "ministral-3:3b": 106496,
    "ministral-3:8b": 139264,
    "ministral-3:14b": 163840,
    "devstral-small-2:24b": 163840,
    "llama3.2:1b": 32768,
    "llama3.2:3b": 114688,
    "llama3.3:70b": 327680,
    "phi4:14b": 204800,
    "phi4-mini:3.8b": 131072,
    "deepseek-r1:14b": 196608,
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_can_be_had(entry: CatalogEntry) -> None:
    files = entry.quantisations
    sources = [parse_source(source) for file in files for source in file.sources]

    assert full_name(entry.name) == entry.name
    assert files or entry.checkpoints
    assert entry.title
    assert entry.active_parameters <= entry.parameters
    assert entry.context == 0 or entry.context >= 512
    assert len({file.name for file in files}) == len(files)
    assert all(choose(variant_name(entry, file), ENTRIES) for file in files)
    # what comes over the network is another file than the model only inside a wheel
    assert any(isinstance(s, PackageSource) for s in sources) == any(
        file.download_bytes for file in files
    )


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_sizes_are_those_of_such_a_model(entry: CatalogEntry) -> None:
    """From 2.5 bits per weight to 16; the smallest models keep their vocabulary at more."""
    for file in entry.quantisations:
        assert file.weights_bytes
        assert 2.5 <= 8 * file.weights_bytes / entry.parameters <= 16.5
    for checkpoint in entry.checkpoints:
        bits = 8 * (checkpoint.about_bytes or 2 * entry.parameters) / entry.parameters
        assert 4 <= bits <= 17


def test_the_architecture_gives_the_published_kv_cache() -> None:
    known = {
        name: entry.architecture.kv_bytes_per_token
        for name, entry in ENTRIES.items()
        if entry.architecture and not entry.embedding
    }

    assert known == PUBLISHED_KV


def test_no_two_files_are_one() -> None:
    digests = [file.sha256 for e in ENTRIES.values() for file in e.quantisations if file.sha256]

    assert len(digests) >= 18
    assert len(set(digests)) == len(digests)


def test_the_default_model_is_in_the_catalog() -> None:
    assert Settings.model_fields["default_model"].default in ENTRIES


def test_the_published_schema_is_what_the_code_checks() -> None:
    published = json.loads((ROOT / "docs/reference/catalog.schema.json").read_text())

    assert published == json_schema(), "make golden"


def test_the_reference_names_every_key() -> None:
    page = (ROOT / "docs/reference/catalog.md").read_text()
    schema = json_schema()
    keys = set(schema["properties"])
    for part in schema["$defs"].values():
        keys |= set(part["properties"])

    assert {key for key in keys if f"`{key}`" not in page} == set()
