"""Looks for the tools that compile an engine: Rust, C++, CUDA and Metal."""

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from frontier.adapters.machine.tools import Run, ToolError, ToolMissingError, one_line, runner
from frontier.domain.toolchain import Toolchain

_PATIENCE_S = 20.0  # rustup may look at its toolchains first
_CUDA_FOLDERS = ("/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda")
_LIBRARY_FOLDERS = ("lib64", "lib", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu")


@dataclass
class CargoTools:
    """The build tools of this machine.

    Args:
        environ: PATH, CUDA_HOME and CARGO_HOME are looked at.
        home: Rust's installer puts its tools here, on the PATH of login shells only.
        root: The file system that CUDA may lie on.
    """

    environ: Mapping[str, str]
    home: Path
    root: Path = Path("/")
    patience_s: float = _PATIENCE_S
    problems: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def path(self) -> str:
        """Return the folders where tools are looked for, as PATH has them."""
        cargo = self.environ.get("CARGO_HOME") or str(self.home / ".cargo")
        cuda = [str(folder / "bin") for folder in self._cuda_folders()]
        given = self.environ.get("PATH", os.defpath)
        return os.pathsep.join((given, str(Path(cargo) / "bin"), *cuda))

    def look(self, *, is_mac: bool) -> Toolchain:
        """Return what is installed; a tool that fails is named with what it said."""
        run = runner(self.patience_s)
        self.problems = {}
        rustc = self._said(run, "rustc", "-vV")
        nvcc = self._said(run, "nvcc", "--version") if not is_mac else ""
        driver = self._said(run, "nvidia-smi") if not is_mac else ""
        return Toolchain(
            rustc=_first(r"release: (\S+)", rustc),
            target=_first(r"host: (\S+)", rustc),
            cargo=_first(r"cargo (\d\S*)", self._said(run, "cargo", "-V")),
            cargo_path=self._found("cargo") or "",
            compiler=self._said(run, "c++", "--version").partition("\n")[0],
            nvcc=_first(r"release (\d+\.\d+)", nvcc),
            nvcc_folder=str(Path(self._found("nvcc") or "").parent) if nvcc else "",
            driver_cuda=_first(r"CUDA (?:UMD )?Version: *(\d+\.\d+)", driver),
            has_cudnn=bool(nvcc) and self._has_cudnn(),
            metal=self._said(run, "xcrun", "--find", "metal").strip() if is_mac else "",
            rustflags=self.environ.get("RUSTFLAGS", ""),
            problems=tuple(self.problems.items()),
        )

    def _found(self, tool: str) -> str | None:
        return shutil.which(tool, path=self.path)

    def _said(self, run: Run, tool: str, *arguments: str) -> str:
        """Return the output of *tool*, "" where it is missing or fails."""
        found = self._found(tool)
        if found is None:
            return ""
        try:
            return run([found, *arguments])
        except ToolMissingError:  # removed meanwhile
            return ""
        except ToolError as error:
            self.problems[tool] = one_line(str(error).removeprefix(f"{found}: "))
            return ""

    def _cuda_folders(self) -> Iterable[Path]:
        named = [
            self.environ[name] for name in ("CUDA_HOME", "CUDA_PATH") if self.environ.get(name)
        ]
        usual = [self.root / folder.lstrip("/") for folder in _CUDA_FOLDERS]
        return (*map(Path, named), *usual)

    def _has_cudnn(self) -> bool:
        """Tell whether cuDNN's header and library lie where compilers look."""
        roots = (*self._cuda_folders(), self.root / "usr")
        headers = [header for root in roots for header in (root / "include").rglob("cudnn.h")]
        libraries = [root / folder / "libcudnn.so" for root in roots for folder in _LIBRARY_FOLDERS]
        return bool(headers) and any(library.exists() for library in libraries)


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""
