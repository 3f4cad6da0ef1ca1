"""Look after stored models: list, show, check and remove them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from frontier.domain.catalog import CatalogEntry
from frontier.domain.errors import CorruptBlobError, RefusedError, UsageError
from frontier.domain.kept import KeptModel, named
from frontier.domain.model import Damage, GgufHeader, Health, Model
from frontier.domain.names import full_name, resolve
from frontier.domain.source import PackageSource, parse_source
from frontier.ports import Catalog, EngineKeeper, HeaderReader, ModelStore, Reporter
from frontier.usecases.catalog import is_here
from frontier.usecases.models import Pulled, find, unknown_model


@dataclass(frozen=True, slots=True)
class PartialDownload:
    """A download that was interrupted; the next pull goes on where it stopped."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ModelList:
    """What `models list` prints; *kept* lie in the stores of the workspace's engines."""

    models: tuple[Model, ...]
    partial: tuple[PartialDownload, ...]
    kept: tuple[KeptModel, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """What `models show` prints; *entry* is None for a model of no catalog."""

    model: Model
    header: GgufHeader
    entry: CatalogEntry | None
    kv_bytes_per_token: int | None


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """One model's health, and where its blob lies.

    Attributes:
        health: As it was found, before any repair.
        damage: The stretches that are bad, () where that cannot be told, or none is.
        repaired_bytes: What was fetched again, or with a dry run would be; None for nothing.
        is_repaired: It is whole again.
        keeper: Whose store it lies in, "" for ours.
    """

    name: str
    health: Health
    path: str
    damage: tuple[Damage, ...] = ()
    repaired_bytes: int | None = None
    is_repaired: bool = False
    keeper: str = ""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `models check` found."""

    models: tuple[CheckedModel, ...]

    @property
    def bad(self) -> tuple[CheckedModel, ...]:
        """Return those that are not ok now."""
        return tuple(m for m in self.models if m.health != "ok" and not m.is_repaired)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What `models rm` did, or with a dry run would do.

    Attributes:
        kept_bytes: What stays on the disk, because another name or program uses it.
        keeper: Whose store it was in, "" for ours.
    """

    name: str
    freed_bytes: int
    applied: bool
    kept_bytes: int = 0
    keeper: str = ""


def everything(*, store: ModelStore, engines: Sequence[EngineKeeper] = ()) -> ModelList:
    """Return what the store has, what it has begun, and what *engines* have of their own."""
    here = store.all()
    partial = sorted(store.partials().items())
    kept = tuple(model for engine in engines for model in engine.models())
    return ModelList(here, tuple(PartialDownload(name, size) for name, size in partial), kept)


def show(
    name: str, *, store: ModelStore, catalog: Catalog, read_header: HeaderReader
) -> ModelDetails:
    """Return what is known of a stored model, its own header included.

    Raises:
        ModelNotFoundError: it is not here.
        CorruptBlobError: its blob is gone.
        ModelFormatError: its blob is no readable GGUF file.
    """
    model = find(name, store=store, catalog=catalog)
    try:
        header = read_header(model.path)
    except FileNotFoundError:
        raise CorruptBlobError(
            f"the blob of {model.name} is gone: {model.path}",
            hint=f"frontier models pull {model.name}",
        ) from None
    same = (e for e in catalog.entries.values() if is_here(e, [model]))
    return ModelDetails(model, header, next(same, None), header.kv_bytes_per_token)


def check(
    names: list[str],
    *,
    store: ModelStore,
    catalog: Catalog,
    reporter: Reporter,
    engines: Sequence[EngineKeeper] = (),
    repair: Callable[[str], Pulled] | None = None,
    dry_run: bool = False,
) -> CheckReport:
    """Hash the named models again, all if none is named; those of *engines* are only told of.

    Args:
        names: Of the store or of an engine.
        store: Where they lie.
        catalog: Known names, for the errors.
        reporter: Shows progress.
        engines: Their models are looked at, too.
        repair: Brings a model that is bad; None to tell only.
        dry_run: Tell what a repair would fetch.

    Raises:
        ModelNotFoundError: one of them is not here.
        FrontierError: a repair failed; what was mended before stays so.
    """
    broken = {name: CheckedModel(name, "corrupt", "") for name in store.broken()}
    kept = [(engine, model) for engine in engines for model in engine.models()]
    if names:
        mine = {m.name for m in store.all()} | set(broken)
        ours = [n for n in names if (_can_be_ours(n) and resolve(n, mine)) or not _of(n, kept)]
        theirs = [one for name in names if name not in ours for one in _of(name, kept)]
        chosen = [n for name in ours if (n := resolve(name, broken))]
        models = [find(n, store=store, catalog=catalog) for n in ours if not resolve(n, broken)]
    else:
        theirs, chosen, models = kept, [*broken], [*store.all()]
    told = [_checked_kept(engine, model, reporter) for engine, model in theirs]
    checked = [*(broken[n] for n in chosen), *(_checked(m, store, reporter) for m in models)]
    if dry_run:
        checked = [_foreseen(model, store) for model in checked]
    elif repair:
        checked = [model if model.health == "ok" else _repaired(model, repair) for model in checked]
    return CheckReport(tuple(sorted([*checked, *told], key=lambda c: c.name)))


_Kept = tuple[EngineKeeper, KeptModel]


def _of(name: str, kept: Sequence[_Kept]) -> list[_Kept]:
    meant = named(name, [model for _, model in kept])
    return [one for one in kept if one[1] in meant]


def _checked_kept(engine: EngineKeeper, model: KeptModel, reporter: Reporter) -> CheckedModel:
    with reporter.task(f"checking {model.name}", total=model.size_bytes, unit="bytes") as task:
        health = engine.verify(model.name, task.update)
    return CheckedModel(model.name, health, str(model.path), keeper=model.keeper)


def _repaired(checked: CheckedModel, repair: Callable[[str], Pulled]) -> CheckedModel:
    pulled = repair(checked.name)
    fetched = pulled.repaired_bytes or (pulled.model.size_bytes if pulled.downloaded else 0)
    return replace(checked, repaired_bytes=fetched, is_repaired=True, path=str(pulled.model.path))


def _foreseen(checked: CheckedModel, store: ModelStore) -> CheckedModel:
    if checked.health == "ok":
        return checked
    model = store.load(checked.name)
    is_packed = model is not None and isinstance(parse_source(model.source), PackageSource)
    parts = 0 if is_packed else sum(stretch.size_bytes for stretch in checked.damage)
    return replace(checked, repaired_bytes=parts or (model.size_bytes if model else None))


def remove(
    name: str,
    *,
    store: ModelStore,
    engines: Sequence[EngineKeeper] = (),
    running: str = "",
    dry_run: bool = False,
) -> Removed:
    """Remove a model, or what an interrupted pull of it left.

    Args:
        name: Of the store, where its tag may be left out, else of an engine.
        store: Where it lies.
        engines: Where it is looked for next.
        running: The model that an engine has open now.
        dry_run: Tell what would be freed, and change nothing.

    Raises:
        ModelNotFoundError: there is nothing of that name.
        RefusedError: it is running: its engine could not start again.
        BusyError: it is being pulled.
    """
    known = {*(m.name for m in store.all()), *store.broken(), *store.partials()}
    found = resolve(name, known) if _can_be_ours(name) else None
    if not found:
        return _remove_kept(name, engines, known, running=running, dry_run=dry_run)
    _require_idle(found, running)
    model = store.load(found)
    size = model.size_bytes if model and model.path.exists() else 0
    freed = store.remove(found, dry_run=dry_run)
    return Removed(
        name=found, freed_bytes=freed, applied=not dry_run, kept_bytes=max(0, size - freed)
    )


def _can_be_ours(name: str) -> bool:
    try:
        return bool(full_name(name))
    except UsageError:
        return False


def _remove_kept(
    name: str,
    engines: Sequence[EngineKeeper],
    known: Collection[str],
    *,
    running: str,
    dry_run: bool,
) -> Removed:
    for engine in engines:
        have = engine.models()
        for model in named(name, have):
            _require_idle(model.name, running)
            freed = engine.remove(model.name, dry_run=dry_run)
            return Removed(
                name=model.name,
                freed_bytes=freed,
                applied=not dry_run,
                kept_bytes=max(0, model.size_bytes - freed),
                keeper=model.keeper,
            )
    raise unknown_model(name, [*known, *(m.name for engine in engines for m in engine.models())])


def _require_idle(name: str, running: str) -> None:
    if name == running:
        raise RefusedError(
            f"{name} is running, and its engine could not start again without it",
            hint="`frontier down` first, or bring up another: `frontier up --model NAME`.",
        )


def _checked(model: Model, store: ModelStore, reporter: Reporter) -> CheckedModel:
    with reporter.task(f"checking {model.name}", total=model.size_bytes, unit="bytes") as task:
        health = store.verify(model, task.update)
    damage = () if health == "ok" else store.damage(model) or ()
    return CheckedModel(model.name, health, str(model.path), damage)
