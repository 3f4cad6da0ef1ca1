"""The mistral.rs that Frontier compiled: one folder per set of inputs, whole or not there."""

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from frontier.adapters.cargo import Cargo
from frontier.adapters.files import locked, storage_errors, sync_folder
from frontier.adapters.mistral_binary import examine
from frontier.domain.binary import Binary, Report, verify
from frontier.domain.build import MISTRAL, Recipe, Release
from frontier.domain.errors import RuntimeFailedError
from frontier.ports import Reporter


class MistralBuilds:
    """What was compiled in one workspace.

    Args:
        folder: ``data/builds/mistral``: ``<key>/bin/mistralrs`` and ``<key>/build.json``.
        log: The log of the last build.
        environ: What cargo inherits; CARGO_TARGET_DIR is used and kept where it is set.
        release: What is compiled.
    """

    def __init__(
        self, folder: Path, log: Path, environ: Mapping[str, str], release: Release = MISTRAL
    ) -> None:
        self._folder, self._log, self._environ = folder, log, environ
        self._release = release

    def find(self, recipe: Recipe) -> Binary | None:
        """Return what was compiled from the same inputs, None if nothing was."""
        return self._load(self._folder / recipe.key)

    def newest(self, accelerator: str) -> Binary | None:
        """Return what was compiled last for *accelerator*, None if nothing was."""
        found = [(_built_at(path.parent), path.parent) for path in self._metas()]
        for _, folder in sorted(found, reverse=True):
            binary = self._load(folder)
            if binary and binary.report.accelerator == accelerator:
                return binary
        return None

    @property
    def accelerators(self) -> tuple[str, ...]:
        """Return what there are builds for."""
        loaded = [self._load(path.parent) for path in self._metas()]
        return tuple(sorted({binary.report.accelerator for binary in loaded if binary}))

    def _metas(self) -> list[Path]:
        return [p for p in self._folder.glob("*/build.json") if not p.parent.name.startswith(".")]

    def _load(self, folder: Path) -> Binary | None:
        """Return the build in *folder*, None where it is damaged."""
        path = folder / "bin" / self._release.binary
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            raw: dict[str, Any] = json.loads((folder / "build.json").read_text())
            if raw["size_bytes"] != path.stat().st_size or not os.access(path, os.X_OK):
                return None
            told: dict[str, Any] = raw["report"]
            report = Report(version=told["version"], features=tuple(told["features"]))
            return Binary(path=path, report=report, key=folder.name)
        return None

    def make(self, recipe: Recipe, cargo: str, search: str, reporter: Reporter) -> Binary:
        """Compile *recipe*, verify the result and keep it; all or nothing.

        Args:
            recipe: What to compile.
            cargo: Path of cargo.
            search: PATH for the compilers.
            reporter: Shows the crates that are done.

        Raises:
            BusyError: another command compiles.
            RuntimeFailedError: it does not compile, or is not what *recipe* says.
            StorageError: it cannot be written.
        """
        with locked(self._folder / "lock", doing="frontier stack build mistral"):
            beside = self._folder / f".{recipe.key}.part"
            self._sweep()
            target = Path(self._environ.get("CARGO_TARGET_DIR") or self._folder / ".target")
            environ = {**self._environ, "PATH": search}
            label = f"Compiling {self._release.crate} {recipe.version}"
            with reporter.task(label) as task:
                Cargo(cargo, self._log, environ).install(
                    self._release.crate,
                    recipe.version,
                    features=recipe.features,
                    root=beside,
                    target=target,
                    env=recipe.env,
                    task=task,
                )
            told = self._keep(recipe, beside)
            if target.parent == self._folder:
                shutil.rmtree(target, ignore_errors=True)
        path = self._folder / recipe.key / "bin" / self._release.binary
        return Binary(path=path, report=told, key=recipe.key)

    def _keep(self, recipe: Recipe, beside: Path) -> Report:
        """Verify what was compiled and rename it to its place."""
        told = self._verified(recipe, beside)
        binary, final = beside / "bin" / self._release.binary, self._folder / recipe.key
        meta = {
            "inputs": recipe.inputs,
            "report": asdict(told),
            "size_bytes": binary.stat().st_size,
        }
        with storage_errors(final):
            (beside / "build.json").write_text(json.dumps(meta, indent=2) + "\n")
            if final.exists():  # damaged: else nobody would have compiled again
                final.rename(self._folder / f".{recipe.key}.old")
            beside.rename(final)
            sync_folder(self._folder)
        self._sweep()
        return told

    def _verified(self, recipe: Recipe, folder: Path) -> Report:
        told = examine(folder / "bin" / self._release.binary)
        if problem := verify(recipe, told):
            raise RuntimeFailedError(
                f"the compiled mistral.rs is not what was asked for: {problem}",
                hint=f"All that was said: {self._log}",
            )
        return told

    def _sweep(self) -> None:
        """Remove what killed commands have left."""
        for left in (*self._folder.glob(".*.part"), *self._folder.glob(".*.old")):
            shutil.rmtree(left, ignore_errors=True)


def _built_at(folder: Path) -> float:
    return (folder / "build.json").stat().st_mtime
