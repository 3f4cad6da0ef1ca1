"""Tell whether a model fits this machine, before anything of it is downloaded."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from frontier.domain import candidates, fit_table
from frontier.domain.candidates import Candidate, Repository
from frontier.domain.catalog import CatalogEntry
from frontier.domain.catalog import choose as choose_entry
from frontier.domain.config_shape import shape_of
from frontier.domain.errors import FrontierError, ModelFormatError, ModelNotFoundError, UsageError
from frontier.domain.fit_table import FitRow
from frontier.domain.machine import Machine
from frontier.domain.names import full_name
from frontier.domain.recommend import Recommendation
from frontier.domain.shape import Shape, Weights
from frontier.domain.sizing import KvType, Load
from frontier.domain.source import is_source
from frontier.domain.stack import Stack
from frontier.domain.units import size
from frontier.ports import Catalog, ModelInspector, ModelStore
from frontier.usecases.models import find, unknown_model

_REPOSITORY: Final = re.compile(r"hf:([\w.-]+/[\w.-]+?)(?:@([\w.-]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What `models fit` found.

    Attributes:
        model: What was asked for.
        basis: Where its architecture was read.
        trained_context: Tokens that it was trained for, 0 if unknown.
        context: Tokens of one request slot that were wanted.
        rows: Every combination, the wanted context first of each.
        chosen: What to take, None where nothing fits.
        reason: Why, in one sentence; or by how much the nearest does not fit.
        instead: What would fit, where nothing does.
    """

    model: str
    basis: str
    trained_context: int
    context: int
    parallel: int
    kv_type: KvType
    rows: tuple[FitRow, ...]
    chosen: FitRow | None
    reason: str
    instead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finder:
    """Finds the files of a model, with what their memory follows from.

    Attributes:
        store: Models that are here.
        catalog: Models that are known.
        inspector: Reads headers and configurations where the models lie.
    """

    store: ModelStore
    catalog: Catalog
    inspector: ModelInspector

    def all(self, name: str) -> tuple[Candidate, ...]:
        """Return the files of *name*: a model's name, a source, a repository, a file.

        Raises:
            ModelNotFoundError: there is no such model.
            DownloadError: its place does not answer.
            ModelFormatError: it tells nothing of its layers.
        """
        if match := _REPOSITORY.fullmatch(name):
            return self._repository(name, self.inspector.repository(match[1], match[2] or ""))
        if is_source(name):
            return self._source(name)
        if name.endswith(".gguf") and Path(name).is_file():
            return self._source(f"file:{name}")
        known = choose_entry(name, self.catalog.entries) if not _is_path(name) else None
        if known is None:
            return self._stored(name)
        found = self._entry(known.entry)
        is_one = full_name(name) == known.name != known.entry.name
        return tuple(c for c in found if c.name == known.name) if is_one else found

    def _stored(self, name: str) -> tuple[Candidate, ...]:
        try:
            model = find(name, store=self.store, catalog=self.catalog)
        except (ModelNotFoundError, UsageError):
            raise unknown_model(name, [*self.catalog.entries]) from None
        (found,) = self._source(f"file:{model.path}")
        return (replace(found, name=model.name),)

    def _source(self, source: str) -> tuple[Candidate, ...]:
        header, length = self.inspector.header(source)
        found = candidates.of_header(source, header, length)
        if found is None:
            raise ModelFormatError(
                f"{source} does not tell how many layers it has",
                hint="Models that compute text do; see `frontier models available`.",
            )
        return (found,)

    def _repository(self, name: str, repository: Repository) -> tuple[Candidate, ...]:
        found = list[Candidate]()
        if smallest := repository.smallest:
            (like,) = self._source(f"hf:{repository.repo}/{smallest}")
            found += [
                candidates.of_file(
                    f"hf:{repository.repo}/{file}", candidates.quantisation_of(file), length, like
                )
                for file, length in repository.ggufs.items()
            ]
        shape = shape_of(repository.config)
        if repository.safetensors_bytes and shape:
            found.append(_checkpoint(repository, shape))
        if not found:
            raise ModelFormatError(
                f"{name} does not tell how many layers it has",
                hint="Name one of its files: hf:OWNER/REPO/FILE.gguf",
            )
        return tuple(found)

    def _entry(self, entry: CatalogEntry) -> tuple[Candidate, ...]:
        """Return the files of *entry*, measured at the first of them that can be read now."""
        found = candidates.of_catalog(entry)
        like = self._read_one(entry)
        if like is None:
            return found
        return tuple(_as_read(candidate, like) for candidate in found)

    def _read_one(self, entry: CatalogEntry) -> Candidate | None:
        digests = entry.digests
        with suppress(FrontierError, OSError):
            for model in self.store.all():
                if model.digest in digests:
                    return self._source(f"file:{model.path}")[0]
        for file in entry.quantisations[:1]:
            for source in (s for s in file.sources if s.startswith(("hf:", "https:"))):
                with suppress(FrontierError):
                    return self._source(source)[0]
        return None


def _is_path(name: str) -> bool:
    return name.startswith(("/", "./", "../", "~"))


def _as_read(candidate: Candidate, like: Candidate) -> Candidate:
    """Return *candidate* with the shape that was read."""
    length = candidate.weights.total_bytes
    if candidate.format == "gguf":
        return candidates.of_file(candidate.name, candidate.quantisation, length, like)
    return replace(candidate, shape=like.shape, basis=like.basis)


def _checkpoint(repository: Repository, shape: Shape) -> Candidate:
    config = repository.config
    dtype = str(config.get("torch_dtype") or config.get("dtype") or "")
    quantised: Mapping[str, object] = config.get("quantization_config") or {}
    kind = str(quantised.get("quant_method", ""))
    short = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
    return Candidate(
        name=repository.repo,
        quantisation=kind.upper() or short.get(dtype, ""),
        format="hub",
        weights=Weights(total_bytes=repository.safetensors_bytes),
        shape=shape,
        basis="config.json",
    )


def fit(
    name: str,
    *,
    finder: Finder,
    machine: Machine,
    stacks: Sequence[Stack],
    load: Load,
    load_of: Callable[[Stack], Load],
    is_only: bool,
    stack: str,
    others: Callable[[], tuple[Recommendation, ...]],
) -> Fit:
    """Return how *name* fits *machine*; changes nothing.

    Args:
        name: A model's name, a source, a repository, a file.
        finder: Finds its files.
        machine: What there is to compute on.
        stacks: The engines to look at.
        load: What is asked of them, whatever they are.
        load_of: Returns the same with the settings of one engine.
        is_only: No context but that of *load* is of interest.
        stack: The stack in use, taken where several fit.
        others: Returns what the machine should run instead.
    """
    files = finder.all(name)
    trained = max(file.shape.context for file in files)
    wanted = min(load.context, trained or load.context)
    asked = [(each, load_of(each)) for each in stacks]
    found = fit_table.rows(files, machine, asked, is_only=is_only)
    chosen = fit_table.choose(found, wanted, stack)
    reason = fit_table.explain(chosen) if chosen else _nearest(name, found)
    return Fit(
        model=name,
        basis=files[0].basis,
        trained_context=trained,
        context=wanted,
        parallel=load.parallel,
        kv_type=load.kv_type,
        rows=found,
        chosen=chosen,
        reason=reason,
        instead=() if chosen else (*_less(name, files, machine, asked), *_others(others())),
    )


def _nearest(name: str, found: Sequence[FitRow]) -> str:
    """Return by how much *name* does not fit."""
    if not found:
        return f"no stack here can run {name}"
    row = min(found, key=lambda row: row.needed_bytes - row.free_bytes)
    missing = size(max(0, row.needed_bytes - row.free_bytes))
    return (
        f"{name} does not fit: the nearest, {row.quantisation or row.name} in {row.stack} on "
        f"{row.device} with {row.context:,} tokens, needs {size(row.needed_bytes)} of "
        f"{size(row.free_bytes)}, {missing} more"
    )


def _less(
    name: str,
    files: Sequence[Candidate],
    machine: Machine,
    asked: Sequence[tuple[Stack, Load]],
) -> tuple[str, ...]:
    """Return with how much less the model itself would fit, if it can at all."""
    kinds: tuple[KvType, ...] = ("f16", "q8_0", "q4_0")
    for kind in kinds:
        less = [(stack, replace(load, context=1024, kv_type=kind)) for stack, load in asked]
        rows = fit_table.rows(files, machine, less, is_only=True)
        if most := max((row.most_context for row in rows), default=0):
            extra = "" if kind == asked[0][1].kv_type else f" --kv-type {kind}"
            return (f"frontier models fit {name} --context {most}{extra}",)
    return ()


def _others(found: tuple[Recommendation, ...]) -> tuple[str, ...]:
    return tuple(f"frontier models fit {r.entry}: {r.reason}" for r in found[:3])
