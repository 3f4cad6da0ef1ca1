import pytest

from frontier.domain.catalog import CatalogEntry, Checkpoint, OllamaTag, Quantisation
from frontier.domain.destination import Destination, Place, destination
from frontier.domain.errors import FrontierError, RefusedError, UsageError

FILES = tuple(Quantisation(name=name, sources=(f"hf:o/r:{name}",)) for name in ("Q4", "Q8"))
ENTRIES = {
    entry.name: entry
    for entry in (
        CatalogEntry(
            name="full:1b",
            quantisations=FILES,
            checkpoints=(Checkpoint(repo="maker/Full", quantisation="BF16", about_bytes=7),),
            ollama=OllamaTag(name="theirs:1b", about_bytes=5),
        ),
        CatalogEntry(name="only:1b", quantisations=FILES),
    )
}


def goal(text: str, model_format: str, wanted: Place | None = None) -> Destination:
    return destination(
        text, model_format=model_format, entries=ENTRIES, stored=["own:1"], wanted=wanted
    )


@pytest.mark.parametrize(
    ("text", "model_format", "place", "name"),
    [
        ("full:1b", "gguf", "store", "full:1b"),
        ("full:1b", "none", "store", "full:1b"),
        ("full", "ollama", "ollama", "theirs:1b"),
        ("anything:7b", "ollama", "ollama", "anything:7b"),
        ("me/anything", "ollama", "ollama", "me/anything"),
        ("ollama:anything:7b", "ollama", "ollama", "anything:7b"),
        ("ollama:host.org/ns/x:1", "ollama", "store", "ollama:host.org/ns/x:1"),
        ("ollama:x:1", "gguf", "store", "ollama:x:1"),
        ("own", "ollama", "store", "own"),
        ("hf:o/r:Q4", "ollama", "store", "hf:o/r:Q4"),
        ("https://h/x.gguf", "hub", "store", "https://h/x.gguf"),
        ("full:1b", "hub", "hub", "maker/Full"),
        ("other/Repo", "hub", "hub", "other/Repo"),
        ("hf:other/Repo", "hub", "hub", "other/Repo"),
        ("hf:other/Repo", "gguf", "store", "hf:other/Repo"),
        ("own:1", "hub", "store", "own:1"),
    ],
)
def test_a_model_goes_where_the_selected_stack_looks(
    text: str, model_format: str, place: str, name: str
) -> None:
    found = goal(text, model_format)

    assert (found.place, found.name) == (place, name)


def test_the_person_may_say_where() -> None:
    assert goal("full:1b", "ollama", "store") == Destination("store", "full:1b")
    assert goal("full:1b", "gguf", "ollama") == Destination("ollama", "theirs:1b", about_bytes=5)
    assert goal("a/b@abc", "gguf", "hub") == Destination("hub", "a/b", "abc")
    assert goal("hf:o/r:Q4", "gguf", "ollama").name == "hf.co/o/r:Q4"


@pytest.mark.parametrize(
    ("text", "wanted", "kind", "hint"),
    [
        ("only:1b", "ollama", RefusedError, "models show"),
        ("full:1b-q8", "ollama", RefusedError, "--to store"),
        ("https://h/x.gguf", "ollama", UsageError, "--to store"),
        ("only:1b", "hub", RefusedError, "--engine vllm"),
        ("unknown:1", "hub", UsageError, "For instance"),
        ("https://h/x.gguf", "hub", UsageError, "For instance"),
    ],
)
def test_what_does_not_come_in_that_form_is_refused(
    text: str, wanted: Place, kind: type[FrontierError], hint: str
) -> None:
    with pytest.raises(kind) as caught:
        goal(text, "gguf", wanted)

    assert hint in caught.value.hint
