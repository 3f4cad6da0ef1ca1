import pytest

from frontier.domain.errors import UsageError
from frontier.domain.names import full_name, name_from_file, nearest, resolve

KNOWN = ("smollm2:135m", "smollm2:1.7b", "gemma3:270m", "own:latest", "own:q8_0")


def test_a_name_without_a_tag_means_latest_and_case_does_not_matter() -> None:
    assert full_name("Own") == "own:latest"
    assert full_name(" Qwen3.5:4B ") == "qwen3.5:4b"


@pytest.mark.parametrize(
    "bad", ["", "a b", "../x", "/x", "a:b:c", ":x", "x:", "é", "a" * 101, "a//b"]
)
def test_what_cannot_be_a_name_is_refused(bad: str) -> None:
    with pytest.raises(UsageError, match="cannot be a model's name"):
        full_name(bad)


def test_a_family_means_its_latest_else_its_only_tag() -> None:
    assert resolve("own", KNOWN) == "own:latest"
    assert resolve("gemma3", KNOWN) == "gemma3:270m"
    assert resolve("SMOLLM2:135M", KNOWN) == "smollm2:135m"


def test_several_tags_or_a_wrong_tag_are_no_answer() -> None:
    assert resolve("smollm2", KNOWN) is None
    assert resolve("gemma3:1b", KNOWN) is None
    assert resolve("nothing", KNOWN) is None


def test_the_nearest_names_are_the_family_then_what_looks_alike() -> None:
    assert nearest("smollm2", KNOWN) == ("smollm2:1.7b", "smollm2:135m")
    assert nearest("smolm2:135m", KNOWN)[0] == "smollm2:135m"
    assert nearest("zzz", KNOWN) == ()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Qwen3.5-4B-Q4_K_M.gguf", "qwen3.5-4b:q4_k_m"),
        ("a/b/SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct:q4_1"),
        ("Qwen3.6-35B-A3B-UD-Q4_K_M.gguf", "qwen3.6-35b-a3b:ud-q4_k_m"),
        ("gpt-oss-20b-mxfp4.gguf", "gpt-oss-20b:mxfp4"),
        ("nomic-embed-text-v1.5.f16.gguf", "nomic-embed-text-v1.5:f16"),
        ("My Model (2).gguf", "my-model-2:latest"),
        ("???.gguf", "model:latest"),
    ],
)
def test_a_file_name_becomes_a_name_with_its_quantisation_as_tag(file: str, name: str) -> None:
    assert name_from_file(file) == name
    assert full_name(name) == name
