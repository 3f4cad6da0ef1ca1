"""`frontier models pull` into the stores that engines keep by themselves."""

from frontier.cli.output import size, table, text
from frontier.cli.session import Session
from frontier.domain.destination import Destination
from frontier.domain.errors import UsageError
from frontier.usecases import engine_pull


def pull(
    session: Session, goal: Destination, *, stored_as: str, dry_run: bool
) -> engine_pull.EnginePull:
    """Bring the model of *goal* into its engine's store, or plan it.

    Raises:
        UsageError: *stored_as* is given: engines have names of their own.
    """
    if stored_as:
        raise UsageError(
            "--name is for models of our store", hint=f"frontier models pull {goal.name}"
        )
    services = session.services
    models = services.models
    if not dry_run:
        models.begin()
    if goal.place == "ollama":
        return engine_pull.into_ollama(
            goal,
            server=lambda: services.access.ollama,
            place=models.ollama_folder,
            free_bytes=models.store.free_bytes(),
            reporter=session.reporter,
            dry_run=dry_run,
        )
    return engine_pull.into_hub(
        goal,
        repositories=models.hub_repositories,
        place=models.hub_folder,
        free_bytes=models.store.free_bytes(),
        reporter=session.reporter,
        dry_run=dry_run,
    )


@text.register
def _(result: engine_pull.EnginePull) -> str:
    if result.applied:
        verb = "pulled" if result.download_bytes else "already here:"
        came = f", {size(result.download_bytes)} came" if result.download_bytes else ""
        return f"{verb} {result.name}  {_size(result.size_bytes)}{came}  in {result.place}"
    rows = [
        ("model", result.name),
        ("into", f"{result.place} ({result.keeper})"),
        ("size", _size(result.size_bytes)),
        ("download", _size(result.download_bytes)),
        ("disk free", _size(result.free_bytes)),
    ]
    return table(rows[0], rows[1:])


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,} bytes ({size(count)})"
