"""A Docker image around a mistral.rs that was compiled on this machine."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

from frontier.adapters.docker_cli import docker, text
from frontier.adapters.files import storage_errors
from frontier.domain.binary import Binary
from frontier.domain.errors import RuntimeFailedError
from frontier.ports import Reporter

REPOSITORY: Final = "frontier-mistral"

# Nothing is fetched while it is built, and no builder but Docker's oldest is needed. Health checks
# use curl or wget: a base image that has neither, as Python's, gets a stand-in.
_DOCKERFILE: Final = """\
ARG BASE
FROM ${BASE}
COPY mistralrs frontier-health /usr/local/bin/
USER root
RUN command -v curl wget || ln -s frontier-health /usr/local/bin/wget
USER 65532:65532
ENV HOME=/tmp HF_HOME=/tmp/huggingface
EXPOSE 1234
ENTRYPOINT ["/usr/local/bin/mistralrs"]
CMD ["--help"]
"""
_HEALTH: Final = """\
#!/bin/bash
# wget [OPTIONS] http://HOST:PORT/PATH: ends well where the answer is 200; bash is in every Debian.
[[ "${@: -1}" =~ ^http://([^:/]+):([0-9]+)(/.*)$ ]] || exit 2
exec 3<>"/dev/tcp/${BASH_REMATCH[1]}/${BASH_REMATCH[2]}" || exit 1
printf 'GET %s HTTP/1.0\\r\\n\\r\\n' "${BASH_REMATCH[3]}" >&3
read -r -t 4 _ status _ <&3 && [ "$status" = 200 ]
"""


_HARDENED: Final = ("--read-only", "--network", "none", "--cap-drop", "ALL")


class MistralImages:
    """Images of what was compiled.

    Args:
        folder: ``data/builds/mistral``; the context of a build lies there while it lasts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def reference(self, binary: Binary, base: str) -> str:
        """Return the name of the image of *binary* on *base*: equal for equal contents."""
        inputs = "\n".join((binary.key or str(binary.path), base, _DOCKERFILE, _HEALTH))
        digest = hashlib.sha256(inputs.encode()).hexdigest()[:12]
        return f"{REPOSITORY}:{binary.report.version}-{digest}"

    def exists(self, reference: str) -> bool:
        """Tell whether the image is on this machine.

        Raises:
            RuntimeFailedError: Docker does not answer.
        """
        with docker("looking for the image of mistral.rs") as client:
            return client.image.exists(reference)

    def make(self, binary: Binary, base: str, reporter: Reporter) -> str:
        """Build the image, run it once, and return its name.

        Raises:
            FrontierError: the base is missing, or the binary does not run on it.
            StorageError: the context cannot be written.
        """
        reference = self.reference(binary, base)
        # only what has run once gets the name that others start
        trial = f"{reference}-trial"
        with (
            reporter.task(f"Building the image {reference}"),
            self._context(binary) as context,
            docker(f"building {reference}", limit_s=None) as client,
        ):
            build: Any = client.legacy_build  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] untyped
            build(context, build_args={"BASE": base}, tags=trial, network="none")
        try:
            _try(trial, base)
            with docker(f"naming {reference}") as client:
                client.image.tag(trial, reference)
        finally:
            with docker("removing the trial's name") as client:
                client.image.remove(trial)
        return reference

    @contextlib.contextmanager
    def _context(self, binary: Binary) -> Generator[Path]:
        """Yield a folder with all that the image is made of; the binary is not copied."""
        context = self._folder / f".context-{os.getpid()}.part"
        try:
            with storage_errors(context):
                context.mkdir(parents=True)
                (context / "Dockerfile").write_text(_DOCKERFILE)
                (context / "frontier-health").write_text(_HEALTH)
                (context / "frontier-health").chmod(0o755)
                _link(binary.path, context / "mistralrs")
            yield context
        finally:
            shutil.rmtree(context, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or a file that is not ours to link
        shutil.copy2(source, target)


def _try(reference: str, base: str) -> None:
    """Run it as the stacks do: no network, nothing to write to, no rights."""
    try:
        with docker("running mistral.rs in its image") as client:
            # not client.container.run, which lets the program's errors pass to the terminal
            text(client, "run", "--rm", *_HARDENED, reference, "--version")
    except RuntimeFailedError as error:
        if "GLIBC_" not in f"{error.message}{error.details}":
            raise
        raise RuntimeFailedError(
            f"the base image {base} is too old for a program that was compiled on this machine",
            hint="frontier stack build mistral --method image --base debian:trixie-slim",
            details=error.message,
        ) from error
