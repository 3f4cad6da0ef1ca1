"""Import what other programs have already, without copying bytes."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from frontier.domain.errors import FrontierError, ModelNotFoundError, RefusedError
from frontier.domain.kept import KeptModel, named
from frontier.domain.names import full_name, name_from_file, nearest
from frontier.ports import ModelKeeper, ModelStore, Reporter

State = Literal["new", "here", "name taken", "other disk", "not one GGUF file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Importable:
    """A model of another program, and what an import of it would find.

    Attributes:
        name: What it would be called here.
    """

    model: KeptModel
    name: str
    state: State


@dataclass(frozen=True, slots=True)
class ImportList:
    """What `models import` prints without names; *places* were looked into."""

    models: tuple[Importable, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedModel:
    """What became of one model.

    Attributes:
        name: Here.
        model: There.
        how: ``hard link``, ``reflink``, ``here already``, or "" where it was left out.
        reason: Why it was left out.
    """

    name: str
    model: KeptModel
    how: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What `models import` did, or with a dry run would do."""

    models: tuple[ImportedModel, ...]
    applied: bool


def importable(keepers: Sequence[ModelKeeper], *, store: ModelStore) -> ImportList:
    """Return what *keepers* have, and what of it is here."""
    found = [_seen(model, store) for keeper in keepers for model in keeper.models()]
    return ImportList(tuple(found), tuple(str(keeper.root) for keeper in keepers))


def import_models(
    names: Sequence[str],
    keepers: Sequence[ModelKeeper],
    *,
    store: ModelStore,
    reporter: Reporter,
    stored_as: str = "",
    dry_run: bool = False,
) -> Imported:
    """Take models of *keepers* into the store: the same bytes on the disk, no copy.

    Args:
        names: What their keepers call them; empty for all that can be had.
        keepers: Asked in this order.
        store: Where they go.
        reporter: Shows progress: every file is read once, for its digest.
        stored_as: Name here, for one model.
        dry_run: Change nothing.

    Raises:
        ModelNotFoundError: nobody has a model of that name.
        RefusedError: a named one cannot be had without a copy, or its name is taken.
    """
    have = [model for keeper in keepers for model in keeper.models()]
    chosen = [_one(name, have) for name in names] or have
    seen = [_seen(model, store, stored_as) for model in chosen]
    if names:
        for item in seen:
            _require_possible(item)
    done = [_import(item, store, reporter, bool(names), dry_run) for item in _once(seen)]
    return Imported(tuple(done), applied=not dry_run)


def _once(seen: Iterable[Importable]) -> Iterable[Importable]:
    """Yield each name once: two programs may have the same model."""
    names: set[str] = set()
    for item in seen:
        if item.name not in names:
            names.add(item.name)
            yield item


def _one(name: str, have: Sequence[KeptModel]) -> KeptModel:
    if found := named(name, have):
        return next((model for model in found if model.is_gguf), found[0])
    near = nearest(name, [model.name for model in have])
    raise ModelNotFoundError(
        f"no other program on this machine has a model {name!r}",
        hint=f"Did you mean {' or '.join(near)}?"
        if near
        else "`frontier models import` lists what they have.",
    )


def _seen(model: KeptModel, store: ModelStore, stored_as: str = "") -> Importable:
    name = full_name(stored_as or _own_name(model))
    state: State = "new"
    here = store.load(name)
    if not model.is_gguf:
        state = "not one GGUF file"
    elif here and here.digest == model.digest:
        state = "here"
    elif here and (model.digest or here.source != model.source):
        state = "name taken"
    elif here:
        state = "here"
    elif not store.can_share(model.path):
        state = "other disk"
    return Importable(model=model, name=name, state=state)


def _own_name(model: KeptModel) -> str:
    if model.keeper == "ollama":
        place, _, last = model.name.rpartition("/")
        return model.name if "." not in place and ":" not in place else last
    return name_from_file(model.file_name or model.name)


def _require_possible(item: Importable) -> None:
    model = item.model
    match item.state:
        case "not one GGUF file":
            raise RefusedError(
                f"{model.name} is no single GGUF file, and the store holds nothing else",
                hint="vLLM and mistral.rs read such models from the hub's cache of the workspace.",
            )
        case "name taken":
            raise RefusedError(
                f"{item.name} is another model here",
                hint=f"frontier models import {shlex.quote(model.name)} --name OTHER",
            )
        case "other disk":
            raise RefusedError(
                f"{model.path} lies on another disk than the store: it would have to be copied",
                hint=f"To copy it: frontier models pull {shlex.quote(f'file:{model.path}')} "
                f"--name {item.name}",
            )
        case _:
            pass


def _import(
    item: Importable, store: ModelStore, reporter: Reporter, is_named: bool, dry_run: bool
) -> ImportedModel:
    model, left_out = item.model, ImportedModel(name=item.name, model=item.model, how="")
    if item.state not in ("new", "here"):
        return replace(left_out, reason=item.state)
    if item.state == "here" or dry_run:
        return replace(left_out, how="here already" if item.state == "here" else "hard link")
    try:
        with reporter.task(f"reading {model.name}", total=model.size_bytes, unit="bytes") as task:
            _, how = store.share(model.path, item.name, source=model.source, watch=task.update)
    except FrontierError as error:
        if is_named:
            raise
        return replace(left_out, reason=error.message)
    return replace(left_out, how=how)
