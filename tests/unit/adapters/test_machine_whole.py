"""Whole machines: read as they are, and read all the same when anything of them fails."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

import machines
from frontier.adapters.machine.tools import Run, ToolError, ToolMissingError, runner
from frontier.cli.machine_rows import machine_rows
from frontier.cli.output import table
from frontier.domain.machine import Machine

Fails = Callable[[str, str], str]


def absent(tool: str, _intact: str) -> str:
    raise ToolMissingError(f"{tool}: not installed")


def hangs(tool: str, intact: str) -> str:
    raise ToolError(f"{tool}: timed out after 5 s", stdout=intact[: len(intact) // 2])


def garbage(_tool: str, _intact: str) -> str:
    return '\x00\ufffd<html>{"a": [1, "MiB"]} 7 MiB, , ,\n'


def exits_with_1(tool: str, _intact: str) -> str:
    raise ToolError(f"{tool}: exit code 1: no message")


def empty(_tool: str, _intact: str) -> str:
    return ""


MODES: tuple[Fails, ...] = (absent, hangs, garbage, exits_with_1, empty)

FED = {
    "sw_vers": {"os_version", "apple"},
    "sysctl": {"cpu", "memory", "apple", "virtual"},
    "vm_stat": {"memory"},
    "ioreg": {"apple"},
    "system_profiler": {"apple"},
    "metal": {"apple"},
    "mount": {"disk"},
}
"""What a tool's failure may change; all others tell of GPUs."""


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of every machine, to be left as they are."""
    return {
        name: machines.lay(machines.recorded(name), tmp_path_factory.mktemp(name))
        for name in machines.NAMES
    }


@cache
def intact(name: str, root: Path) -> Machine:
    """The machine when nothing fails."""
    return machines.probe(machines.recorded(name), root)


def failing(machine: machines.Recorded, fails: Fails, only: str = "") -> Run:
    """The tools of *machine*, of which that of *only*, or all, fail."""

    def run(argv: Sequence[str]) -> str:
        answer = machine.run(argv)
        line = machines.command_line(argv)
        known = max((start for start in machine.tools if line.startswith(start)), key=len)
        if only in ("", known):
            return fails(argv[0], answer)
        return answer

    return run


def stands_in(fails: Fails, machine: Machine) -> bool:
    """Tell whether the kernel told all that a tool which nobody installed would have told."""
    gpus = machine.gpus
    return (
        fails is absent
        and all(g.memory_total_bytes or g.is_integrated for g in gpus)
        and bool(gpus)
    )


def parts(machine: Machine) -> dict[str, object]:
    """What is told of *machine*, without the room on the disk of this one."""
    told = {field.name: getattr(machine, field.name) for field in fields(Machine)}
    told["disk"] = machine.disk.file_system if machine.disk else None
    return told


@pytest.mark.parametrize("name", machines.NAMES)
def test_a_machine_is_shown_as_it_is(name: str, roots: dict[str, Path]) -> None:
    machine = machines.recorded(name)

    rows = [row for row in machine_rows(machines.probe(machine, roots[name])) if row[0] != "disk"]

    shown = table(rows[0], rows[1:]).replace(str(roots[name]), "")
    assert tuple(shown.splitlines()) == machine.shown


def tools() -> Iterator[tuple[str, str, Fails]]:
    for name in machines.NAMES:
        for tool in machines.recorded(name).tools:
            yield from ((name, tool, fails) for fails in MODES)


@pytest.mark.parametrize(("name", "tool", "fails"), list(tools()))
def test_a_tool_that_fails_takes_only_its_part_and_says_so(
    name: str, tool: str, fails: Fails, roots: dict[str, Path]
) -> None:
    machine = machines.recorded(name)
    whole = intact(name, roots[name])

    found = machines.probe(machine, roots[name], failing(machine, fails, tool))

    left, right = parts(found), parts(whole)
    changed = {part for part in left if left[part] != right[part]} - {"problems"}
    assert changed <= FED.get(tool.split(maxsplit=1)[0], {"gpus"})
    assert not changed or set(found.problems) - set(whole.problems) or stands_in(fails, found)


@pytest.mark.parametrize("fails", MODES)
@pytest.mark.parametrize("name", machines.NAMES)
def test_a_machine_whose_tools_all_fail_is_described(
    name: str, fails: Fails, roots: dict[str, Path]
) -> None:
    machine = machines.recorded(name)
    whole = intact(name, roots[name])

    found = machines.probe(machine, roots[name], failing(machine, fails))

    assert (found.os, found.arch) == (whole.os, whole.arch)
    assert found.cpu.usable >= 1
    assert machine_rows(found)
    assert found.problems or not machine.tools or stands_in(fails, found)
    if machine.system == "Linux":  # the kernel tells these, no tool has a part in them
        assert (found.cpu, found.memory, found.numa) == (whole.cpu, whole.memory, whole.numa)


@pytest.mark.parametrize("content", [None, b"", b"\xff\x00 <html> -1,x 99999999999999999999"])
@pytest.mark.parametrize("name", machines.NAMES)
def test_a_file_that_is_missing_or_garbage_stops_nothing(
    name: str, content: bytes | None, tmp_path: Path
) -> None:
    machine = machines.recorded(name)
    root = machines.lay(machine, tmp_path)
    seen: set[str] = set()

    for file in machine.files:
        kind = "".join(c for c in file if not c.isdigit())
        if kind in seen:  # one processor's files stand for all
            continue
        seen.add(kind)
        path = root / file
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        found = machines.probe(machine, root)
        path.unlink(missing_ok=True)
        path.write_text(machine.files[file])

        assert found.cpu.usable >= 1, file
        assert machine_rows(found), file
        assert found.memory or found.problems, file


@pytest.mark.parametrize("name", ["linux-a100-mig", "linux-strix-halo", "linux-arc-b580"])
def test_real_programs_on_path_tell_the_same(
    name: str, roots: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = machines.recorded(name)
    for tool in {line.split(maxsplit=1)[0] for line in machine.tools}:
        write_tool(tmp_path, tool, machine)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    found = machines.probe(machine, roots[name], runner(30))

    assert parts(found) == parts(intact(name, roots[name]))


def write_tool(folder: Path, tool: str, machine: machines.Recorded) -> None:
    """Write a program that prints what *tool* of *machine* prints, longest command line first."""
    lines = sorted((line for line in machine.tools if line.startswith(tool)), key=len, reverse=True)
    cases = []
    for number, line in enumerate(lines):
        answer = folder / f"{tool}.{number}"
        answer.write_text(machine.tools[line])
        cases.append(f'"{line}"*) exec cat {answer} ;;')
    program = folder / tool
    program.write_text("\n".join(["#!/bin/sh", f'case "{tool} $*" in', *cases, "esac", "exit 9"]))
    program.chmod(0o755)
