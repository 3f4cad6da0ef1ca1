"""The gateway's image as text: what its Dockerfile says and what must lie beside it; pure."""

from typing import Final

REPOSITORY: Final = "frontier-gateway"
PORT: Final = 8080
UID: Final = 10001

PYTHON: Final = (3, 13)
"""The CPython that the base image must have."""

GLIBC: Final = (2, 28)
"""The oldest C library that the base image may have: Debian 10, RHEL 8."""

PARTS: Final = (
    "__init__.py",
    "adapters/__init__.py",
    "adapters/files.py",
    "adapters/key_file.py",
    "adapters/yaml_lines.py",
    "domain",
    "gateway",
)
"""What of the package `frontier` the gateway imports."""

PACKAGES: Final = (
    "anyio",
    "backports-zstd",
    "httptools",
    "idna",
    "msgspec",
    "pyyaml",
    "starlette",
    "typing-extensions",
    "uvloop",
)
"""The distributions that those import, and what they need in turn."""

# The first import proves that the base has the right Python and processor, and leaves the
# bytecode of all that the gateway uses, the standard library's too, which slim images lack: a
# start then takes 0.2 s of processor time instead of 0.7 s. Without network, without pip.
DOCKERFILE: Final = f"""\
ARG BASE
FROM ${{BASE}}
COPY lib /opt/frontier
ENV PYTHONPATH=/opt/frontier PYTHONPYCACHEPREFIX=/opt/frontier-cache PYTHONUNBUFFERED=1
RUN ["python3", "-c", "import frontier.gateway.server"]
USER {UID}:{UID}
EXPOSE {PORT}
ENTRYPOINT ["python3", "-m", "frontier.gateway"]
CMD ["--listen", "0.0.0.0:{PORT}"]
"""


def reference(version: str, digest: str) -> str:
    """Return the image's name: *version* is Frontier's, *digest* the SHA-256 of its inputs."""
    # a tag may not hold the plus sign of a local version
    return f"{REPOSITORY}:{version.replace('+', '-')}-{digest[:12]}"
