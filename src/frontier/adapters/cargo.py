"""Runs `cargo install` under a guard: no orphan, a log, progress, and words for its failures."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from frontier.adapters import guard
from frontier.adapters.files import storage_errors, write_atomic
from frontier.domain.errors import RuntimeFailedError
from frontier.ports import Task

_POLL_S = 0.2
_TAIL_BYTES = 64 * 1024
_LAST_LINES = 15
_GRACE_S = 5.0
_NEVER_ROTATED = 1 << 50
_BAR = re.compile(r" *[A-Z][a-z]+ \[[=> ]*\].*|\s+")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z ", re.MULTILINE)
_UNITS = re.compile(rb"Building \[[^\]]*\] +(\d+)/(\d+)")

# What a line of the log means, and what to do about it; the first that fits counts.
_HINTS = (
    (
        r"signal: 9, SIGKILL|Killed signal terminated|cannot allocate memory|out of memory",
        "A compiler ran out of memory: CARGO_BUILD_JOBS=1 frontier stack build mistral",
    ),
    (
        # a linker writes through a memory map: a full disk kills it
        r"No space left on device|terminated with signal 7",
        "The disk is full: frontier models list, frontier models rm NAME",
    ),
    (
        r"nvcc.*(not found|No such file)|Failed to execute `nvcc`|Unsupported cuda toolkit",
        "The CUDA toolkit does not fit: frontier stack build mistral --accelerator cpu",
    ),
    (
        r"find (library )?-lcudnn|cudnn\w*\.h",
        "cuDNN does not fit: frontier stack build mistral --features cuda",
    ),
    (r"linker `\S+` not found|failed to find tool", "sudo apt install build-essential"),
    (r"requires rustc \d|is not supported by the following", "rustup update stable"),
    (
        r"[Cc]ould ?n.t (resolve|connect)|Could not resolve|network failure|download .*failed"
        r"|failed to (download|fetch|query replaced)|attempting to make an HTTP request",
        "The crates must be reachable once; behind a proxy: HTTPS_PROXY=... "
        "frontier stack build mistral",
    ),
    (r"could not find `\S+` in registry", "cargo search mistralrs-cli"),
)


class Cargo:
    """Compiles one published crate.

    Args:
        program: Path of cargo.
        log: Replaced by the log of each run.
        environ: What cargo inherits.
    """

    def __init__(self, program: str, log: Path, environ: Mapping[str, str]) -> None:
        self._program, self.log, self._environ = program, log, dict(environ)

    def install(
        self,
        crate: str,
        version: str,
        *,
        features: Sequence[str],
        root: Path,
        target: Path,
        env: Mapping[str, str],
        task: Task,
    ) -> None:
        """Compile *crate* and put its programs into ``root/bin``.

        Args:
            crate: Name on crates.io.
            version: Exactly this one, with the versions of its own lock file.
            features: Compiled in beside the default ones.
            root: Folder that gets ``bin``.
            target: Folder for what lies between; the next run goes on from it.
            env: Added to the environment.
            task: Hears the crates that are done and all of them.

        Raises:
            RuntimeFailedError: it does not compile; the hint tells what to do.
            StorageError: the log cannot be written.
        """
        command = [self._program, "install", crate, "--version", version, "--locked", "--force"]
        command += ["--features", ",".join(features)] if features else []
        command += ["--root", str(root), "--target-dir", str(target)]
        code = self._run(command, env, task)
        if code != 0:
            raise self._failed(f"{crate} {version}", code)

    def _run(self, command: Sequence[str], env: Mapping[str, str], task: Task) -> int:
        """Return the exit code; cargo and its compilers die with this process."""
        write_atomic(self.log, f"$ {' '.join(command)}\n")
        settings = (str(self.log), str(_NEVER_ROTATED), "1", str(_GRACE_S))
        deathsig = str(int(sys.platform == "linux"))
        process = subprocess.Popen(  # noqa: S603 the user's own cargo
            (sys.executable, "-I", "-S", guard.__file__, *settings, deathsig, *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=self._environment(env),
            start_new_session=True,
        )
        try:
            return self._watch(process, task)
        finally:
            self._end(process)

    def _environment(self, env: Mapping[str, str]) -> dict[str, str]:
        jobs = self._environ.get("CARGO_BUILD_JOBS") or env.get("CARGO_BUILD_JOBS")
        return {
            **self._environ,
            **env,
            **({"CARGO_BUILD_JOBS": jobs} if jobs else {}),
            "CARGO_TERM_COLOR": "never",
            "CARGO_TERM_PROGRESS_WHEN": "always",
            "CARGO_TERM_PROGRESS_WIDTH": "80",
        }

    def _watch(self, process: "subprocess.Popen[bytes]", task: Task) -> int:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(_POLL_S)
            if found := _UNITS.findall(self._tail()):
                done, total = found[-1]
                task.update(int(done), int(total))

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        """Close the lifeline, wait until nothing is left, and keep the log without its bars."""
        if process.stdin is not None:  # pragma: no branch - it was started with a pipe
            process.stdin.close()
        process.wait()
        with contextlib.suppress(OSError):
            write_atomic(self.log, "\n".join(_lines(self.log.read_bytes())) + "\n")

    def _tail(self) -> bytes:
        with storage_errors(self.log), self.log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            return file.read()

    def _failed(self, what: str, code: int) -> RuntimeFailedError:
        lines = _lines(self._tail())
        text = "\n".join(lines)
        hints = (hint for pattern, hint in _HINTS if re.search(pattern, text))
        return RuntimeFailedError(
            f"{what} does not compile: cargo ended with exit code {code}",
            hint=next(hints, f"All that it said: {self.log}"),
            details="\n".join(_last_words(lines)),
        )


def _lines(raw: bytes) -> list[str]:
    """Return the lines of *raw* without the guard's times and cargo's progress bars."""
    parts = re.split(r"[\r\n]+", _STAMP.sub("", raw.decode(errors="replace")))
    return [line.rstrip() for line in parts if not _BAR.fullmatch(line) and line]


def _last_words(lines: Sequence[str]) -> Sequence[str]:
    """Return what begins with the first error, else the last lines."""
    errors = [i for i, line in enumerate(lines) if re.match(r"\s*error(\[|:|$)", line)]
    begin = errors[0] if errors else max(0, len(lines) - _LAST_LINES)
    return lines[begin : begin + _LAST_LINES]
