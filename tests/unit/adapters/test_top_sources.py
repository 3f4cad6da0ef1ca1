"""What `frontier top` reads from: slow sources beside, the access log, processes, GPUs."""

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from frontier.adapters.background import Background
from frontier.adapters.failures import Failures, parse
from frontier.adapters.machine.gpu_now import gpus_now
from frontier.adapters.machine.tools import Run, ToolError, ToolMissingError
from frontier.adapters.vitals import Vitals
from frontier.domain.errors import NotFoundError
from frontier.domain.log_line import LogLine, Reading
from frontier.domain.top import GpuView
from waiting import until

MIB = 1 << 20


def line(status: int, **fields: object) -> LogLine:
    row = {"time": "2026-11-21T12:00:00.000Z", "request_id": "req_1", "route": "/v1/embeddings"}
    return read(json.dumps({**row, "status": status, "duration_ms": 12.5, **fields}))


def read(text: str) -> LogLine:
    return Reading("gateway")(text)


def test_whoever_looks_never_waits_for_work_that_hangs() -> None:
    hang, asked = threading.Event(), list[int]()

    def work() -> int:
        asked.append(1)
        hang.wait(20)
        return len(asked)

    source = Background(work, every_s=0.0, first=0)
    for _ in range(3):
        source.begin()
        source.wait(0.01)

    assert (source.result, len(asked)) == (0, 1)
    assert source.late_s > 0
    hang.set()
    source.wait(10)
    assert (source.result, source.late_s) == (1, 0)


def test_a_failure_is_kept_beside_the_last_result_and_ends_with_the_next_one() -> None:
    answers: list[Callable[[], int]] = [lambda: 1, lambda: 1 // 0, lambda: 3]

    def work() -> int:
        return answers.pop(0)()

    source = Background(work, every_s=0.0, first=0)
    seen = list[tuple[int, str]]()
    for _ in range(3):
        source.begin()
        source.wait(10)
        seen.append((source.result, type(source.error).__name__))

    assert seen == [(1, "NoneType"), (1, "ZeroDivisionError"), (3, "NoneType")]


def test_work_that_is_not_due_is_not_begun() -> None:
    source = Background(lambda: 1, every_s=1000.0, first=0)
    source.begin()
    source.wait(10)
    source.result = 5

    source.begin()

    assert (source.result, source.late_s) == (5, 0)


def test_a_failed_request_is_read_from_its_line() -> None:
    failure = parse(line(503, model="m", backend="b", key="key_1"))

    assert failure is not None
    assert (failure.status, failure.route, failure.duration_s) == (503, "/v1/embeddings", 0.0125)
    assert (failure.model, failure.backend, failure.key) == ("m", "b", "key_1")


@pytest.mark.parametrize(
    "text",
    [
        *('{"status": 200}', '{"status": 399}', '{"event":"listening"}', "", "Traceback:"),
        *('{"status":500', '["status":1]', '{"status":"500"}', '[{"status":500}]'),
    ],
)
def test_other_lines_are_no_failures(text: str) -> None:
    assert parse(read(text)) is None


def test_failures_come_newest_first_and_once_though_the_log_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("frontier.adapters.failures._PAUSE_S", 0.01)
    logs = [[line(500, request_id="a"), line(200), line(404, request_id="b")]] * 2
    logs.append([line(404, request_id="b"), line(429, request_id="c")])

    def follow() -> Iterator[LogLine]:
        if not logs:
            raise NotFoundError("'gateway' has no log")
        yield from logs.pop(0)

    failures = Failures(follow)

    found = until(lambda: len(failures.newest()) == 3 and failures.newest(), what="three failures")
    assert [f.request_id for f in found] == ["c", "b", "a"]


def test_our_own_process_has_memory_and_processor_time_and_a_strange_one_is_missing() -> None:
    vitals = Vitals()

    found = vitals.usage([os.getpid(), 2**22 + 1])

    assert list(found) == [os.getpid()]
    assert found[os.getpid()].memory_bytes > MIB
    assert vitals.usage([os.getpid()])[os.getpid()].cpu_s >= found[os.getpid()].cpu_s


def test_the_machine_counts_its_processors_and_its_memory() -> None:
    seen = Vitals.machine()

    assert 0 < seen.cpu_busy_s < seen.cpu_total_s
    assert 0 < seen.memory_used_bytes < seen.memory_total_bytes


def answering(text: str | ToolError) -> Run:
    def run(argv: Sequence[str]) -> str:
        if isinstance(text, ToolError):
            raise text
        return text

    return run


MISSING = answering(ToolMissingError("nvidia-smi: not installed"))


def test_nvidia_tells_use_memory_heat_and_power(tmp_path: Path) -> None:
    csv = "NVIDIA H200, 93, 80110, 143771, 64, 431.27\nNVIDIA GB10, 12, [N/A], [N/A], 41, [N/A]\n"

    (card, unified), problem = gpus_now(answering(csv), tmp_path, "Linux")

    assert card == GpuView(
        vendor="nvidia",
        name="NVIDIA H200",
        used_percent=93,
        memory_used_bytes=80110 * MIB,
        memory_total_bytes=143771 * MIB,
        temperature_c=64,
        power_w=431.27,
    )
    assert (unified.memory_used_bytes, unified.power_w, problem) == (None, None, "")


def test_a_lost_gpu_hides_no_other_and_is_told(tmp_path: Path) -> None:
    broken = ToolError("nvidia-smi: exit code 15: GPU is lost", stdout="NVIDIA L4, 5, 1, 2, 3, 4\n")

    gpus, problem = gpus_now(answering(broken), tmp_path, "Linux")

    assert [gpu.name for gpu in gpus] == ["NVIDIA L4"]
    assert "GPU is lost" in problem


def card(root: Path, vendor: str, **files: str) -> Path:
    device = root / "sys/bus/pci/devices/0000:03:00.0"
    (device / "hwmon/hwmon2").mkdir(parents=True)
    told = {"vendor": vendor, "class": "0x030000", "device": "0x744c", "uevent": "DRIVER=some"}
    for name, text in {**told, **files}.items():
        (device / name.replace("hwmon_", "hwmon/hwmon2/")).write_text(f"{text}\n")
    return root


def test_amd_is_read_from_the_files_of_its_driver(tmp_path: Path) -> None:
    root = card(
        tmp_path,
        "0x1002",
        gpu_busy_percent="37",
        mem_info_vram_used=str(3 * MIB),
        mem_info_vram_total=str(8 * MIB),
        hwmon_temp1_input="56000",
        hwmon_power1_average="123000000",
    )

    gpus, problem = gpus_now(MISSING, root, "Linux")

    assert problem == ""
    assert gpus == (
        GpuView(
            vendor="amd",
            name="amd 744c",
            used_percent=37,
            memory_used_bytes=3 * MIB,
            memory_total_bytes=8 * MIB,
            temperature_c=56,
            power_w=123,
        ),
    )


def test_intel_tells_its_heat_and_one_that_tells_nothing_is_left_out(tmp_path: Path) -> None:
    warm = card(tmp_path / "warm", "0x8086", hwmon_temp2_input="48000")
    silent = card(tmp_path / "silent", "0x8086")

    assert [gpu.temperature_c for gpu in gpus_now(MISSING, warm, "Linux")[0]] == [48]
    assert gpus_now(MISSING, silent, "Linux") == ((), "")


def test_a_mac_tells_the_use_of_its_gpu(tmp_path: Path) -> None:
    ioreg = """
+-o AGXAcceleratorG14G  <class AGXAcceleratorG14G, id 0x1000003e2, registered, matched>
    {
      "model" = "Apple M2"
      "PerformanceStatistics" = {"In use system memory (driver)"=0,"Alloc system memory"=3055140,\
"Tiler Utilization %"=5,"Device Utilization %"=41,"In use system memory"=520683520}
    }
"""

    (gpu,), problem = gpus_now(answering(ioreg), tmp_path, "Darwin")

    assert (gpu.vendor, gpu.name, gpu.used_percent) == ("apple", "Apple M2", 41)
    assert (gpu.memory_used_bytes, gpu.memory_total_bytes, problem) == (520683520, None, "")


@pytest.mark.parametrize("system", ["Linux", "Darwin"])
def test_a_machine_without_gpus_and_tools_has_none_and_no_problem(
    tmp_path: Path, system: str
) -> None:
    assert gpus_now(MISSING, tmp_path, system) == ((), "")
