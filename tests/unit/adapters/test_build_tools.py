import os
from pathlib import Path

import pytest

from frontier.adapters.cargo_tools import CargoTools
from frontier.adapters.machine.tools import ToolError
from frontier.adapters.mistral_binary import examine, find_on_path, parse
from frontier.domain.binary import Report
from frontier.domain.errors import RuntimeFailedError

RECORDED = Path(__file__).parents[2] / "fixtures/build"
DOCTOR = (RECORDED / "doctor-0.8.1-cpu.json").read_text()


def tool(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def recorded(name: str) -> str:
    return f"while IFS= read -r line; do echo \"$line\"; done < '{RECORDED / name}'"


def tools(tmp_path: Path, **environ: str) -> CargoTools:
    environ = {"PATH": str(tmp_path / "bin"), **environ}
    return CargoTools(environ, tmp_path / "home", tmp_path / "root", patience_s=5)


def test_a_machine_without_tools_has_none(tmp_path: Path) -> None:
    found = tools(tmp_path).look(is_mac=False)

    assert (found.rustc, found.cargo, found.compiler, found.nvcc, found.metal) == ("",) * 5
    assert found.problems == ()


def test_versions_come_from_what_the_tools_say(tmp_path: Path) -> None:
    bin_ = tmp_path / "bin"
    tool(bin_, "rustc", recorded("rustc-1.95.txt"))
    tool(bin_, "cargo", "echo 'cargo 1.95.0 (f2d3ce0bd 2026-03-21)'")
    tool(bin_, "c++", "echo 'c++ (Debian 14.2.0-19) 14.2.0'; echo Copyright")
    tool(bin_, "nvcc", recorded("nvcc-12.8.txt"))
    tool(bin_, "nvidia-smi", recorded("nvidia-smi-570.txt"))

    found = tools(tmp_path, RUSTFLAGS="-C linker=clang").look(is_mac=False)

    assert (found.rustc, found.target) == ("1.95.0", "x86_64-unknown-linux-gnu")
    assert (found.cargo, found.cargo_path) == ("1.95.0", str(bin_ / "cargo"))
    assert found.compiler == "c++ (Debian 14.2.0-19) 14.2.0"
    assert (found.nvcc, found.nvcc_folder, found.driver_cuda) == ("12.8", str(bin_), "12.8")
    assert found.rustflags == "-C linker=clang"
    assert not found.has_cudnn


def test_a_tool_that_fails_is_named_with_what_it_said(tmp_path: Path) -> None:
    tool(tmp_path / "bin", "cargo", "echo 'error: rustup could not choose a version' >&2; exit 1")

    found = tools(tmp_path).look(is_mac=False)

    assert found.cargo == ""
    assert found.seen("cargo", "") == "exit code 1: error: rustup could not choose a version"


def test_rust_is_found_where_its_installer_puts_it(tmp_path: Path) -> None:
    tool(tmp_path / "home/.cargo/bin", "cargo", "echo 'cargo 1.95.0'")
    tool(tmp_path / "elsewhere/bin", "rustc", recorded("rustc-1.95.txt"))

    assert tools(tmp_path).look(is_mac=False).cargo == "1.95.0"
    elsewhere = tools(tmp_path, CARGO_HOME=str(tmp_path / "elsewhere")).look(is_mac=False)
    assert elsewhere.rustc == "1.95.0"


@pytest.mark.parametrize("folder", ["root/usr/local/cuda", "root/opt/cuda", "named"])
def test_cuda_is_found_beside_the_path_and_so_is_cudnn(tmp_path: Path, folder: str) -> None:
    cuda = tmp_path / folder
    tool(cuda / "bin", "nvcc", recorded("nvcc-12.8.txt"))
    (cuda / "include").mkdir()
    (cuda / "include/cudnn.h").touch()
    (cuda / "lib64").mkdir()
    (cuda / "lib64/libcudnn.so").touch()
    environ = {"CUDA_HOME": str(cuda)} if folder == "named" else {}

    looking = tools(tmp_path, **environ)
    found = looking.look(is_mac=False)

    assert (found.nvcc, found.has_cudnn) == ("12.8", True)
    assert found.nvcc_folder == str(cuda / "bin")
    assert found.nvcc_folder in looking.path.split(os.pathsep)


def test_cudnn_without_its_library_does_not_count(tmp_path: Path) -> None:
    tool(tmp_path / "bin", "nvcc", recorded("nvcc-12.8.txt"))
    (tmp_path / "root/usr/include/x86_64-linux-gnu").mkdir(parents=True)
    (tmp_path / "root/usr/include/x86_64-linux-gnu/cudnn.h").touch()

    assert not tools(tmp_path).look(is_mac=False).has_cudnn


def test_a_mac_is_asked_for_metal_and_not_for_cuda(tmp_path: Path) -> None:
    tool(tmp_path / "bin", "xcrun", 'test "$*" = "--find metal" && echo /Xcode/metal')
    tool(tmp_path / "bin", "nvcc", recorded("nvcc-12.8.txt"))

    found = tools(tmp_path).look(is_mac=True)

    assert (found.metal, found.nvcc) == ("/Xcode/metal", "")


def test_xcode_without_metal_is_told(tmp_path: Path) -> None:
    tool(
        tmp_path / "bin", "xcrun", "echo 'xcrun: error: unable to find utility metal' >&2; exit 72"
    )

    found = tools(tmp_path).look(is_mac=True)

    assert "unable to find utility metal" in found.seen("xcrun", found.metal)


def test_the_recorded_doctor_of_the_real_program_is_understood() -> None:
    assert parse("mistralrs 0.8.1\n", DOCTOR) == Report(version="0.8.1")


def test_features_are_named_as_cargo_names_them() -> None:
    said = DOCTOR.replace('"flash_attn": false', '"flash_attn": true').replace(
        '"cuda": false', '"cuda": true'
    )

    assert parse("mistralrs 0.8.1", f"2026 INFO starting\n{said}").features == (
        "cuda",
        "flash-attn",
    )


def test_a_program_that_does_not_fit_the_machine_says_so() -> None:
    said = DOCTOR.replace(
        '"status": "ok",\n      "message": "Binary features match detected hardware."',
        '"status": "warn",\n      "message": "GPU found, but the binary has no CUDA."',
    )

    assert parse("mistralrs 0.8.1", said).problem == "GPU found, but the binary has no CUDA."


@pytest.mark.parametrize("said", ["", "no JSON", "{}", "{", '{"system": {}, "checks": []}'])
def test_a_doctor_that_says_something_else_is_an_error(said: str) -> None:
    with pytest.raises(ToolError, match="printed something else"):
        parse("mistralrs 0.8.1", said)


def test_a_program_is_examined_without_asking_the_hub(tmp_path: Path) -> None:
    program = tool(
        tmp_path,
        "mistralrs",
        'test "$HF_ENDPOINT" = http://127.0.0.1:9 -a "$RUST_LOG" = off || exit 9\n'
        "case $1 in --version) echo mistralrs 0.8.1;; "
        f"doctor) {recorded('doctor-0.8.1-cpu.json')};; esac",
    )

    assert examine(program) == Report(version="0.8.1")
    found = find_on_path(str(tmp_path))
    assert found is not None
    assert (found.path, found.key) == (program, "")


def test_a_program_that_does_not_run_is_refused_with_its_last_words(tmp_path: Path) -> None:
    tool(tmp_path, "mistralrs", "echo 'libcuda.so.1: cannot open shared object file' >&2; exit 127")

    with pytest.raises(RuntimeFailedError, match=r"libcuda\.so\.1: cannot open") as caught:
        find_on_path(str(tmp_path))

    assert caught.value.hint == "frontier stack build mistral"


def test_there_may_be_no_program_on_the_path(tmp_path: Path) -> None:
    assert find_on_path(str(tmp_path)) is None
