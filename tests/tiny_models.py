"""Models of any shape with random weights: as heavy as real ones, and as senseless."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np

FILE_TYPES = {"F16": 1, "Q8_0": 7, "Q4_0": 2}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a model's memory depends on; names as in the files.

    Attributes:
        kind: The architecture: ``llama``, ``gemma3``, ``qwen3moe``, ``deepseek2``.
        window: Tokens of the sliding window of most layers, 0 for none.
        fields: More metadata, under the architecture's prefix.
    """

    kind: str = "llama"
    vocabulary: int = 8192
    layers: int = 4
    width: int = 512
    feed_forward: int = 1024
    heads: int = 8
    kv_heads: int = 8
    head_size: int = 64
    window: int = 0
    experts: int = 0
    context: int = 32768
    weights: str = "Q8_0"
    is_tied: bool = False
    fields: Mapping[str, object] = field(default_factory=dict)


def write_model(path: Path, shape: Shape) -> Path:
    """Write a model of *shape* to *path*."""
    writer = gguf.GGUFWriter(path, shape.kind)
    _metadata(writer, shape)
    _tokenizer(writer, shape.vocabulary)
    for name, rows in _tensors(shape).items():
        _tensor(writer, name, rows, shape.weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _metadata(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name(f"{shape.kind} of {shape.layers} layers")
    writer.add_file_type(FILE_TYPES[shape.weights])
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape.vocabulary)
    if "attention.key_length" not in shape.fields:
        writer.add_key_length(shape.head_size)
        writer.add_value_length(shape.head_size)
    writer.add_rope_dimension_count(int(str(shape.fields.get("rope", shape.head_size))))
    if shape.window:
        writer.add_sliding_window(shape.window)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(2)
        writer.add_expert_feed_forward_length(shape.feed_forward)
    for name, number in shape.fields.items():
        if name != "rope":
            writer.add_uint32(f"{shape.kind}.{name}", int(str(number)))


def _tokenizer(writer: gguf.GGUFWriter, size: int) -> None:
    """Add the least that llama.cpp takes: bytes, and words nobody says."""
    special = [b"<unk>", b"<s>", b"</s>"]
    raw = [f"<0x{n:02X}>".encode() for n in range(256)]
    words = [b"w%x" % n for n in range(size - len(special) - len(raw))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(special + raw + words)
    writer.add_token_scores([0.0] * size)
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * len(words))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def _tensors(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor, rows first; of one dimension are the norms."""
    width, out = shape.width, shape.heads * shape.head_size
    found: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (shape.vocabulary, width),
        "output_norm.weight": (width,),
    }
    if not shape.is_tied:
        found["output.weight"] = (shape.vocabulary, width)
    for layer in range(shape.layers):
        block = _attention(shape, out) | _feed_forward(shape)
        found |= {f"blk.{layer}.{name}.weight": rows for name, rows in block.items()}
    return found


def _attention(shape: Shape, out: int) -> dict[str, tuple[int, ...]]:
    width, kv = shape.width, shape.kv_heads * shape.head_size
    found: dict[str, tuple[int, ...]] = {
        "attn_norm": (width,),
        "attn_output": (width, out),
        "ffn_norm": (width,),
    }
    if shape.kind == "deepseek2":
        return found | _latent(shape)
    found |= {"attn_q": (out, width), "attn_k": (kv, width), "attn_v": (kv, width)}
    if shape.kind == "gemma3":
        found |= {"post_attention_norm": (width,), "post_ffw_norm": (width,)}
    if shape.kind in ("gemma3", "qwen3moe"):
        found |= {"attn_q_norm": (shape.head_size,), "attn_k_norm": (shape.head_size,)}
    return found


def _latent(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Return the tensors of latent attention: one short key for all heads."""
    rank, rope = (int(str(shape.fields[name])) for name in ("attention.kv_lora_rank", "rope"))
    key = int(str(shape.fields["attention.key_length_mla"]))
    value = int(str(shape.fields["attention.value_length_mla"]))
    return {
        "attn_q_a": (rank, shape.width),
        "attn_q_a_norm": (rank,),
        "attn_q_b": (shape.heads * key, rank),
        "attn_kv_a_mqa": (rank + rope, shape.width),
        "attn_kv_a_norm": (rank,),
        "attn_k_b": (shape.heads, rank, key - rope),
        "attn_v_b": (shape.heads, value, rank),
        "attn_output": (shape.width, shape.heads * value),
    }


def _feed_forward(shape: Shape) -> dict[str, tuple[int, ...]]:
    width, inner = shape.width, shape.feed_forward
    if not shape.experts:
        return {
            "ffn_gate": (inner, width),
            "ffn_up": (inner, width),
            "ffn_down": (width, inner),
        }
    return {
        "ffn_gate_inp": (shape.experts, width),
        "ffn_gate_exps": (shape.experts, inner, width),
        "ffn_up_exps": (shape.experts, inner, width),
        "ffn_down_exps": (shape.experts, width, inner),
    }


def _tensor(writer: gguf.GGUFWriter, name: str, rows: tuple[int, ...], weights: str) -> None:
    if len(rows) == 1 or "ffn_gate_inp" in name:
        writer.add_tensor(name, np.ones(rows, np.float32))
        return
    kind = gguf.GGMLQuantizationType[weights]
    one = np.random.default_rng(0).normal(0, 0.02, (1, rows[-1])).astype(np.float32)
    quantised = gguf.quants.quantize(one, kind)
    block = np.ascontiguousarray(np.broadcast_to(quantised, (*rows[:-1], quantised.shape[-1])))
    writer.add_tensor(name, block, raw_dtype=kind)
