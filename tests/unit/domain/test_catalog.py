"""Names of the catalog, and the memory that an architecture tells."""

import pytest

from frontier.domain.catalog import Architecture, CatalogEntry, Quantisation, choose
from frontier.domain.catalog_shape import shape_of
from frontier.domain.shape import Cache

FILES = tuple(Quantisation(name=name, sources=(f"hf:o/r:{name}",)) for name in ("Q4_K_M", "Q8_0"))
ENTRIES = {
    name: CatalogEntry(name=name, quantisations=files)
    for name, files in {"a:1b": FILES, "b:1": FILES, "b:2": FILES, "c:1": ()}.items()
}


@pytest.mark.parametrize(
    ("text", "name", "quantisation"),
    [
        ("a:1b", "a:1b", "Q4_K_M"),
        ("A", "a:1b", "Q4_K_M"),
        ("a:1b-q8_0", "a:1b-q8_0", "Q8_0"),
        ("a:1b-Q4_K_M", "a:1b", "Q4_K_M"),
        ("c", "c:1", ""),
    ],
)
def test_a_name_means_the_first_file_or_the_one_behind_it(
    text: str, name: str, quantisation: str
) -> None:
    chosen = choose(text, ENTRIES)

    assert chosen is not None
    assert chosen.name == name
    assert (chosen.file.name if chosen.file else "") == quantisation


@pytest.mark.parametrize("text", ["b", "a:1b-q9", "a:2", "c:1-q8_0", "z"])
def test_a_name_that_means_nothing_or_several_is_none(text: str) -> None:
    assert choose(text, ENTRIES) is None


def test_sliding_layers_stop_growing_at_their_window() -> None:
    shape = Architecture(
        layers=4,
        kv_layers=1,
        sliding_layers=3,
        sliding_window=100,
        kv_heads=2,
        key_length=8,
        value_length=8,
    )

    full, sliding = shape_of(CatalogEntry(name="m", architecture=shape)).caches

    assert shape.kv_bytes_per_token == 64
    assert (full.layers, full.elements, full.window) == (1, 32, 0)
    assert (sliding.layers, sliding.elements, sliding.window) == (3, 32, 100)


def test_latent_attention_keeps_one_vector_per_layer() -> None:
    shape = Architecture(layers=2, kv_layers=2, kv_heads=16, key_length=192, value_length=128)
    latent = Architecture(layers=2, kv_layers=2, kv_lora_rank=512, rope_length=64)

    assert shape.kv_bytes_per_token == 2 * 16 * 320 * 2
    assert latent.kv_bytes_per_token == 2 * 576 * 2
    assert shape_of(CatalogEntry(name="m", architecture=latent)).caches == (
        Cache(layers=2, elements=576),
    )


def test_a_published_figure_stands_in_for_an_unknown_architecture() -> None:
    published = Architecture(kv_bytes_published=10240)

    assert published.kv_bytes_per_token == 10240
    assert shape_of(CatalogEntry(name="m", architecture=published)).caches == (
        Cache(layers=1, elements=5120),
    )
    assert Architecture(layers=3).kv_bytes_per_token is None
