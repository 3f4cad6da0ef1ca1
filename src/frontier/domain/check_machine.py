"""What the machine must have, as judgements of what the probes found."""

import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from frontier.domain.check import Finding, failed, passed, skipped, warned
from frontier.domain.gpu import hidden_gpus
from frontier.domain.machine import Machine
from frontier.domain.units import size

GIB: Final = 2**30
LEAST_MEMORY: Final = GIB // 2
"""What the smallest model of the catalog takes with its engine and the gateway."""

GOOD_MEMORY: Final = 4 * GIB
LEAST_DISK: Final = GIB
GOOD_DISK: Final = 10 * GIB
GOOD_FILES: Final = 1024
"""Open files: two per request, and the gateway holds a thousand requests."""

_ARCHITECTURES: Final = ("x86_64", "arm64", "aarch64")


def architecture(machine: Machine) -> Finding:
    """Judge the kind of processor, and that Python is built for it."""
    said = f"{machine.os_version}, {machine.arch}"
    if machine.arch not in _ARCHITECTURES:
        return failed(said, expected="x86_64 or arm64")
    if machine.apple and machine.arch != "arm64":
        return failed(
            f"{said}: an Intel build of Python on Apple silicon, which cannot use Metal",
            expected="an arm64 Python",
            mend="Install an arm64 Python: https://www.python.org/downloads/macos",
        )
    return passed(said)


def probes(machine: Machine) -> Finding:
    """Judge that everything could be read."""
    if machine.problems:
        return warned(
            "; ".join(machine.problems),
            expected="every probe answers",
            mend="What a probe cannot read, Frontier does not use: install or mend the tool named.",
        )
    return passed("every probe answered")


def processor(machine: Machine) -> Finding:
    """Judge the processor that computes where no GPU does."""
    cpu = machine.cpu
    said = f"{cpu.model}: {cpu.usable} of {cpu.logical} threads usable"
    is_intel = machine.arch == "x86_64" and machine.os == "linux"
    if is_intel and cpu.features and "avx2" not in cpu.features:
        return warned(
            f"{said}, without AVX2",
            expected="AVX2, or a GPU: without both an answer takes minutes",
            mend="In a virtual machine: let it see the host's processor (cpu: host).",
        )
    if cpu.usable < 2:  # noqa: PLR2004 one for the engine, one for the gateway
        return warned(said, expected="2 threads or more", mend="Raise the limit of CPUs.")
    return passed(said)


def memory(machine: Machine) -> Finding:
    """Judge the memory that models can have now, the limits of control groups included."""
    found = machine.memory
    if found is None:
        return warned("unknown", expected="a figure", mend="frontier doctor --only machine.probes")
    said = f"{size(found.available_bytes)} available of {size(found.total_bytes)}"
    if found.limit_bytes is not None and found.limit_bytes < found.total_bytes:
        said += f", limited to {size(found.limit_bytes)} by a control group"
    if found.available_bytes < LEAST_MEMORY:
        return failed(
            said,
            expected=f"{size(LEAST_MEMORY)} for the smallest model",
            mend="End what takes the memory, or raise the limit (docker run --memory, .wslconfig).",
        )
    if found.available_bytes < GOOD_MEMORY:
        return warned(
            said,
            expected=f"{size(GOOD_MEMORY)} for a model of 3 billion parameters",
            mend="Small models fit: frontier models available",
        )
    return passed(said)


def disk(machine: Machine) -> Finding:
    """Judge the room for models."""
    found = machine.disk
    if found is None:
        return warned("unknown", expected="a figure", mend="df -h")
    said = f"{size(found.free_bytes)} free of {size(found.total_bytes)} at {found.path}"
    mend = "Free some, or put the workspace elsewhere: frontier --workspace DIR up"
    if found.free_bytes < LEAST_DISK:
        return failed(said, expected=f"{size(LEAST_DISK)} free", mend=mend)
    if found.free_bytes < GOOD_DISK:
        return warned(
            said, expected=f"{size(GOOD_DISK)} for a model of 7 billion parameters", mend=mend
        )
    return passed(said)


def gpu(machine: Machine) -> Finding:
    """Judge the GPUs: each has a driver that tells its memory."""
    if machine.apple:
        return passed(f"{machine.apple.name}, by Metal")
    if hidden := hidden_gpus(machine):
        return failed(
            "; ".join(gpu.why for gpu in hidden), expected="its driver answers", mend=_DRIVER
        )
    if not machine.gpus:
        return passed("none: models run on the processor")
    return passed(", ".join(f"{g.name} ({g.driver or 'driver unknown'})" for g in machine.gpus))


_DRIVER: Final = "Install or reload the driver; nvidia-smi (or amd-smi) must list the GPU."


def open_files(limit: int) -> Finding:
    """Judge how many files and connections one process may have open."""
    said = f"{limit} open files"
    if limit < GOOD_FILES:
        return warned(said, expected=f"{GOOD_FILES} or more", mend=f"ulimit -n {4 * GOOD_FILES}")
    return passed(said)


def file_system(machine: Machine) -> Finding:
    """Judge the file system that models lie on."""
    disk = machine.disk
    if disk is None or not disk.file_system:
        return skipped("its kind is not known")
    said = f"{disk.path} lies on {disk.file_system}"
    if disk.is_remote:
        return warned(
            f"{said}, where every byte crosses a network or the border of a virtual machine",
            expected="a local disk: models load slowly from others, and locks may not work",
            mend="Put the workspace on a local disk: frontier --workspace DIR up",
        )
    return passed(said)


def wsl(kernel: str, workspace: str) -> Finding:
    """Judge Windows' Linux: *kernel* is ``/proc/version``."""
    text = kernel.lower()
    if "microsoft" not in text:
        return skipped("this is not WSL")
    if "wsl2" not in text and "microsoft-standard" not in text:
        return failed(
            "this is WSL 1, which has no real Linux kernel",
            expected="WSL 2",
            mend="In PowerShell: wsl --set-version DISTRIBUTION 2",
        )
    if workspace.startswith("/mnt/"):
        return warned(
            f"WSL 2, and the workspace {workspace} lies on Windows' disk",
            expected="a workspace on the disk of Linux",
            mend="frontier --workspace ~/frontier-llm-stack up",
        )
    return passed("WSL 2; .wslconfig says how much memory it has")


def proxies(environ: Mapping[str, str]) -> Finding:
    """Judge the proxies of the environment: none may stand before this machine itself."""
    given = {k.lower(): v for k, v in environ.items() if v}
    found = [n for n in ("http_proxy", "https_proxy", "all_proxy") if n in given]
    if not found:
        return passed("no proxy")
    said = ", ".join(f"{n.upper()}={_host(given[n])}" for n in found)
    direct = {part.strip() for part in given.get("no_proxy", "").split(",")}
    if "*" in direct or {"localhost", "127.0.0.1"} <= direct:
        return passed(f"{said}; not for this machine")
    return warned(
        f"{said}, and NO_PROXY does not name localhost and 127.0.0.1",
        expected="clients reach the gateway without a proxy",
        mend="export NO_PROXY=localhost,127.0.0.1,::1",
    )


def _host(url: str) -> str:
    """Return scheme, host and port of *url*: a proxy's URL may hold a password."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.hostname or '?'}{port}"


def certificate(told: str | None, now: float) -> Finding:
    """Judge what ``openssl x509 -enddate`` told of a certificate, None where it cannot be read."""
    mend = "frontier start makes a self-signed one anew; SSL_CERT_PATH names one of your own"
    try:
        ends = ssl.cert_time_to_seconds((told or "").partition("=")[2])
    except ValueError:
        return warned(f"openssl tells {told or 'nothing'}", expected="the day it ends", mend=mend)
    days = (ends - now) / 86400
    if days < 0:
        return failed("it has expired", expected="a certificate in force", mend=mend)
    if days < 14:  # noqa: PLR2004 time enough to get another
        return warned(f"it expires in {days:.0f} days", expected="14 days or more", mend=mend)
    return passed(f"it is in force for {days:.0f} days")


def clock(now: float, built: float, told: float | None) -> Finding:
    """Judge the clock: TLS certificates and keys that expire depend on it.

    Args:
        now: Of this machine, Unix time, seconds; likewise the others.
        built: When this Frontier was installed: no later time can be earlier.
        told: By a server, None where none was asked or answered.
    """
    mend = "sudo timedatectl set-ntp true (Linux), sudo sntp -sS time.apple.com (macOS)"
    if now < built - 86400:
        return failed("the clock is before the day Frontier was installed", mend=mend)
    if told is None:
        return passed("after the day Frontier was installed; no server was asked")
    apart = abs(now - told)
    if apart > 300:  # noqa: PLR2004 what most servers allow
        return failed(f"{apart:.0f} s apart from a server's", expected="5 minutes", mend=mend)
    return passed(f"{apart:.0f} s apart from a server's")
