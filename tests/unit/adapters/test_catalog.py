"""The user's own catalog files: they add, they override, and mistakes are told with their line."""

from pathlib import Path

import pytest

from frontier.adapters.catalog import CatalogFiles, PackagedCatalog
from frontier.domain.catalog import CatalogEntry
from frontier.domain.errors import ConfigError

HEAD = "schema: 1\nmodels:\n"
NEW = HEAD + "  house:7b:\n    gguf:\n      - {quantisation: Q8_0, sources: ['hf:o/r/f.gguf']}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def entries(folder: Path, **files: str) -> dict[str, CatalogEntry]:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return dict(CatalogFiles(folder).entries)


def test_without_files_it_is_the_packaged_catalog(folder: Path) -> None:
    assert entries(folder / "none") == PackagedCatalog().entries


def test_a_file_adds_a_model_and_says_where_it_comes_from(folder: Path) -> None:
    found = entries(folder, own=NEW)

    assert set(found) - set(PackagedCatalog().entries) == {"house:7b"}
    assert found["house:7b"].quantisations[0].sources == ("hf:o/r/f.gguf",)
    assert found["house:7b"].family == "house"
    assert found["house:7b"].origin == str(folder / "own.yaml")


def test_a_known_model_keeps_what_the_file_does_not_give(folder: Path) -> None:
    packaged = PackagedCatalog().entries["qwen3.5:9b"]

    found = entries(folder, own=HEAD + "  qwen3.5:9b:\n    context: 8192\n")["qwen3.5:9b"]

    assert found.context == 8192
    assert found.quantisations == packaged.quantisations
    assert found.architecture == packaged.architecture


def test_a_later_file_wins_over_an_earlier_one(folder: Path) -> None:
    found = entries(
        folder,
        a=NEW + "    context: 1000\n    licence: MIT\n",
        b=HEAD + "  house:7b:\n    context: 2000\n",
    )["house:7b"]

    assert (found.context, found.licence) == (2000, "MIT")
    assert found.origin == str(folder / "b.yaml")


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("models: {}\n", 1, "wants `schema: 1`"),
        ("schema: 2\nmodels: {}\n", 1, "wants `schema: 1`"),
        ("schema: 1\n", 1, "wants models by name"),
        ("schema: 1\nmodel: {}\n", 2, "unknown key 'model'"),
        (HEAD + "  house:7b:\n    contxt: 1\n", 4, "unknown key 'contxt'"),
        (HEAD + "  house:7b:\n    context: many\n", 4, "not 'many'"),
        (HEAD + "  house:7b:\n    context: 4\n", 3, "wants `gguf`, `safetensors` or `ollama`"),
        (HEAD + "  House Seven:\n    context: 4\n", 3, "cannot be a model's name"),
        (HEAD + "  house:\n    context: 4\n", 3, "wants its full name, 'house:latest'"),
        (HEAD + "  ollama:7b:\n    context: 4\n", 3, "looks like a source"),
        (HEAD + "  house:7b: 4\n", 3, "wants the model's fields"),
        (NEW + "      - {quantisation: Q4_0}\n", 6, "sources: is missing"),
        (NEW + "      - {quantisation: Q4_0, sources: ['x:y']}\n", 6, "is no source of a model"),
        (NEW + "      - {quantisation: Q4_0, sources: ['file:y']}\n", 6, "from the root"),
        (NEW + "      - {quantisation: Q, sources: ['hf:o/r:Q'], sizes: 1}\n", 6, "key 'sizes'"),
        (NEW + "    context: 1\n    context: 2\n", 7, "'context' is given twice"),
        (NEW + "    abilities: [flying]\n", 6, "not 'flying'"),
        ("schema: 1\nmodels: [\n", 3, "expected"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_reason(
    folder: Path, text: str, line: int, reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        entries(folder, bad=text)

    assert caught.value.message.startswith(f"{folder}/bad.yaml:{line}: ")
    assert reason in caught.value.message
    assert caught.value.hint


def test_an_unknown_key_tells_the_one_that_was_meant(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        entries(folder, bad=NEW.replace("quantisation", "quantization"))

    assert "Did you mean 'quantisation'?" in caught.value.hint
