"""Failures that a reader can act on; everything else is a bug and keeps its traceback."""

from typing import ClassVar


class FrontierError(Exception):
    """What failed, with its value, and the next move.

    Args:
        message: One sentence: what failed, with the value.
        hint: What to type or change next.
        details: The failing program's own last words, several lines at most.
    """

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class UsageError(FrontierError):
    """The command line contradicts itself."""

    code = "usage"
    exit_code = 2


class ConfigError(FrontierError):
    """A configuration file or variable has a wrong value; the message names file, line, field."""

    code = "config_invalid"


class NotFoundError(FrontierError):
    """The named thing does not exist."""

    code = "not_found"
    exit_code = 3


class ModelNotFoundError(NotFoundError):
    """No model has that name, neither in the store nor in the catalog."""

    code = "model_not_found"


class StackNotFoundError(NotFoundError):
    """No stack has that name."""

    code = "stack_not_found"


class RuntimeFailedError(FrontierError):
    """A service did not start, died or does not answer."""

    code = "runtime_failed"
    exit_code = 4


class NotRunningError(RuntimeFailedError):
    """The command needs a running stack."""

    code = "not_running"


class PortTakenError(RuntimeFailedError):
    """Another process listens where one of our services should."""

    code = "port_taken"


class RefusedError(FrontierError):
    """Frontier could, but will not: unsafe, does not fit, not confirmed."""

    code = "refused"
    exit_code = 5


class DoesNotFitError(RefusedError):
    """Memory or disk is too small for what was asked."""

    code = "does_not_fit"


class UnlikeError(RefusedError):
    """Two benchmarks differ in more than what is to be compared."""

    code = "bench_unlike"


class WorkspaceFormatError(RefusedError):
    """The workspace has a format that this version does not know."""

    code = "workspace_format"


class DamagedBackupError(FrontierError):
    """A backup is not what its manifest says, or not one of ours."""

    code = "backup_damaged"


class DownloadError(FrontierError):
    """A source could not be read; what came so far is kept and resumed."""

    code = "download_failed"


class CorruptBlobError(FrontierError):
    """Stored bytes are not what their digest says."""

    code = "blob_corrupt"


class ModelFormatError(FrontierError):
    """A file is not a model that this version can read."""

    code = "model_format"


class BenchFileError(FrontierError):
    """A file is not a benchmark result that this version can read."""

    code = "bench_result"


class NoFontError(FrontierError):
    """No font of this machine can write what stands in a picture."""

    code = "no_font"


class StorageError(FrontierError):
    """The workspace cannot be written: full disk, read-only, no permission."""

    code = "storage_failed"


class BusyError(FrontierError):
    """Another Frontier command holds the lock."""

    code = "busy"


class StalePlanError(BusyError):
    """Another Frontier command worked between a plan and its beginning."""

    code = "plan_stale"


class HalfDoneError(RuntimeFailedError):
    """A change failed, and so did going back: what runs is neither the old nor the new."""

    code = "half_done"

    def __init__(self, first: BaseException, second: FrontierError) -> None:
        details = first.details if isinstance(first, FrontierError) else ""
        super().__init__(
            f"{first}; and going back failed: {second.message}",
            hint=second.hint or "Bring it in order: frontier start",
            details="\n".join(filter(None, (details, second.details))),
        )
