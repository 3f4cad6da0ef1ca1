"""Look into the catalog: what can be had by name, and what of it is here."""

from collections.abc import Collection
from dataclasses import dataclass

from frontier.domain.catalog import CatalogEntry, choose
from frontier.domain.catalog_search import Wish, engines_of
from frontier.domain.model import Model
from frontier.domain.source import is_source
from frontier.ports import Catalog, ModelStore


@dataclass(frozen=True, slots=True)
class AvailableModel:
    """One entry of the catalog, which engines can run it, and whether a file of it is here."""

    entry: CatalogEntry
    is_present: bool
    engines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AvailableModels:
    """What `models available` and `models search` print; *known* entries are in the catalog."""

    models: tuple[AvailableModel, ...]
    known: int = 0


def available(*, store: ModelStore, catalog: Catalog, wish: Wish | None = None) -> AvailableModels:
    """Return the entries that meet *wish*, each with whether its file is here.

    Raises:
        ConfigError: a file of the user's catalog is wrong.
    """
    stored, entries = store.all(), catalog.entries.values()
    found = [entry for entry in entries if wish is None or wish.is_met_by(entry)]
    return AvailableModels(
        tuple(AvailableModel(e, is_here(e, stored), engines_of(e)) for e in found), len(entries)
    )


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What `models show` prints of a model that is not here: what the catalog tells."""

    entry: CatalogEntry
    engines: tuple[str, ...]
    kv_bytes_per_token: int | None


def known(name: str, *, catalog: Catalog) -> KnownModel | None:
    """Return what the catalog tells of *name*, None if it does not know it."""
    if is_source(name) or not (chosen := choose(name, catalog.entries)):
        return None
    entry = chosen.entry
    kv_bytes = entry.architecture.kv_bytes_per_token if entry.architecture else None
    return KnownModel(entry, engines_of(entry), kv_bytes)


def is_here(entry: CatalogEntry, stored: Collection[Model]) -> bool:
    """Tell whether one of *stored* is a file of *entry*."""
    sources = {source for file in entry.quantisations for source in file.sources}
    return any(model.digest in entry.digests or model.source in sources for model in stored)
