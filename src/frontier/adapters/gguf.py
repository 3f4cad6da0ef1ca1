"""The header of a GGUF file, read with limits: a broken file is an error, never a crash.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from frontier.adapters.gguf_shape import Elements, Fields, Tensor, Value, shape_of, weights_of
from frontier.domain.errors import ModelFormatError
from frontier.domain.model import GgufHeader

MAGIC = b"GGUF"

# An honest header stays far below these; a broken one is refused before it costs memory or time.
_MOST_ENTRIES = 65_536
_MOST_TENSORS = 1_048_576
_MOST_DIMENSIONS = 8
_LONGEST_KEY = 65_535
_LONGEST_STRING = 16 << 20
_MOST_ELEMENTS = 4 << 20
_KEPT_ELEMENTS = 4096
_DEEPEST = 2
_BLOCK_BYTES = 1 << 18

_SCALARS = dict(enumerate("BbHhIif?", 0)) | {10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

# What chat templates of models that think have in common, and the token that begins a gap.
_THOUGHTS = ("enable_thinking", "reasoning_content", "<think>", "reasoning_effort")
_FILLS = ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id")

_FILE_TYPES = (
    "0 F32,1 F16,2 Q4_0,3 Q4_1,7 Q8_0,8 Q5_0,9 Q5_1,10 Q2_K,11 Q3_K_S,12 Q3_K_M,13 Q3_K_L,"
    "14 Q4_K_S,15 Q4_K_M,16 Q5_K_S,17 Q5_K_M,18 Q6_K,19 IQ2_XXS,20 IQ2_XS,21 Q2_K_S,22 IQ3_XS,"
    "23 IQ3_XXS,24 IQ1_S,25 IQ4_NL,26 IQ3_S,27 IQ3_M,28 IQ2_S,29 IQ2_M,30 IQ4_XS,31 IQ1_M,32 BF16,"
    "36 TQ1_0,37 TQ2_0,38 MXFP4"
)
_QUANTISATIONS = {int(n): name for n, name in (pair.split() for pair in _FILE_TYPES.split(","))}


def require_gguf(path: Path) -> None:
    """Refuse a file that does not begin like a GGUF file of a known version.

    Raises:
        ModelFormatError: with the first bytes of what it is instead.
    """
    with path.open("rb") as file:
        _version(_Reader(path.name, file, path.stat().st_size))


def read_header(path: Path) -> GgufHeader:
    """Return what *path* says about itself; reads the header only.

    Raises:
        ModelFormatError: no GGUF file, truncated, or beyond any honest size.
    """
    with path.open("rb") as file:
        return parse_header(path.name, file, path.stat().st_size)


def parse_header(name: str, file: BinaryIO, size_bytes: int) -> GgufHeader:
    """Return what the open *file* of *size_bytes* says about itself; reads the header only.

    Raises:
        ModelFormatError: no GGUF file, truncated, or beyond any honest size.
    """
    reader = _Reader(name, file, size_bytes)
    version = _version(reader)
    count = reader.count("Q", _MOST_TENSORS, "tensors")
    entries = reader.count("Q", _MOST_ENTRIES, "metadata entries")
    found = Fields(dict(_entry(reader) for _ in range(entries)))
    return _header(found, version, tuple(_tensor(reader) for _ in range(count)))


@dataclass(slots=True)
class _Reader:
    """Takes bytes off an open file, never more than are there."""

    name: str
    file: BinaryIO
    left: int

    def take(self, length: int) -> bytes:
        self._spend(length)
        data = self.file.read(length)
        if len(data) != length:  # it shrank while we read
            raise self.broken("it ends within its header")
        return data

    def skip(self, length: int) -> None:
        self._spend(length)
        self.file.seek(length, 1)

    def skip_strings(self, count: int) -> None:
        """Skip *count* strings, block by block: a vocabulary is 100 000 strings of a few bytes."""
        length = struct.Struct("<Q")
        begin, block, at = self.file.tell(), b"", 0
        for _ in range(count):
            if at + length.size > len(block):
                self._spend(at)
                begin += at
                self.file.seek(begin)
                block, at = self.file.read(_BLOCK_BYTES), 0
                if len(block) < length.size:
                    raise self.broken("it ends within its header")
            at += length.size + length.unpack_from(block, at)[0]
        self._spend(at)
        self.file.seek(begin + at)

    def number(self, code: str) -> int:
        """Return one little-endian integer."""
        return int(struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0])

    def count(self, code: str, most: int, what: str) -> int:
        """Return a number that says how many *what* follow."""
        count = self.number(code)
        if count > most:
            raise self.broken(f"it claims {count:,} {what}")
        return count

    def text(self, longest: int) -> str:
        return self.take(self.count("Q", longest, "bytes in a string")).decode(errors="replace")

    def broken(self, why: str) -> ModelFormatError:
        return ModelFormatError(
            f"{self.name} is not a readable GGUF file: {why}",
            hint="`frontier models check` tells whether a stored model is intact.",
        )

    def _spend(self, length: int) -> None:
        if length > self.left:
            raise self.broken("it ends within its header")
        self.left -= length


def _version(reader: _Reader) -> int:
    magic = reader.file.read(4)
    if magic != MAGIC:
        raise ModelFormatError(
            f"{reader.name} is not a GGUF file: it begins with {magic!r}",
            hint="Models are single GGUF files; see `frontier models available`.",
        )
    reader.left -= 4
    version = reader.number("I")
    if version not in (2, 3):
        raise reader.broken(f"version {version} is unknown, 2 and 3 can be read")
    return version


def _entry(reader: _Reader) -> tuple[str, Value]:
    key = reader.text(_LONGEST_KEY)
    return key, _value(reader, reader.number("I"))


def _value(reader: _Reader, kind: int, depth: int = 0) -> Value:
    if kind == _STRING:
        return reader.text(_LONGEST_STRING)
    if kind == _ARRAY:
        return _array(reader, depth + 1)
    code = _scalar(reader, kind)
    value: int | float | bool = struct.unpack(code, reader.take(struct.calcsize(code)))[0]
    return value


def _array(reader: _Reader, depth: int) -> Elements:
    kind = reader.number("I")
    length = reader.count("Q", _MOST_ELEMENTS, "array elements")
    if depth > _DEEPEST:
        raise reader.broken("its arrays are nested too deep")
    if kind == _STRING:
        reader.skip_strings(length)
        return Elements(length)
    if kind == _ARRAY:
        for _ in range(length):
            _array(reader, depth + 1)
        return Elements(length)
    return _numbers(reader, _scalar(reader, kind), length)


def _numbers(reader: _Reader, code: str, length: int) -> Elements:
    size = struct.calcsize(code)
    if length > _KEPT_ELEMENTS:
        reader.skip(size * length)
        return Elements(length)
    return Elements(
        length, tuple(v for (v,) in struct.iter_unpack(code, reader.take(size * length)))
    )


def _scalar(reader: _Reader, kind: int) -> str:
    if kind not in _SCALARS:
        raise reader.broken(f"it has a value of unknown type {kind}")
    return "<" + _SCALARS[kind]


def _tensor(reader: _Reader) -> Tensor:
    """Return the tensor described next."""
    name = reader.text(_LONGEST_KEY)
    dimensions = reader.count("I", _MOST_DIMENSIONS, "dimensions of one tensor")
    shape = struct.unpack(f"<{dimensions}Q", reader.take(8 * dimensions))
    kind = reader.number("I")
    reader.skip(8)  # where it lies
    return Tensor(name, shape, kind)


def _header(fields: Fields, version: int, tensors: tuple[Tensor, ...]) -> GgufHeader:
    embedding = fields.number("{a}.embedding_length")
    heads = max(fields.numbers("{a}.attention.head_count"), default=None)
    head_size = embedding // heads if embedding and heads else None
    file_type = fields.number("general.file_type")
    return GgufHeader(
        version=version,
        architecture=fields.architecture,
        name=fields.text("general.name"),
        parameters=sum(tensor.elements for tensor in tensors),
        quantisation=""
        if file_type is None
        else _QUANTISATIONS.get(file_type, f"type {file_type}"),
        context_length=fields.number("{a}.context_length"),
        embedding_length=embedding,
        block_count=fields.number("{a}.block_count"),
        head_count=heads,
        head_count_kv=tuple(fields.numbers("{a}.attention.head_count_kv"))
        or ((heads,) if heads else ()),
        key_length=fields.number("{a}.attention.key_length") or head_size,
        value_length=fields.number("{a}.attention.value_length") or head_size,
        vocab_size=fields.number("{a}.vocab_size") or fields.length("tokenizer.ggml.tokens"),
        expert_count=fields.number("{a}.expert_count") or 0,
        has_chat_template=bool(fields.text("tokenizer.chat_template")),
        tensor_count=len(tensors),
        can_think=any(word in fields.text("tokenizer.chat_template") for word in _THOUGHTS),
        can_fill=any(fields.number(key) is not None for key in _FILLS),
        shape=shape_of(fields),
        weights=weights_of(tensors),
    )
