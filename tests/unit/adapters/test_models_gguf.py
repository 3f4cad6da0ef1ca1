"""The GGUF parser: what it reads, and that nothing makes it crash."""

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fake_index import gguf, text, value
from frontier.adapters.gguf import read_header, require_gguf
from frontier.domain.errors import ModelFormatError


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    return path


def raw(*entries: bytes, tensors: bytes = b"", tensor_count: int = 0, version: int = 3) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, tensor_count, len(entries))
    return head + b"".join(entries) + tensors


def test_a_header_tells_what_the_model_is(tmp_path: Path) -> None:
    header = read_header(written(tmp_path, gguf()))

    assert (header.version, header.architecture, header.name) == (3, "llama", "Tiny")
    assert (header.parameters, header.tensor_count) == (192, 1)
    assert header.quantisation == "Q4_1"
    assert (header.context_length, header.embedding_length, header.block_count) == (2048, 64, 2)
    assert (header.head_count, header.head_count_kv) == (4, (2,))
    assert (header.key_length, header.value_length) == (16, 16)
    assert (header.vocab_size, header.expert_count, header.has_chat_template) == (3, 0, True)
    assert header.kv_bytes_per_token == 2 * 2 * (16 + 16) * 2


def test_layers_may_differ_in_their_heads(tmp_path: Path) -> None:
    more: dict[str, object] = {
        "llama.attention.head_count_kv": [2, 0, 4],
        "llama.block_count": 3,
        "llama.attention.key_length": 8,
        "llama.attention.value_length": 4,
        "llama.expert_count": 8,
        "llama.vocab_size": 77,
        "general.file_type": 9999,
    }

    header = read_header(written(tmp_path, gguf(**more)))

    assert header.head_count_kv == (2, 0, 4)
    assert header.kv_bytes_per_token == 6 * 12 * 2
    assert (header.expert_count, header.vocab_size, header.quantisation) == (8, 77, "type 9999")


@pytest.mark.parametrize("longest", [3, 300_000])
def test_a_vocabulary_is_longer_than_what_is_read_at_once(tmp_path: Path, longest: int) -> None:
    words = ["x" * longest, *(f"word{n}" for n in range(60_000)), "y" * longest]
    tokens: dict[str, object] = {"tokenizer.ggml.tokens": words}
    data = gguf(**tokens)

    header = read_header(written(tmp_path, data))

    assert header.vocab_size == 60_002
    assert header.kv_bytes_per_token == 2 * 2 * (16 + 16) * 2  # what follows is read as well


def test_a_vocabulary_that_ends_early_is_refused(tmp_path: Path) -> None:
    tokens: dict[str, object] = {"tokenizer.ggml.tokens": [f"word{n}" for n in range(60_000)]}
    data = gguf(**tokens)
    path = written(tmp_path, data[: len(data) // 2])

    with pytest.raises(ModelFormatError, match="ends within its header"):
        read_header(path)


def test_a_silent_header_leaves_everything_open(tmp_path: Path) -> None:
    header = read_header(written(tmp_path, raw(version=2)))

    assert (header.version, header.architecture, header.quantisation) == (2, "", "")
    assert header.context_length is None
    assert header.kv_bytes_per_token is None
    assert not header.has_chat_template


def test_values_of_unexpected_types_count_as_absent(tmp_path: Path) -> None:
    more: dict[str, object] = {
        "general.name": 5,
        "llama.context_length": "long",
        "llama.block_count": 1.5,
        "llama.attention.head_count_kv": "x",
        "tokenizer.ggml.tokens": "x",
    }

    header = read_header(written(tmp_path, gguf(**more)))

    assert (header.name, header.context_length, header.block_count) == ("", None, None)
    assert (header.head_count_kv, header.vocab_size) == ((4,), None)


def test_long_and_nested_arrays_are_stepped_over(tmp_path: Path) -> None:
    long = text("long") + value(list(range(5000)))
    nested = text("nested") + struct.pack("<IIQ", 9, 9, 2) + value([1])[4:] + value(["a", "b"])[4:]
    name = text("general.name") + value("After")

    assert read_header(written(tmp_path, raw(long, nested, name))).name == "After"


def test_arrays_nested_deeper_than_any_real_file_are_refused(tmp_path: Path) -> None:
    deep = text("deep") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 1000

    with pytest.raises(ModelFormatError, match="nested too deep"):
        read_header(written(tmp_path, raw(deep)))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "begins with b''"),
        (b"<html>login</html>", "not a GGUF file: it begins with b'<htm'"),
        (b"GGUF", "ends within its header"),
        (b"GGUF\x03\x00\x00", "ends within its header"),
        (b"GGUF" + struct.pack(">I", 3), "version 50331648 is unknown"),
        (raw(version=1), "version 1 is unknown"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "claims 1,152,921,504,606,846,976 tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 40), "metadata entries"),
        (raw(struct.pack("<Q", 1 << 62)), "bytes in a string"),
        (raw(struct.pack("<Q", 60_000)), "ends within its header"),
        (raw(text("k") + struct.pack("<I", 77)), "unknown type 77"),
        (raw(text("k") + struct.pack("<IQ", 8, 1 << 50)), "bytes in a string"),
        (raw(text("k") + struct.pack("<IIQ", 9, 4, 1 << 50)), "array elements"),
        (raw(text("k") + struct.pack("<IIQ", 9, 77, 1)), "unknown type 77"),
        (raw(text("k") + struct.pack("<IIQQ", 9, 8, 1, 1 << 60)), "ends within its header"),
        (raw(tensors=text("t") + struct.pack("<I", 99), tensor_count=1), "dimensions"),
        (raw(tensors=text("t") + struct.pack("<IQ", 2, 1), tensor_count=1), "ends within"),
    ],
)
def test_a_broken_header_is_an_error_that_says_why(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(ModelFormatError) as caught:
        read_header(written(tmp_path, data))

    assert why in caught.value.message
    assert caught.value.hint


def test_every_truncation_of_a_header_is_the_same_clear_error(tmp_path: Path) -> None:
    whole = gguf(0)

    for end in range(len(whole)):
        with pytest.raises(ModelFormatError):
            read_header(written(tmp_path, whole[:end]))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=400), st.booleans(), st.data())
def test_random_bytes_never_do_more_than_raise_the_typed_error(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, whole: bool, data: st.DataObject
) -> None:
    content = bytearray(gguf(0) if whole else b"GGUF\x03\x00\x00\x00" + noise)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "noise.gguf"
    path.write_bytes(content)

    with contextlib.suppress(ModelFormatError):
        header = read_header(path)
        assert header.parameters >= 0
        assert header.kv_bytes_per_token is None or header.kv_bytes_per_token >= 0


def test_the_first_bytes_are_enough_to_refuse_what_is_no_model(tmp_path: Path) -> None:
    require_gguf(written(tmp_path, gguf()[:8]))

    with pytest.raises(ModelFormatError, match="not a GGUF"):
        require_gguf(written(tmp_path, b"PK\x03\x04"))
