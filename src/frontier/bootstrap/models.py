"""The models of the workspace, and those that engines get by themselves."""

import contextlib
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.bootstrap.core import Core
from frontier.domain.errors import ConfigError, FrontierError, ModelNotFoundError

if TYPE_CHECKING:
    from frontier.adapters.blobs import BlobStore
    from frontier.adapters.catalog import CatalogFiles
    from frontier.adapters.hub import Hub
    from frontier.adapters.hub_cache import HubCache
    from frontier.adapters.hub_snapshot import HubSnapshots
    from frontier.adapters.ollama_store import OllamaStore
    from frontier.adapters.sources import Sources
    from frontier.domain.candidates import Format
    from frontier.domain.destination import Destination, Place
    from frontier.domain.model import Model
    from frontier.domain.shape import Shape, Weights
    from frontier.domain.stack import Stack
    from frontier.domain.usage import DiskUse
    from frontier.ports import ModelKeeper, Reporter
    from frontier.usecases.fit import Finder
    from frontier.usecases.models import Pulled, PullPlan


@dataclass
class Models:
    """Where models come from, where they lie, and which one a stack gets."""

    core: Core

    @cached_property
    def store(self) -> "BlobStore":
        """The models on this machine."""
        from frontier.adapters.blobs import BlobStore

        return BlobStore(self.core.workspace.models)

    @cached_property
    def catalog(self) -> "CatalogFiles":
        """The models that can be had by name: ours, and the user's own files on top."""
        from frontier.adapters.catalog import CatalogFiles

        return CatalogFiles(self.core.workspace.catalog)

    @cached_property
    def sources(self) -> "Sources":
        """The places that models come from."""
        from frontier.adapters.sources import Sources

        return Sources(
            os.environ,
            home=Path.home(),
            prefix=Path(sys.prefix),
            hub_token=self._hub_token,
            hub_caches=self._hub_caches,
        )

    @cached_property
    def engines(self) -> "tuple[OllamaStore, HubCache]":
        """The stores that engines of this workspace keep by themselves."""
        from frontier.adapters.hub_cache import HubCache
        from frontier.adapters.ollama_store import OllamaStore

        return (
            OllamaStore(self.ollama_folder, engines=("ollama",)),
            HubCache(self.hub_folder, engines=("vllm", "mistral")),
        )

    @property
    def ollama_folder(self) -> Path:
        """Where Ollama of this workspace keeps its models."""
        own = ""
        with contextlib.suppress(ConfigError):  # a wrong setting must not hide what is here
            own = self.core.settings.ollama_models_path
        return self.core.workspace.root / (Path(own).expanduser() if own else "data/ollama")

    @cached_property
    def keepers(self) -> "tuple[ModelKeeper, ...]":
        """Whose models can be imported: this workspace's engines, and programs of this user."""
        from frontier.adapters.model_keepers import on_this_machine

        return (*self.engines, *on_this_machine(os.environ, Path.home()))

    def disk_use(self) -> "DiskUse":
        """Return what takes space in the workspace."""
        from frontier.adapters.disk_usage import disk_use

        workspace, models = self.core.workspace, self.core.workspace.models
        data = workspace.root / "data"
        places = {
            "models": (models / "blobs", "frontier models rm NAME"),
            "interrupted downloads": (models / "partial", "frontier models rm NAME"),
            "Ollama's models": (self.ollama_folder, "frontier models rm NAME"),
            "the hub's models": (data / "huggingface", "frontier models rm OWNER/NAME"),
            "vLLM's compiled kernels": (data / "vllm", ""),
            "builds of Frontier": (workspace.builds, ""),
            "other data": (data, ""),
            "rendered project": (workspace.project_folder, ""),
            "snapshots": (workspace.snapshots, ""),
            "logs": (workspace.logs, ""),
            "backups": (workspace.backups, "frontier backup prune"),
        }
        return disk_use(places, models, unused_bytes=self.store.unused_bytes())

    def destination(self, name: str, wanted: "Place | None") -> "Destination":
        """Return where *name* has to go for the selected stack, or where *wanted* says."""
        from frontier.domain.destination import destination

        return destination(
            name,
            model_format=self.core.stacks.load(self.core.settings.current_stack).model_format,
            entries=self.catalog.entries,
            stored=[model.name for model in self.store.all()],
            wanted=wanted,
        )

    @property
    def hub_folder(self) -> Path:
        """The cache of the hub that engines of this workspace read."""
        return self.core.workspace.root / "data" / "huggingface" / "hub"

    @cached_property
    def hub_repositories(self) -> "HubSnapshots":
        """Brings whole repositories into that cache."""
        from frontier.adapters.hub_snapshot import HubSnapshots

        return HubSnapshots(self.hub_folder, self._hub(), lambda: self.sources.fetcher)

    def _hub(self) -> "Hub":
        from frontier.adapters.hub import Hub

        return Hub(os.environ, self._hub_token, caches=self._hub_caches)

    @property
    def _hub_token(self) -> str:
        token = self.core.settings.hf_token
        return token.get_secret_value() if token else ""

    @property
    def _hub_caches(self) -> "tuple[Path, ...]":
        from frontier.adapters.model_keepers import hub_cache

        return self.hub_folder, hub_cache(os.environ, Path.home())

    @property
    def finder(self) -> "Finder":
        """Looks at models before they are downloaded."""
        from frontier.adapters.inspector import Inspector
        from frontier.usecases.fit import Finder

        inspector = Inspector(self.sources, self._hub)
        return Finder(store=self.store, catalog=self.catalog, inspector=inspector)

    def plan(self, name: str, may_ask: bool = True, *, stored_as: str = "") -> "PullPlan":
        """Return what a download of *name* would do; *may_ask* its source for the size."""
        from frontier.usecases import models

        return models.plan_pull(
            name,
            store=self.store,
            sources=self.sources,
            catalog=self.catalog,
            stored_as=stored_as,
            may_ask=may_ask,
        )

    def pull(self, name: str, reporter: "Reporter", *, stored_as: str = "") -> "Pulled":
        """Have the model *name* in the store, downloaded, mended or linked where it is not here."""
        from frontier.usecases import models

        if not self.plan(name, may_ask=False, stored_as=stored_as).is_present:
            self.begin()
        return models.pull(
            name,
            store=self.store,
            sources=self.sources,
            catalog=self.catalog,
            keepers=lambda: self.keepers,
            reporter=reporter,
            stored_as=stored_as,
        )

    def obtain(self, name: str, reporter: "Reporter", *, stored_as: str = "") -> "Model":
        """Return the model *name*, downloaded where it is not here."""
        return self.pull(name, reporter, stored_as=stored_as).model

    @staticmethod
    def begin() -> None:
        """Remember that something is being changed: what came before a Ctrl-C is kept."""
        Core.has_begun = True

    def known(self, name: str, kind: "Format" = "gguf") -> "tuple[Weights, Shape] | None":
        """Return what the catalog knows of the memory that *name* takes: a file or repository."""
        from frontier.domain import candidates

        found = candidates.named(name, self.catalog.entries, kind)
        return (found.weights, found.shape) if found else None

    def own(self, stack: "Stack", name: str) -> "Model | None":
        """Return the model that the engine of *stack* gets by itself; None for one of the store."""
        fetched = self._fetched(stack)
        if stack.model_format == "gguf" and not fetched:
            return None
        return _named(stack, fetched or self._there(stack, name))

    def _there(self, stack: "Stack", name: str) -> str:
        """Return what the engine of *stack* calls the model *name*: a repository, a tag, or so."""
        from frontier.domain.destination import destination

        entries, kind = self.catalog.entries, stack.model_format
        with contextlib.suppress(FrontierError):  # unknown to us: the engine may know it
            return destination(name, model_format=kind, entries=entries, stored=()).name
        return name

    def here(self, stack: "Stack") -> "tuple[Model | None, int]":
        """Return the model that *stack* would serve, if it is here, and its context in tokens."""
        from frontier.adapters.gguf import read_header
        from frontier.usecases.models import find

        wanted, name = self.core.settings.max_context_length, self.core.settings.default_model
        if stack.model_format == "none":
            return None, wanted
        if own := self.own(stack, name):
            return own, wanted
        try:
            model = find(name, store=self.store, catalog=self.catalog)
        except ModelNotFoundError:
            return None, wanted
        return model, min(wanted, read_header(model.path).context_length or wanted)

    def planned(self, stack: "Stack") -> "Model | None":
        """Return the model that *stack* is to serve, here or not; None for one without."""
        if stack.model_format == "none":
            return None
        wanted = self.core.settings.default_model
        is_ours = stack.model_format == "gguf"
        return _named(
            stack, self._fetched(stack) or (wanted if is_ours else self._there(stack, wanted))
        )

    def _fetched(self, stack: "Stack") -> str:
        """Return the model that a setting of *stack* names and its engine fetches, "" for none."""
        given = {**self.core.configuration.variables_of(stack)}
        name = stack.model_setting
        value = given.get(name) or getattr(self.core.settings, name.lower(), "") if name else ""
        return str(value or "")


def _named(stack: "Stack", name: str) -> "Model":
    from frontier.domain.model import Model

    return Model(name=name, digest="", size_bytes=0, source=stack.engine, file_name="", path=Path())
