"""GPUs from recorded output of the vendors' tools, whole and broken."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from frontier.adapters.machine import amd, intel, nvidia
from frontier.adapters.machine.tools import Run, ToolError, ToolMissingError
from frontier.domain.machine import Gpu

FIXTURES = Path(__file__).parents[2] / "fixtures" / "machine"
MIB = 1 << 20
NOWHERE = Path("/nonexistent")


def said(name: str) -> str:
    return (FIXTURES / name).read_text()


def tools(answers: Mapping[str, str | ToolError]) -> Run:
    """A Run that answers by the beginning of the command line; what is not named is missing."""

    def run(argv: Sequence[str]) -> str:
        line = " ".join(argv)
        for start, answer in answers.items():
            if line.startswith(start):
                if isinstance(answer, ToolError):
                    raise answer
                return answer
        raise ToolMissingError(f"{argv[0]}: not installed")

    return run


def nvidia_smi(csv: str, banner: str = "nvidia/banner.txt") -> Run:
    """Answers the query with *csv* and nothing asked with the banner."""

    def run(argv: Sequence[str]) -> str:
        return csv if any(a.startswith("--query-gpu") for a in argv) else said(banner)

    return run


def pci(root: Path, vendor: str) -> Path:
    device = root / "sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "class").write_text("0x030000\n")
    return root


def test_two_nvidia_gpus_are_read_with_their_free_memory() -> None:
    gpus, problems = nvidia.probe(nvidia_smi(said("nvidia/two-h100.csv")), NOWHERE)

    assert problems == ()
    assert [gpu.memory_free_bytes for gpu in gpus] == [81008 * MIB, 1203 * MIB]
    assert gpus[0] == Gpu(
        vendor="nvidia",
        name="NVIDIA H100 80GB HBM3",
        memory_total_bytes=81559 * MIB,
        memory_free_bytes=81008 * MIB,
        driver="570.133.20",
        compute_capability="9.0",
        cuda_version="12.8",
        uuid="GPU-5f5a3c1e-4a7e-4d35-9a1c-0d3b5c0e7a11",
        address="0000:18:00.0",
    )


def test_unified_memory_is_unknown_and_not_zero() -> None:
    (gpu,), problems = nvidia.probe(nvidia_smi(said("nvidia/unified-gb10.csv")), NOWHERE)

    assert (gpu.memory_total_bytes, gpu.memory_free_bytes, problems) == (None, None, ())
    assert gpu.compute_capability == "12.1"


def test_a_driver_that_knows_no_compute_capability_is_asked_again_without_it() -> None:
    refusal = ToolError(
        'nvidia-smi: exit code 2: Field "compute_cap" is not a valid field to query.'
    )
    run = tools(
        {
            "nvidia-smi --query-gpu=name,memory.total,memory.free,driver_version,c": refusal,
            "nvidia-smi --query-gpu": said("nvidia/before-510.csv"),
            "nvidia-smi": said("nvidia/banner.txt"),
        }
    )

    (gpu,), problems = nvidia.probe(run, NOWHERE)

    assert problems == ()
    assert (gpu.name, gpu.driver, gpu.compute_capability) == (
        "Tesla V100-SXM2-16GB",
        "470.256.02",
        "",
    )


def test_one_lost_gpu_does_not_hide_the_other() -> None:
    text = said("nvidia/one-lost.csv")
    failed = ToolError("nvidia-smi: exit code 15: GPU is lost", stdout=text)

    for answer in (text, failed):
        banner = said("nvidia/banner.txt")
        run = tools({"nvidia-smi --query-gpu": answer, "nvidia-smi": banner})
        gpus, problems = nvidia.probe(run, NOWHERE)

        assert [gpu.name for gpu in gpus] == ["NVIDIA GeForce RTX 4090"]
        assert len(problems) == 1
        assert "GPU is lost" in problems[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "nvidia-smi: printed nothing"),
        ("No devices were found\n", "nvidia-smi: No devices were found"),
        ("<html><body>Login</body></html>", "nvidia-smi: <html><body>Login</body></html>"),
        ("a, b, c, d, e\n", "nvidia-smi: a, b, c, d, e"),
        ("\x00\x01\x02", "nvidia-smi: "),
    ],
)
def test_garbage_is_a_problem_and_no_gpu(text: str, problem: str) -> None:
    assert nvidia.probe(tools({"nvidia-smi": text}), NOWHERE) == ((), (problem,))


def test_a_driver_that_does_not_answer_is_a_problem() -> None:
    failed = ToolError("nvidia-smi: exit code 9: NVIDIA-SMI has failed", stdout="NVIDIA-SMI has\n")

    assert nvidia.probe(tools({"nvidia-smi": failed}), NOWHERE) == ((), (str(failed),))


def test_without_the_tool_only_a_plugged_in_gpu_is_a_problem(tmp_path: Path) -> None:
    assert nvidia.probe(tools({}), NOWHERE) == ((), ())
    assert nvidia.probe(tools({}), pci(tmp_path, "0x10de"))[1] == (
        "nvidia-smi: not installed, but this machine has an NVIDIA GPU: install its driver",
    )


def test_a_pci_device_that_vanishes_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sys/bus/pci/devices/0000:02:00.0").mkdir(parents=True)

    assert nvidia.probe(tools({}), tmp_path) == ((), ())


def test_amd_smi_of_rocm_7_tells_total_and_free_memory() -> None:
    run = tools(
        {
            "amd-smi static": said("amd/static-rocm7.json"),
            "amd-smi metric": said("amd/metric-rocm7.json"),
        }
    )

    gpus, problems = amd.probe(run, NOWHERE)

    assert problems == ()
    assert gpus == (
        Gpu(
            vendor="amd",
            name="AMD Instinct MI300X",
            memory_total_bytes=196592 * MIB,
            memory_free_bytes=196307 * MIB,
            driver="6.12.12",
            compute_capability="gfx942",
        ),
    )


def test_amd_smi_of_rocm_6_without_a_metric_still_tells_the_gpu() -> None:
    run = tools(
        {
            "amd-smi static": said("amd/static-rocm6.json"),
            "amd-smi metric": ToolError("amd-smi: exit code 1: not supported"),
        }
    )

    (gpu,), _ = amd.probe(run, NOWHERE)

    assert (gpu.name, gpu.memory_total_bytes, gpu.memory_free_bytes) == (
        "AMD GPU",
        65520 * MIB,
        None,
    )


def test_a_memory_size_that_is_not_available_is_unknown() -> None:
    card = json.loads(said("amd/static-rocm6.json"))
    card[0]["vram"]["size"] = "N/A"

    (gpu,), _ = amd.probe(tools({"amd-smi static": json.dumps(card)}), NOWHERE)

    assert gpu.memory_total_bytes is None


def test_rocm_smi_stands_in_for_amd_smi_and_its_warning_is_skipped() -> None:
    (gpu,), problems = amd.probe(tools({"rocm-smi": said("amd/rocm-smi.txt")}), NOWHERE)

    assert problems == ()
    assert gpu == Gpu(
        vendor="amd",
        name="Radeon RX 7900 XTX",
        memory_total_bytes=25753026560,
        memory_free_bytes=25753026560 - 1073741824,
        driver="6.7.0",
        compute_capability="gfx1100",
    )


def test_the_kernel_stands_in_for_both_tools(tmp_path: Path) -> None:
    for card, product in (("card0", ""), ("card1", "AMD Radeon PRO W7900\n")):
        device = tmp_path / "sys/class/drm" / card / "device"
        device.mkdir(parents=True)
        (device / "mem_info_vram_total").write_text("48301604864\n")
        (device / "mem_info_vram_used").write_text("301604864\n")
        (device / "device").write_text("0x744c\n")
        if product:
            (device / "product_name").write_text(product)
    version = tmp_path / "sys/module/amdgpu/version"
    version.parent.mkdir(parents=True)
    version.write_text("6.8.5\n")

    gpus, problems = amd.probe(tools({}), tmp_path)

    assert problems == ("gpu name: the kernel tells 0x744c, amd-smi of ROCm the name",)
    assert [gpu.name for gpu in gpus] == ["AMD GPU 0x744c", "AMD Radeon PRO W7900"]
    assert {gpu.memory_free_bytes for gpu in gpus} == {48_000_000_000}
    assert {gpu.driver for gpu in gpus} == {"6.8.5"}


@pytest.mark.parametrize("text", ["", "<html>", "[1]", "{}", "null", '{"gpu_data": [{}]}'])
def test_garbage_of_amd_smi_is_a_problem_and_the_next_source_is_asked(text: str) -> None:
    run = tools({"amd-smi": text, "rocm-smi": said("amd/rocm-smi.txt")})

    gpus, problems = amd.probe(run, NOWHERE)

    assert [gpu.name for gpu in gpus] == ["Radeon RX 7900 XTX"]
    assert len(problems) == 1
    assert problems[0].startswith("amd-smi: unexpected output: ")


@pytest.mark.parametrize("text", ["", "WARNING: nothing", "{}", '{"card0": {}}', '{"card0": 3}'])
def test_garbage_of_rocm_smi_breaks_nothing(text: str) -> None:
    gpus, _ = amd.probe(tools({"rocm-smi": text}), NOWHERE)

    assert gpus == ()


def test_an_amd_gpu_that_no_driver_uses_is_a_problem(tmp_path: Path) -> None:
    assert amd.probe(tools({}), NOWHERE) == ((), ())
    (problem,) = amd.probe(tools({}), pci(tmp_path, "0x1002"))[1]
    assert "no driver uses" in problem


def test_amd_tools_that_hang_are_a_problem_each() -> None:
    late = {name: ToolError(f"{name}: timed out after 5 s") for name in ("amd-smi", "rocm-smi")}

    assert amd.probe(tools(late), NOWHERE) == (
        (),
        ("amd-smi: timed out after 5 s", "rocm-smi: timed out after 5 s"),
    )


A100 = "NVIDIA A100-SXM4-40GB, 40960 MiB, 40315 MiB, 575.57.08, 8.0, GPU-1, 00000000:00:04.0, {}\n"
LISTED = "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-1)\n"
PART = "  MIG 3g.20gb     Device  0: (UUID: MIG-1)\n"
MEASURED = """<?xml version="1.0" ?>
<nvidia_smi_log><gpu id="00000000:00:04.0"><mig_devices><mig_device><index>0</index>
<fb_memory_usage><total>19968 MiB</total><free>[N/A]</free></fb_memory_usage>
</mig_device></mig_devices><uuid>GPU-1</uuid></gpu></nvidia_smi_log>
"""


def in_mig_mode(listed: str | ToolError, measured: str | ToolError) -> Run:
    return tools(
        {
            "nvidia-smi --query-gpu": A100.format("Enabled"),
            "nvidia-smi -L": listed,
            "nvidia-smi -q -x": measured,
            "nvidia-smi": said("nvidia/banner.txt"),
        }
    )


def test_programs_get_a_mig_device_and_never_the_gpu() -> None:
    (gpu,), problems = nvidia.probe(in_mig_mode(LISTED + PART, MEASURED), NOWHERE)

    (device,) = gpu.mig
    assert problems == ()
    assert (device.profile, device.uuid) == ("3g.20gb", "MIG-1")
    assert (device.memory_total_bytes, device.memory_free_bytes) == (19968 * MIB, None)
    assert (gpu.largest_total_bytes, gpu.largest_free_bytes) == (19968 * MIB, None)


def test_mig_mode_without_devices_leaves_nothing_to_compute_on() -> None:
    empty = "<nvidia_smi_log><gpu><uuid>GPU-1</uuid></gpu></nvidia_smi_log>"

    (gpu,), (problem,) = nvidia.probe(in_mig_mode(LISTED, empty), NOWHERE)

    assert (gpu.is_mig, gpu.mig, gpu.largest_total_bytes) == (True, (), 0)
    assert "has no MIG devices to compute on: create some" in problem


@pytest.mark.parametrize(
    ("listed", "measured", "problem"),
    [
        (LISTED, MEASURED, "nvidia-smi: its two listings of MIG devices do not agree"),
        (LISTED + PART, "<html>", "nvidia-smi: unexpected output: no element found"),
        (ToolError("nvidia-smi: exit code 1"), MEASURED, "nvidia-smi: exit code 1"),
    ],
)
def test_mig_devices_that_one_listing_hides_are_told_by_the_other(
    listed: str, measured: str, problem: str
) -> None:
    (gpu,), problems = nvidia.probe(in_mig_mode(listed, measured), NOWHERE)

    assert len(gpu.mig) == 1
    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_a_whole_gpu_counts_with_its_own_memory() -> None:
    (gpu,), _ = nvidia.probe(nvidia_smi(A100.format("Disabled")), NOWHERE)

    assert (gpu.largest_total_bytes, gpu.largest_free_bytes) == (40960 * MIB, 40315 * MIB)


def test_drivers_from_610_on_call_the_version_of_cuda_otherwise() -> None:
    run = nvidia_smi(A100.format("Disabled"), "nvidia/banner-610.txt")

    assert [gpu.cuda_version for gpu in nvidia.probe(run, NOWHERE)[0]] == ["13.3"]


def test_a_driver_that_finds_no_cuda_says_so_and_keeps_its_gpu(tmp_path: Path) -> None:
    banner = {"nvidia-smi --query-gpu": A100.format("Disabled"), "nvidia-smi": "CUDA Version: N/A"}

    (gpu,), problems = nvidia.probe(tools(banner), tmp_path)

    assert gpu.cuda_version == ""
    assert problems == ("nvidia-smi: tells no CUDA version",)


def test_wsl_whose_windows_shares_a_gpu_needs_its_tool(tmp_path: Path) -> None:
    library = tmp_path / "usr/lib/wsl/lib/libcuda.so.1"
    library.parent.mkdir(parents=True)
    library.touch()

    assert nvidia.probe(tools({}), tmp_path)[1] == (
        "nvidia-smi: not installed, but Windows shares an NVIDIA GPU with WSL",
    )


def intel_card(root: Path, address: str, driver: str) -> Path:
    folder = root / "sys/bus/pci/devices" / address
    folder.mkdir(parents=True)
    for name, text in (("vendor", "0x8086"), ("class", "0x030000"), ("device", "0xe20b")):
        (folder / name).write_text(f"{text}\n")
    (folder / "uevent").write_text(f"DRIVER={driver}\n" if driver else "PCI_CLASS=30000\n")
    return folder


def test_an_intel_card_with_the_old_driver_tells_its_memory(tmp_path: Path) -> None:
    memory = intel_card(tmp_path, "0000:03:00.0", "i915") / "drm/card1/lmem_total_bytes"
    memory.parent.mkdir(parents=True)
    memory.write_text("16882073600\n")

    (gpu,), problems = intel.probe(tools({}), tmp_path)

    assert problems == ()
    assert (gpu.name, gpu.memory_total_bytes) == ("Intel GPU 0xe20b", 16882073600)
    assert (gpu.is_integrated, gpu.has_level_zero) == (False, False)


def test_an_intel_card_that_no_driver_uses_is_a_problem(tmp_path: Path) -> None:
    intel_card(tmp_path, "0000:03:00.0", "")
    intel_card(tmp_path, "0000:00:02.0", "")  # a server's own: nobody computes on it

    gpus, (problem,) = intel.probe(tools({}), tmp_path)

    assert gpus == ()
    assert problem.startswith("intel: this machine has an Intel GPU (e20b) that no driver uses")


def test_xpu_smi_is_asked_where_there_is_a_card_and_knows_memory_and_name(tmp_path: Path) -> None:
    dump = (
        "Device Name,PCI BDF Address,Memory Physical Size\n"
        '"Intel(R) Graphics [0x56c0]","0000:4D:00.0","14248.00 MiB"\n'
    )
    intel_card(tmp_path, "0000:4d:00.0", "i915")

    (gpu,), problems = intel.probe(tools({"xpu-smi": dump}), tmp_path)

    assert problems == ()
    assert (gpu.name, gpu.memory_total_bytes) == ("Intel(R) Graphics [0x56c0]", 14248 * MIB)
    assert intel.probe(tools({"xpu-smi": "N/A"}), tmp_path)[1] == ("xpu-smi: unexpected output",)


def test_the_free_memory_of_amd_is_not_worth_losing_the_gpu_for() -> None:
    static = said("amd/static-rocm7.json")
    for answer, problem in (
        (ToolError("amd-smi: exit code 1: busy"), "amd-smi: exit code 1: busy, so free memory"),
        ("[{}]", "amd-smi: unexpected output: KeyError"),
    ):
        run = tools({"amd-smi static": static, "amd-smi metric": answer})

        (gpu,), problems = amd.probe(run, NOWHERE)

        assert gpu.memory_free_bytes is None
        assert problems[0].startswith(problem)


@pytest.mark.parametrize(
    ("file", "content", "version"),
    [
        ("opt/rocm/.info/version", "7.0.2-56\n", "7.0.2"),
        ("opt/rocm-6.4.1/.info/version", "6.4.1-83\n", "6.4.1"),
        ("opt/rocm/core-7.13/.info/version", "7.13.0\n", "7.13.0"),
    ],
)
def test_the_installed_rocm_tells_its_version(
    tmp_path: Path, file: str, content: str, version: str
) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(content)

    ((gpu,), _) = amd.probe(tools({"rocm-smi": said("amd/rocm-smi.txt")}), tmp_path)

    assert gpu.rocm_version == version
