"""The image of the gateway, built from this very package: no registry, no pip, no network."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import frontier
from frontier.adapters.docker_cli import docker, text
from frontier.adapters.docker_images import PullPolicy, missing, pull
from frontier.adapters.files import locked, storage_errors, sync_folder
from frontier.adapters.wheel_platform import Platform
from frontier.domain.errors import FrontierError, RuntimeFailedError
from frontier.ports import Reporter
from frontier.renderers import gateway_image as rendered

if TYPE_CHECKING:
    from frontier.adapters.wheels import Wheels

_PATIENCE_S = 300.0
_BUILD_S = 600.0


class GatewayImage:
    """The image for one base image and kind of processor.

    Args:
        folder: ``data/builds/gateway`` of a workspace: one folder per set of inputs.
        base_image: Has CPython 3.13 as ``python3``.
        architecture: Of the Docker engine, ``amd64`` or ``arm64``.
        wheels: Opens the package index, once it is needed.
        package: The folder of the package `frontier`.
    """

    def __init__(
        self,
        folder: Path,
        base_image: str,
        architecture: str,
        wheels: "Callable[[], Wheels]",
        *,
        package: Path | None = None,
    ) -> None:
        self._folder, self._base, self._wheels = folder, base_image, wheels
        self._platform = Platform(
            architecture=architecture, python=rendered.PYTHON, glibc=rendered.GLIBC
        )
        self._package = package or Path(frontier.__file__).parent

    def reference(self) -> str:
        """Return the image's name; equal inputs have equal names, on every machine."""
        return rendered.reference(frontier.__version__, self._digest)

    @cached_property
    def _digest(self) -> str:
        code = {
            str(path.relative_to(self._package)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self._code()
        }
        base, platform = self._base, str(self._platform)
        inputs = [rendered.DOCKERFILE, base, platform, code, self._versions]
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    @cached_property
    def _versions(self) -> dict[str, str]:
        """The distributions as they are installed here."""
        return {package: version(package) for package in rendered.PACKAGES}

    def _code(self) -> Iterator[Path]:
        for part in rendered.PARTS:
            path = self._package / part
            yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]

    def context(self, reporter: Reporter) -> Path:
        """Return the folder that `docker build` gets; it is written first where it is missing.

        Raises:
            DownloadError: a wheel cannot be had.
            CorruptBlobError: a wheel is not what the index promises.
            StorageError: the folder cannot be written.
            BusyError: another command writes it, and takes too long.
        """
        target = self._folder / self._digest[:12]
        if not target.is_dir():
            doing = "prepare the gateway's image"
            with locked(self._folder / "lock", doing=doing, wait_s=_PATIENCE_S):
                if not target.is_dir():  # nobody else was quicker
                    self._write(target, reporter)
        return target

    def _write(self, target: Path, reporter: Reporter) -> None:
        for left in self._folder.glob(".beside.*"):  # by a command that was killed
            shutil.rmtree(left)
        with storage_errors(target):
            beside = Path(tempfile.mkdtemp(prefix=".beside.", dir=self._folder))
            try:
                self._fill(beside, reporter)
                beside.rename(target)
            except BaseException:
                shutil.rmtree(beside, ignore_errors=True)
                raise
            sync_folder(self._folder)

    def _fill(self, folder: Path, reporter: Reporter) -> None:
        library = folder / "lib"
        for path in self._code():
            copy = library / "frontier" / path.relative_to(self._package)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
        self._fetch(library, reporter)
        (folder / "Dockerfile").write_text(rendered.DOCKERFILE)
        for path in (folder, *folder.rglob("*")):  # whatever the umask: another user reads it
            path.chmod(0o755 if path.is_dir() else 0o644)

    def _fetch(self, library: Path, reporter: Reporter) -> None:
        wheels, label = self._wheels(), "Fetching the gateway's libraries"
        with reporter.task(label, total=len(self._versions)) as task:
            for done, (package, number) in enumerate(self._versions.items(), start=1):
                wheels.unpack(package, number, self._platform, library)
                task.update(done)
        wheels.forget()

    def is_built(self) -> bool:
        """Tell whether Docker has the image."""
        return not missing([self.reference()])

    def build(self, reporter: Reporter, policy: PullPolicy = "missing") -> str:
        """Return `reference`, having built the image where Docker does not have it.

        The name is given last: an image that has it works.

        Args:
            reporter: Shows what is done.
            policy: ``missing`` lets the base image come from a registry.

        Raises:
            RuntimeFailedError: the base image is missing or cannot run the gateway.
            FrontierError: see `context`, and whatever Docker says.
        """
        reference = self.reference()
        if self.is_built():
            return reference
        context = self.context(reporter)
        pull({"gateway": {"image": self._base}}, reporter, policy)
        with reporter.task(f"Building {reference}"):
            self._docker_build(context, reference)
        return reference

    def _docker_build(self, context: Path, reference: str) -> None:
        # a container of a failed step would stay otherwise
        words = ("--quiet", "--force-rm", "--tag", reference, "--build-arg", f"BASE={self._base}")
        try:
            with docker("building the gateway's image", limit_s=_BUILD_S) as client:
                text(client, "build", *words, str(context))
        except FrontierError as error:
            raise self._explained(error) from error

    def _explained(self, error: FrontierError) -> FrontierError:
        """Return *error*, or in its place what it means that the RUN of the Dockerfile failed."""
        said = f"{error.message}\n{error.details}"
        if "python3" not in said:
            return error
        return RuntimeFailedError(
            f"the image {self._base} cannot run the gateway, which needs {self._platform}",
            hint="frontier config unset GATEWAY_BASE_IMAGE",
            details=said,
        )
