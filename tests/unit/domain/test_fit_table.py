"""Rows of ways to run a model, which one is taken, and the sentence that says why."""

from dataclasses import replace

import pytest

from frontier.domain.candidates import Candidate, Format, named, of_catalog, quantisation_of
from frontier.domain.catalog import CatalogEntry, Checkpoint, OllamaTag, Quantisation
from frontier.domain.fit_table import FitRow, choose, contexts, explain, rows
from frontier.domain.machine import AppleChip, Cpu, DockerDesktop, Gpu, Machine, Memory
from frontier.domain.shape import Cache, Shape, Weights
from frontier.domain.sizing import Load
from frontier.domain.stack import Image, Stack

GIB = 2**30
SHAPE = Shape(
    context=131_072,
    layers=40,
    width=4096,
    vocabulary=32_000,
    caches=(Cache(layers=40, elements=2048),),
)
GPU = Gpu(vendor="nvidia", name="GPU", memory_total_bytes=24 * GIB, memory_free_bytes=24 * GIB)
MACHINE = Machine(
    os="linux",
    os_version="",
    arch="x86_64",
    cpu=Cpu(model="", physical=8, logical=8, usable=8),
    memory=Memory(total_bytes=64 * GIB, available_bytes=60 * GIB),
    disk=None,
    gpus=(GPU,),
)
IMAGES = {"cpu": "i:1", "cuda": "i:1"}


def stack(name: str, kind: Format, *runtimes: str) -> Stack:
    return Stack(
        name=name,
        title=name,
        engine=name,
        backend=name,
        model_format=kind,
        runtimes=runtimes or ("docker",),
        images={name: Image(references=IMAGES)},
    )


LLAMA = stack("llamacpp", "gguf", "native", "docker")
VLLM = stack("vllm", "hub")
OLLAMA = stack("ollama", "ollama")
MISTRAL = stack("mistral", "gguf", "docker", "native")


def file(gib: float, quantisation: str = "Q4_K_M", kind: Format = "gguf") -> Candidate:
    return Candidate(
        name=f"m-{quantisation.lower()}",
        quantisation=quantisation,
        format=kind,
        weights=Weights(total_bytes=int(gib * GIB)),
        shape=SHAPE,
        basis="its header",
    )


def of(
    *found: Candidate,
    on: Machine = MACHINE,
    by: tuple[Stack, ...] = (LLAMA,),
    load: Load | None = None,
) -> tuple[FitRow, ...]:
    return rows(found, on, [(each, load or Load()) for each in by], is_only=True)


def test_contexts_begin_with_the_wanted_one_and_end_with_what_the_model_knows() -> None:
    assert contexts(4096, 65_536, is_only=False) == (4096, 8192, 32_768, 65_536)
    assert contexts(200_000, 65_536, is_only=False) == (65_536,)
    assert contexts(4096, 65_536, is_only=True) == (4096,)
    assert contexts(4096, 0, is_only=False)[-1] == 131_072


def test_each_file_has_a_row_for_each_engine_that_takes_it_and_each_device() -> None:
    found = of(
        file(5), file(5, "IQ4_XS"), file(16, "BF16", "hub"), by=(LLAMA, VLLM, MISTRAL, OLLAMA)
    )
    assert {(r.stack, r.quantisation, r.accelerator) for r in found} == {
        ("llamacpp", "Q4_K_M", "cuda"),
        ("llamacpp", "Q4_K_M", "cpu"),
        ("llamacpp", "IQ4_XS", "cuda"),
        ("llamacpp", "IQ4_XS", "cpu"),
        ("mistral", "Q4_K_M", "cuda"),
        ("mistral", "Q4_K_M", "cpu"),
        ("vllm", "BF16", "cuda"),
        ("vllm", "BF16", "cpu"),
    }


def test_the_parts_add_up() -> None:
    for row in of(file(5), by=(LLAMA,)):
        parts = row.weights_bytes + row.kv_bytes + row.compute_bytes + row.engine_bytes
        assert parts == row.needed_bytes


def test_on_the_gpu_most_bits_are_taken_and_on_the_processor_fewest() -> None:
    both = (file(5), file(9, "Q8_0"))
    on_gpu = choose(of(*both), 4096, "llamacpp")
    on_cpu = choose(of(*both, on=replace(MACHINE, gpus=())), 4096, "llamacpp")
    assert on_gpu is not None
    assert on_cpu is not None
    assert (on_gpu.quantisation, on_cpu.quantisation) == ("Q8_0", "Q4_K_M")


def test_all_on_the_gpu_comes_before_a_part_with_more_bits() -> None:
    chosen = choose(of(file(15), file(30, "Q8_0")), 4096, "llamacpp")
    assert chosen is not None
    assert (chosen.quantisation, chosen.status) == ("Q4_K_M", "fits")


def test_a_part_on_the_gpu_is_explained_with_its_layers() -> None:
    chosen = choose(of(file(30)), 4096, "llamacpp")
    assert chosen is not None
    assert chosen.status == "partly"
    said = explain(chosen)
    assert f"{chosen.gpu_layers} of 40 layers fit on GPU" in said
    assert "main memory, which is slower" in said


def test_what_fits_is_explained_with_bytes_and_the_longest_context() -> None:
    chosen = choose(of(file(15)), 4096, "llamacpp")
    assert chosen is not None
    assert "4,096 tokens of context need" in explain(chosen)
    assert f"up to {chosen.most_context:,} tokens would fit" in explain(chosen)


def test_nothing_is_taken_where_nothing_fits() -> None:
    assert choose(of(file(500)), 4096, "llamacpp") is None


@pytest.mark.parametrize(("gpus", "name"), [(1, "GPU"), (2, "2 of 4 x GPU"), (4, "4 x GPU")])
def test_vllm_takes_as_many_gpus_as_are_set(gpus: int, name: str) -> None:
    four = replace(MACHINE, gpus=(GPU,) * 4)
    found = of(file(16, "BF16", "hub"), on=four, by=(VLLM,), load=Load(gpus=gpus))
    assert [row.device for row in found if row.accelerator == "cuda"] == [name]


def test_docker_desktop_has_a_part_of_the_memory() -> None:
    mac = replace(
        MACHINE,
        os="macos",
        arch="arm64",
        gpus=(),
        apple=AppleChip(name="M2", gpu_cores=8, unified_memory_bytes=64 * GIB),
        docker_desktop=DockerDesktop(memory_bytes=8 * GIB),
    )
    ollama, *llama = of(file(5), file(5, "", "ollama"), on=mac, by=(OLLAMA, LLAMA))
    assert ollama.free_bytes == 8 * GIB
    assert {row.accelerator for row in llama} == {"metal", "cpu"}
    assert min(row.free_bytes for row in llama) > 8 * GIB


@pytest.mark.parametrize(
    ("name", "quantisation"),
    [
        ("Qwen3.5-4B-Q4_K_M.gguf", "Q4_K_M"),
        ("m-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("Q8_0/m-q8_0-00001-of-00002.gguf", "Q8_0"),
        ("m-IQ2_XXS.gguf", "IQ2_XXS"),
        ("plain.gguf", ""),
    ],
)
def test_a_file_name_tells_its_quantisation(name: str, quantisation: str) -> None:
    assert quantisation_of(name) == quantisation


ENTRY = CatalogEntry(
    name="m:1",
    parameters=8_000_000_000,
    quantisations=(
        Quantisation(name="Q4_K_M", sources=("hf:o/r/a.gguf",), size_bytes=5 * GIB),
        Quantisation(name="Q8_0", sources=("hf:o/r/b.gguf",), about_bytes=9 * GIB),
        Quantisation(name="F16", sources=("hf:o/r/c.gguf",)),
    ),
    checkpoints=(Checkpoint(repo="o/r", quantisation="BF16", about_bytes=16 * GIB),),
    ollama=OllamaTag(name="m:one"),
)


def test_the_catalog_gives_what_it_knows_the_size_of() -> None:
    found = of_catalog(ENTRY)
    assert [(c.name, c.format) for c in found] == [
        ("m:1", "gguf"),
        ("m:1-q8_0", "gguf"),
        ("o/r", "hub"),
        ("m:one", "ollama"),
    ]


@pytest.mark.parametrize(
    ("name", "kind", "size_gib"),
    [("m:1", "gguf", 5), ("m:1-q8_0", "gguf", 9), ("o/r", "hub", 16), ("m:one", "ollama", 5)],
)
def test_a_candidate_is_found_by_what_the_engine_calls_it(
    name: str, kind: Format, size_gib: int
) -> None:
    found = named(name, {"m:1": ENTRY}, kind)
    assert found is not None
    assert found.weights.total_bytes == size_gib * GIB
    assert named("file:m.gguf", {"m:1": ENTRY}, kind) is None
