"""Repair a stored model: fetch what is damaged, and nothing else."""

from collections.abc import Iterable

from frontier.domain.errors import CorruptBlobError, DownloadError, NotFoundError
from frontier.domain.model import Model
from frontier.ports import ModelSources, ModelStore, Reporter, Task


def repair(
    model: Model,
    others: Iterable[str] = (),
    *,
    store: ModelStore,
    sources: ModelSources,
    reporter: Reporter,
) -> int:
    """Fetch the damaged parts of *model*; return the bytes, 0 where it has to be fetched whole.

    Args:
        model: Of the store; its blob is mended in place.
        others: Sources that have the same file, asked where its own cannot help.
        store: Where it lies.
        sources: Where parts come from.
        reporter: Shows progress.

    Raises:
        StorageError: the blob cannot be written.
    """
    damage = store.damage(model)
    if not damage:
        return 0
    total = sum(stretch.size_bytes for stretch in damage)
    for source in dict.fromkeys((model.source, *others)):
        try:
            remote = sources.locate(source)
            with reporter.task(f"repairing {model.name}", total=total, unit="bytes") as task:
                writer = _Writer(store, model, task)
                for stretch in damage:
                    sources.stretch(remote, stretch.begin, stretch.end, writer)
        except (DownloadError, CorruptBlobError, NotFoundError) as error:
            reporter.say(f"{model.name} cannot be mended in parts: {error.message}")
            continue
        if store.verify(model) == "ok":
            return total
    return 0


class _Writer:
    """Puts part by part into its place."""

    def __init__(self, store: ModelStore, model: Model, task: Task) -> None:
        self._store, self._model, self._task = store, model, task
        self._done = 0

    def __call__(self, begin: int, data: bytes) -> None:
        self._store.mend(self._model, begin, data)
        self._done += len(data)
        self._task.update(self._done)
