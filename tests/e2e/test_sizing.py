"""The estimate of memory against the resident memory of the real llama.cpp."""

import contextlib
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from frontier.adapters.gguf import read_header
from frontier.adapters.llama_server import find_engine
from frontier.adapters.machine import probe_machine
from frontier.adapters.ports_free import free_port
from frontier.domain.sizing import KvType, Load, estimate
from frontier.renderers.native import EngineSpec, server_flags
from tiny_models import Shape, write_model
from waiting import until

MIB = 2**20
LATENT = {
    "rope": 64,
    "attention.q_lora_rank": 256,
    "attention.kv_lora_rank": 256,
    "attention.key_length": 320,
    "attention.value_length": 256,
    "attention.key_length_mla": 192,
    "attention.value_length_mla": 128,
    "leading_dense_block_count": 6,
    "expert_count": 0,
    "expert_used_count": 0,
    "expert_feed_forward_length": 64,
    "expert_shared_count": 0,
}


@dataclass(frozen=True)
class Case:
    shape: Shape
    context: int = 4096
    parallel: int = 1
    kv_type: KvType = "f16"
    prompt: int = 540


CASES = {
    "every head has its keys": Case(
        Shape(vocabulary=32000, layers=8, feed_forward=1408), parallel=2
    ),
    "heads share keys, large vocabulary": Case(
        Shape(vocabulary=65536, layers=6, kv_heads=2, feed_forward=1408, is_tied=True)
    ),
    "one key for all, deep and narrow": Case(
        Shape(vocabulary=16000, layers=24, width=384, heads=6, kv_heads=1), context=16384
    ),
    "wide, 16 bits": Case(
        Shape(
            vocabulary=8192,
            layers=3,
            width=1024,
            heads=8,
            kv_heads=4,
            head_size=128,
            feed_forward=4096,
            weights="F16",
        )
    ),
    "4 bits, in another order for this processor": Case(
        Shape(
            vocabulary=16000,
            layers=6,
            width=1024,
            heads=8,
            kv_heads=2,
            head_size=128,
            feed_forward=4096,
            weights="Q4_0",
        )
    ),
    "sliding window": Case(
        Shape(
            kind="gemma3",
            vocabulary=32768,
            layers=12,
            width=640,
            heads=4,
            kv_heads=2,
            head_size=256,
            feed_forward=2048,
            window=512,
            is_tied=True,
        ),
        context=8192,
        prompt=1100,
    ),
    "experts": Case(
        Shape(
            kind="qwen3moe", vocabulary=32000, layers=6, kv_heads=2, feed_forward=512, experts=16
        ),
        context=8192,
    ),
    "latent attention": Case(
        Shape(
            kind="deepseek2",
            vocabulary=32000,
            layers=6,
            kv_heads=1,
            feed_forward=1408,
            fields=LATENT,
        ),
        context=16384,
    ),
    "cache of 8 bits, long context": Case(
        Shape(vocabulary=16000, layers=8, kv_heads=4), context=16384, kv_type="q8_0"
    ),
    "cache of 4 bits": Case(
        Shape(vocabulary=16000, layers=8, kv_heads=8), context=16384, kv_type="q4_0"
    ),
}


@contextlib.contextmanager
def engine(path: Path, case: Case) -> Generator[tuple[int, int]]:
    """Yield port and process id of the engine that `up` starts, without its prompt cache."""
    spec = EngineSpec(
        argv=find_engine(sys.executable, path="").argv,
        model="m",
        path=path,
        context=case.context,
        parallel=case.parallel,
        kv_type=case.kv_type,
        cache_mib=0,
        threads=1,
    )
    port = free_port()
    argv = [w.replace("{port}", str(port)) for w in (*spec.argv, *server_flags(spec))]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _answers(port), timeout_s=60, what="the engine")
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health").read()
        return True
    return False


def ask(port: int, path: str, **body: object) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=60).read()


def most_resident(path: Path, case: Case) -> int:
    """Return the most memory that the engine had after all kinds of requests."""
    tokens = [300 + n % 500 for n in range(case.prompt)]
    with engine(path, case) as (port, pid):
        ask(port, "/completion", prompt=tokens, n_predict=2)
        ask(port, "/v1/embeddings", input=tokens[:500])
        status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_estimate_is_within_a_tenth_of_what_llama_cpp_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features = probe_machine(tmp_path).cpu.features
    rows = list[tuple[str, int, int, int]]()
    for name, case in CASES.items():
        path = write_model(tmp_path / "m.gguf", case.shape)
        header = read_header(path)
        assert header.shape
        assert header.weights
        load = Load(
            context=case.context,
            parallel=case.parallel,
            kv_type=case.kv_type,
            prompts_bytes=0,
        )
        found = estimate("llamacpp", "cpu", header.weights, header.shape, load, features=features)
        rows.append((name, path.stat().st_size, found.resident_bytes, most_resident(path, case)))

    with capsys.disabled():
        sys.stdout.write(_table(rows) + "\n")
    assert {name: said / real for name, _, said, real in rows if abs(said / real - 1) > 0.1} == {}


def _table(rows: list[tuple[str, int, int, int]]) -> str:
    lines = [f"\n{'MODEL':<46}{'FILE':>8}{'SAID':>8}{'REAL':>8}{'ERROR':>8}   (MiB)"]
    for name, file, said, real in rows:
        sizes = "".join(f"{size / MIB:8.0f}" for size in (file, said, real))
        lines.append(f"{name:<46}{sizes}{said / real - 1:+8.1%}")
    return "\n".join(lines)
