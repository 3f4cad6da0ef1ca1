"""Pull models into the stores that engines keep by themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from frontier.domain.destination import Destination
from frontier.domain.errors import DoesNotFitError
from frontier.domain.units import size
from frontier.ports import HubRepositories, OllamaServer, Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePull:
    """What a pull into an engine's store did, or with a dry run would do.

    Attributes:
        name: What the engine calls it.
        keeper: Whose store it went into: ``ollama`` or ``hub``.
        place: That store's folder.
        size_bytes: Of all its files, None while unknown.
        download_bytes: What came, or would come, over the network; None while unknown.
        free_bytes: What was free before.
    """

    name: str
    keeper: str
    place: Path
    size_bytes: int | None
    download_bytes: int | None
    free_bytes: int
    applied: bool


def into_ollama(
    wanted: Destination,
    *,
    server: Callable[[], OllamaServer],
    place: Path,
    free_bytes: int,
    reporter: Reporter,
    dry_run: bool = False,
) -> EnginePull:
    """Have the running Ollama server pull a model, with the progress that it tells.

    Args:
        wanted: Its name in Ollama's words.
        server: Returns the one that runs.
        place: Its store.
        free_bytes: On the disk of that store.
        reporter: Shows progress.
        dry_run: Ask nobody.

    Raises:
        NotRunningError: no server answers.
        DownloadError: it cannot pull; what came is kept.
        DoesNotFitError: the disk is too small for what the catalog tells of it.
    """
    _require_room(wanted.name, wanted.about_bytes or 0, free_bytes)
    total: int | None = wanted.about_bytes
    came: int | None = None
    if not dry_run:
        running = server()
        with reporter.task(f"Ollama pulls {wanted.name}", total=total, unit="bytes") as task:
            total, came = running.pull(wanted.name, say=reporter.say, progress=task.update)
    return EnginePull(
        name=wanted.name,
        keeper="ollama",
        place=place,
        size_bytes=total,
        download_bytes=came,
        free_bytes=free_bytes,
        applied=not dry_run,
    )


def into_hub(
    wanted: Destination,
    *,
    repositories: HubRepositories,
    place: Path,
    free_bytes: int,
    reporter: Reporter,
    dry_run: bool = False,
) -> EnginePull:
    """Bring a repository of the hub into the cache that engines read.

    Raises:
        DownloadError: the hub does not answer; what came is kept.
        DoesNotFitError: the disk is too small; nothing was downloaded.
    """
    repo, revision = wanted.name, wanted.revision
    if dry_run:
        total, came = repositories.missing(repo, revision)
        _require_room(repo, came, free_bytes)
    else:
        with reporter.task(f"pulling {repo}", total=None, unit="bytes") as task:
            total, came = repositories.fetch(
                repo,
                revision,
                room=lambda missing: _require_room(repo, missing, free_bytes),
                progress=task.update,
            )
    return EnginePull(
        name=repo,
        keeper="hub",
        place=place,
        size_bytes=total,
        download_bytes=came,
        free_bytes=free_bytes,
        applied=not dry_run,
    )


def _require_room(name: str, missing: int, free: int) -> None:
    if missing > free:
        raise DoesNotFitError(
            f"{name} does not fit on the disk: it needs {missing:,} bytes ({size(missing)}), "
            f"{free:,} are free",
            hint="Free space: `frontier models df`, `frontier models rm NAME`.",
        )
