"""The mistral.rs to start on the host: one that was built here, else the one on PATH."""

from frontier.adapters.mistral_binary import find_on_path
from frontier.adapters.mistral_build import MistralBuilds
from frontier.domain.binary import Binary
from frontier.domain.errors import RuntimeFailedError


def find_mistral(
    builds: MistralBuilds, accelerator: str, *, path: str | None = None
) -> Binary | None:
    """Return the mistral.rs for *accelerator*, else any, None if there is none.

    Args:
        builds: What was compiled in the workspace; wins over what lies on PATH.
        accelerator: What it should compute on.
        path: Where to look, like the variable PATH; None looks in PATH itself.

    Raises:
        RuntimeFailedError: nothing was built, and the one on PATH does not run.
    """
    built = (builds.newest(kind) for kind in dict.fromkeys((accelerator, *builds.accelerators)))
    found = [binary for binary in built if binary]
    if not any(binary.report.accelerator == accelerator for binary in found):
        try:
            found += [binary for binary in (find_on_path(path),) if binary]
        except RuntimeFailedError:
            if not found:
                raise
    fit = [binary for binary in found if binary.report.accelerator == accelerator]
    return next(iter((*fit, *found)), None)


def require_mistral(found: Binary | None, accelerator: str) -> Binary:
    """Return *found* where it can compute on *accelerator*; all can on the processor.

    Raises:
        RuntimeFailedError: there is none, or it was made for something else.
    """
    hint = f"frontier stack build mistral --accelerator {accelerator}"
    if found is None:
        raise RuntimeFailedError("mistral.rs is not on this machine", hint=hint)
    if accelerator not in ("cpu", found.report.accelerator):
        raise RuntimeFailedError(
            f"{found.path} was made for {found.report.accelerator}, not for {accelerator}",
            hint=hint,
        )
    return found


def describe(binary: Binary) -> str:
    """Return which one it is, for people."""
    origin = "built here" if binary.key else f"at {binary.path}"
    return f"mistral.rs {binary.report.version} for {binary.report.accelerator}, {origin}"
