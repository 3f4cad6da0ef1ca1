"""aider for real, against a throwaway repository."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from frontier.domain.check import Finding, failed, passed, warned

_FLAGS: Final = (
    *("--edit-format", "whole", "--yes-always", "--no-check-update", "--analytics-disable"),
    *("--no-gitignore", "--no-show-model-warnings", "--no-show-release-notes", "--no-pretty"),
    *("--map-tokens", "0", "--no-auto-lint", "--model-settings-file", "../settings.yml"),
)
_SETTINGS: Final = """- name: openai/{model}
  edit_format: whole
  use_repo_map: false
  extra_params: {{max_tokens: 512, temperature: 0}}
"""  # a small model would else go on until its context is full
_MESSAGE: Final = "Make hello.py print the word frontier instead. Answer with the whole file."
_BEFORE: Final = "print('hello')\n"
_RECEIVED: Final = re.compile(r"Tokens: .* sent, .* received")
_LIMIT: Final = "hit a token limit"
_FAILURE: Final = re.compile(
    r"litellm\.\w*Error.*|Traceback \(most recent call last\)|.*BadRequest.*"
)


@dataclass(frozen=True, slots=True)
class Aider:
    """Runs the program of that name on PATH.

    Attributes:
        program: Its path, "" where there is none.
    """

    program: str = ""

    @classmethod
    def found(cls) -> "Aider":
        """Return the one on PATH."""
        return cls(shutil.which("aider") or "")

    def missing(self) -> str:
        """Return what is missing to run it, "" for nothing."""
        if not self.program:
            return "aider is not installed"
        return "" if shutil.which("git") else "git is not installed, which aider needs"

    def edit(self, url: str, key: str, model: str, *, timeout_s: float) -> Finding:
        """Let it edit a file of a new repository with *model*, and tell what came of it.

        A home folder of its own keeps the person's settings and keys out of it.
        """
        with tempfile.TemporaryDirectory(prefix="frontier-aider-") as folder:
            repository = Path(folder) / "repository"
            _begin(repository)
            (Path(folder) / "settings.yml").write_text(_SETTINGS.format(model=model))
            begun = time.monotonic()
            code, said = _run(
                (self.program, *_FLAGS, "--model", f"openai/{model}", "--message", _MESSAGE,
                 "hello.py"),
                repository,
                {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": key or "none", "HOME": folder},
                timeout_s,
            )  # fmt: skip
            took_s = time.monotonic() - begun
            is_edited = (repository / "hello.py").read_text() != _BEFORE
        return _judged(code, said, model, took_s, is_edited=is_edited)


def _begin(repository: Path) -> None:
    repository.mkdir()
    (repository / "hello.py").write_text(_BEFORE)
    me = ("-c", "user.name=frontier", "-c", "user.email=frontier@localhost")
    for words in (("init", "-q"), ("add", "."), (*me, "commit", "-qm", "begin")):
        subprocess.run(  # noqa: S603 constant words
            ("git", *words),  # noqa: S607 the one that aider finds, too
            cwd=repository,
            check=True,
            capture_output=True,
        )


def _run(
    argv: tuple[str, ...], folder: Path, env: dict[str, str], timeout_s: float
) -> tuple[int | None, str]:
    """Return exit code, None where it did not end in time, and all that it printed."""
    # a proxy of the environment must never see a loopback request
    direct = {"NO_PROXY": "127.0.0.1,localhost", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    here = {**os.environ, **direct, **env}
    with subprocess.Popen(  # noqa: S603 the program that the person has installed
        argv,
        cwd=folder,
        env=here,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # so that its children can be ended with it
    ) as process:
        try:
            said, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            return None, said
        return process.returncode, said


def _judged(code: int | None, said: str, model: str, took_s: float, *, is_edited: bool) -> Finding:
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "nothing")
    if code is None:
        return failed(f"aider did not end: {last}", mend="frontier config set MODEL_TIMEOUT 900")
    if is_edited:
        return passed(f"aider edited a file with {model} within {took_s:.0f} s")
    if found := _FAILURE.search(said):
        return failed(f"aider failed: {found[0][:300]}", mend="frontier logs gateway")
    if code != 0 or not (_LIMIT in said or _RECEIVED.search(said)):
        return failed(f"aider ended with exit code {code}: {last}", mend="frontier logs gateway")
    return warned(
        f"aider got its answer from {model} within {took_s:.0f} s, and the answer was "
        + ("longer than it let it be" if _LIMIT in said else "no edit"),
        expected="an edited file",
        mend="Small models rarely follow aider's format: frontier up --model NAME",
    )
