"""Images that stand in for the official ones, built from Debian packages once per machine.

``python tests/docker_images.py`` builds what is missing and prints the settings that name them.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from debian_packages import Root, write_root
from downloads import downloads

HERE = Path(__file__).parent
REPOSITORY = "frontier-test"

_SHELL = ("base-files", "coreutils", "dash", "ca-certificates", "curl")
ROOTS = {
    "trixie": Root(
        suite="trixie",
        packages=(
            *_SHELL, "bash", "busybox-static", "grep", "sed",
            "nginx", "prometheus", "prometheus-alertmanager", "prometheus-node-exporter", "python3",
        ),
        # the official images have wget where these have curl, and other names for programs
        links={
            "usr/bin/wget": "busybox",
            "usr/bin/alertmanager": "prometheus-alertmanager",
            "usr/bin/node_exporter": "prometheus-node-exporter",
            "var/log/nginx/access.log": "/dev/stdout",
            "var/log/nginx/error.log": "/dev/stderr",
        },
        folders=("alertmanager", "prometheus", "var/cache/nginx"),
        scripts={"docker-entrypoint.sh": '#!/bin/sh\nexec "$@"\n'},
    ),
    # llama.cpp came to Debian after trixie; a processor's own back end is chosen at run time
    "forky": Root(
        suite="forky",
        packages=(*_SHELL, "llama.cpp-tools"),
        links={"app/llama-server": "/usr/bin/llama-server"},
        folders=("app",),
    ),
}  # fmt: skip
IMAGES = {
    "ALERTMANAGER_IMAGE": ("alertmanager", "trixie"),
    "GATEWAY_BASE_IMAGE": ("python", "trixie"),
    "LLAMACPP_IMAGE": ("llamacpp", "forky"),
    "NGINX_IMAGE": ("nginx", "trixie"),
    "NODE_EXPORTER_IMAGE": ("node-exporter", "trixie"),
    "PROMETHEUS_IMAGE": ("prometheus", "trixie"),
}
"""Setting to the Dockerfile in ``images/`` and the root that it is built on."""

_PATIENCE_S = 900


class DockerMissingError(Exception):
    """No Docker engine answers; the text is its reason."""


def server_architecture() -> str:
    """Return the Docker engine's architecture, ``amd64`` or ``arm64``.

    Raises:
        DockerMissingError: none answers.
    """
    try:
        return docker("version", "--format", "{{.Server.Arch}}")
    except FileNotFoundError:
        raise DockerMissingError("there is no program `docker`") from None
    except subprocess.CalledProcessError as error:
        words = (error.stderr.strip() or error.stdout.strip()).splitlines()
        raise DockerMissingError(words[-1] if words else "`docker version` fails") from None


def ensure_images(cache: Path) -> dict[str, str]:
    """Return the settings that name the suite's images; what is missing is built first.

    A tag is the hash of all that goes into an image, so a second call builds nothing.
    """
    from frontier.adapters.files import locked

    architecture = server_architecture()
    wanted = {setting: _image(*image, architecture) for setting, image in IMAGES.items()}
    if not all(map(_is_here, wanted.values())):
        with locked(cache / "images.lock", doing="build images for tests", wait_s=_PATIENCE_S):
            for (name, base), reference in zip(IMAGES.values(), wanted.values(), strict=True):
                if not _is_here(reference):
                    _build(name, _ensure_root(base, architecture, cache), reference)
    return wanted


def _image(name: str, base: str, architecture: str) -> str:
    return _reference(name, _root(base, architecture), _dockerfile(name).read_text())


def _root(base: str, architecture: str) -> str:
    root, code = ROOTS[base], (HERE / "debian_packages.py").read_text()
    return _reference(base, repr(root), architecture, code)


def _reference(name: str, *inputs: str) -> str:
    return f"{REPOSITORY}/{name}:{hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]}"


def _dockerfile(name: str) -> Path:
    return HERE / "images" / f"{name}.Dockerfile"


def _ensure_root(base: str, architecture: str, cache: Path) -> str:
    """Return the image of the root file system *base*, made first where it is missing."""
    reference = _root(base, architecture)
    if not _is_here(reference):
        packages, archive = cache / "debian", cache / f"{base}.tar"
        packages.mkdir(parents=True, exist_ok=True)
        write_root(ROOTS[base], architecture, cache=packages, target=archive)
        docker("import", "--platform", f"linux/{architecture}", str(archive), reference)
        archive.unlink()
    return reference


def _build(name: str, base: str, reference: str) -> None:
    dockerfile = _dockerfile(name).read_text()
    docker("build", "-q", "-t", reference, "--build-arg", f"BASE={base}", "-", stdin=dockerfile)


def _is_here(reference: str) -> bool:
    return bool(docker("images", "-q", reference))


def docker(*arguments: str, stdin: str | None = None) -> str:
    """Return what ``docker`` prints.

    Raises:
        FileNotFoundError: there is no such program.
        subprocess.CalledProcessError: it fails; with its standard error.
    """
    done = subprocess.run(
        ("docker", *arguments),
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=_PATIENCE_S,
    )
    return done.stdout.strip()


def main() -> int:
    """Build what is missing; without Docker say so: the tests then fail or skip by themselves."""
    try:
        images = ensure_images(downloads())
    except DockerMissingError as error:
        sys.stderr.write(f"no images for the Docker tests: {error}\n")
        return 0
    except (subprocess.CalledProcessError, OSError) as error:
        why = getattr(error, "stderr", "")
        sys.stderr.write(f"error: the images of the Docker tests: {error}\n{why}\n")
        return 1 if os.environ.get("CI") else 0
    for setting, reference in images.items():
        sys.stdout.write(f"{setting}={reference}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
