"""Device files, CDI specifications and the engine's own list, from folders and small programs."""

import grp
import os
import time
from pathlib import Path

import pytest

from frontier.adapters.compute_host import list_accelerators, read_devices

FIXTURES = Path(__file__).parents[2] / "fixtures" / "compute"
GROUP = grp.getgrgid(os.getgid()).gr_name


def touch(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_machine_without_gpus_has_no_device_files(tmp_path: Path) -> None:
    devices = read_devices(tmp_path)

    assert (devices.kfd, devices.render, devices.cdi_specs, devices.gids) == (None, (), (), ())


def test_amds_files_come_with_the_group_that_may_use_them(tmp_path: Path) -> None:
    touch(tmp_path / "dev/kfd")
    touch(tmp_path / "dev/dri/renderD129")
    touch(tmp_path / "dev/dri/renderD128")
    touch(tmp_path / "dev/dri/card0")

    devices = read_devices(tmp_path)

    assert devices.kfd is not None
    assert (devices.kfd.path, devices.kfd.gid, devices.kfd.group) == (
        "/dev/kfd",
        os.getgid(),
        GROUP,
    )
    assert devices.kfd.is_open
    assert [n.path for n in devices.render] == ["/dev/dri/renderD128", "/dev/dri/renderD129"]


def test_a_file_that_this_user_may_not_use_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "dev/kfd")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may everything

    kfd = read_devices(tmp_path).kfd

    assert kfd is not None
    assert not kfd.is_open


def test_a_group_without_a_name_is_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "dev/kfd")

    def unknown(gid: int) -> None:
        raise KeyError(gid)

    monkeypatch.setattr(grp, "getgrgid", unknown)

    kfd = read_devices(tmp_path).kfd

    assert kfd is not None
    assert kfd.group == str(os.getgid())


def test_nvidias_cdi_specifications_are_found_and_others_are_not(tmp_path: Path) -> None:
    ours = touch(tmp_path / "etc/cdi/nvidia.yaml", "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\n")
    generated = touch(tmp_path / "var/run/cdi/n.json", '{"kind": "nvidia.com/gpu"}')
    touch(tmp_path / "etc/cdi/amd.yaml", "kind: amd.com/gpu\n")
    touch(tmp_path / "etc/cdi/nvidia.yaml.bak", "kind: nvidia.com/gpu\n")
    (tmp_path / "etc/cdi/folder.json").mkdir()

    assert read_devices(tmp_path).cdi_specs == (str(ours), str(generated))


def server(folder: Path, script: str) -> list[str]:
    path = touch(folder / "llama-server", f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return [str(path)]


@pytest.mark.parametrize(
    ("fixture", "accelerators"),
    [("devices-cuda.txt", {"cuda"}), ("devices-metal.txt", {"metal"}), ("devices-none.txt", set())],
)
def test_an_engine_is_asked_what_it_is_built_for(
    tmp_path: Path, fixture: str, accelerators: set[str]
) -> None:
    argv = server(tmp_path, f'test "$1" = --list-devices && cat {FIXTURES / fixture}')

    assert list_accelerators(argv) == accelerators


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense", "exec /nonexistent"])
def test_an_engine_that_does_not_know_the_question_has_no_gpu(tmp_path: Path, script: str) -> None:
    assert list_accelerators(server(tmp_path, script)) == frozenset()


def test_an_engine_that_hangs_has_no_gpu(tmp_path: Path) -> None:
    started = time.monotonic()

    assert list_accelerators(server(tmp_path, "exec sleep 100"), timeout_s=0.3) == frozenset()
    assert time.monotonic() - started < 10


def test_an_engine_that_is_not_there_has_no_gpu() -> None:
    assert list_accelerators(["/nonexistent/llama-server"]) == frozenset()
