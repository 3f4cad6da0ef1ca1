import pytest

from frontier.domain.catalog import CatalogEntry, Checkpoint, OllamaTag, Quantisation
from frontier.domain.catalog_search import Wish, engines_of
from frontier.domain.errors import UsageError
from frontier.domain.units import bytes_of

GIB = 2**30
FILE = Quantisation(name="Q4", sources=("hf:owner/Repo:Q4",), size_bytes=5 * GIB)
FULL = CatalogEntry(
    name="a:1b",
    title="Alpha One",
    context=8192,
    licence="Apache-2.0",
    tools=True,
    vision=True,
    quantisations=(FILE,),
    checkpoints=(Checkpoint(repo="maker/A", quantisation="BF16", gated=True),),
    ollama=OllamaTag(name="alpha", about_bytes=6 * GIB),
)


@pytest.mark.parametrize(
    "wish",
    [
        Wish(),
        Wish(words=("ALPHA", "repo")),
        Wish(words=("maker/",)),
        Wish(abilities=("vision", "tools")),
        Wish(engine="vllm"),
        Wish(licence="apache"),
        Wish(context=8192),
        Wish(most_bytes=5 * GIB),
    ],
)
def test_a_wish_is_met(wish: Wish) -> None:
    assert wish.is_met_by(FULL)


@pytest.mark.parametrize(
    "wish",
    [
        Wish(words=("alpha", "beta")),
        Wish(abilities=("vision", "reasoning")),
        Wish(licence="mit"),
        Wish(context=8193),
        Wish(most_bytes=5 * GIB - 1),
        Wish(open_only=True),
    ],
)
def test_a_wish_is_not_met(wish: Wish) -> None:
    assert not wish.is_met_by(FULL)


def test_an_engine_runs_what_comes_in_its_form() -> None:
    split = Quantisation(name="Q4", sources=("hf:o/r:Q4",), is_split=True)

    assert engines_of(FULL) == ("llamacpp", "mistral", "ollama", "vllm")
    assert engines_of(CatalogEntry(name="x:1", quantisations=(FILE,))) == ("llamacpp", "mistral")
    assert engines_of(CatalogEntry(name="x:1", quantisations=(split,))) == ()
    assert engines_of(CatalogEntry(name="x:1", checkpoints=FULL.checkpoints)) == ("mistral", "vllm")
    assert engines_of(CatalogEntry(name="x:1", ollama=FULL.ollama)) == ("ollama",)


@pytest.mark.parametrize("wish", [{"abilities": ("fly",)}, {"engine": "steam"}])
def test_what_nothing_can_be_is_refused_with_what_there_is(wish: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        Wish(**wish)  # type: ignore[arg-type]

    assert "Known: " in caught.value.hint


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8G", 8 * GIB),
        ("8GiB", 8 * GIB),
        ("1.5g", 3 * GIB // 2),
        ("500 MB", 500_000_000),
        ("2K", 2048),
        ("17", 17),
        ("17b", 17),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "8 apples", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        bytes_of(text)
