"""Engines on the host, and the projects that run them."""

import sys
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from frontier.bootstrap.core import Core

if TYPE_CHECKING:
    from frontier.adapters.llama_server import Engine
    from frontier.bootstrap.access import Access
    from frontier.bootstrap.mistral import Mistral
    from frontier.domain.gpu import NativeEngine
    from frontier.domain.machine import Machine
    from frontier.domain.model import Model
    from frontier.domain.placement import Placement
    from frontier.domain.project import Project, Service
    from frontier.domain.stack import Stack
    from frontier.renderers.native import EngineSpec
    from frontier.settings import Settings


@dataclass
class NativeEngines:
    """The engines that this machine runs as processes."""

    core: Core
    access: "Access"
    mistral: "Mistral"

    @cached_property
    def llama(self) -> "Engine":
        """The llama.cpp server to start, and why this one."""
        from frontier.adapters.llama_server import find_engine

        return find_engine(sys.executable)

    def at_hand(self, stack: "Stack", machine: "Machine") -> "NativeEngine | None":
        """Return the engine of *stack* that is at hand on the host, None without one."""
        from frontier.adapters.compute_host import list_accelerators
        from frontier.domain.gpu import NativeEngine

        if stack.engine == "mistral":
            return self.mistral.at_hand(machine)
        if stack.engine != "llamacpp":
            return None
        native = NativeEngine(name=self.llama.reason)
        is_asked = self.core.settings.accelerator not in ("auto", "cpu")
        if is_asked or machine.gpus or machine.apple:  # else there is nothing to find
            native = replace(native, accelerators=list_accelerators(self.llama.argv))
        return native

    def project(
        self,
        stack: "Stack",
        place: "Placement",
        model: "Model",
        machine: "Machine",
        context: int,
    ) -> "Project":
        """Return the project that serves *model* with processes on the host.

        Raises:
            RuntimeFailedError: the engine is not built for what *place* says.
            UsageError: a setting cannot be met.
        """
        if stack.engine == "mistral":
            return self._of_mistral(stack, place, model, machine, context)
        return self._of_llama(stack, model, machine, context)

    def _of_llama(
        self, stack: "Stack", model: "Model", machine: "Machine", context: int
    ) -> "Project":
        from frontier.renderers import native

        engine = self._llama_spec(model, machine, context, self.core.settings)
        return native.render(stack.name, engine, self.access.spec)

    def llama_service(
        self, model: "Model", machine: "Machine", context: int, settings: "Settings"
    ) -> "Service":
        """Return the llama.cpp server that *settings* ask for, by itself."""
        from frontier.renderers import native

        return native.engine_service(self._llama_spec(model, machine, context, settings))

    def _llama_spec(
        self, model: "Model", machine: "Machine", context: int, settings: "Settings"
    ) -> "EngineSpec":
        from frontier.adapters.model_details import read_details
        from frontier.renderers import native

        no_gpu = ("--n-gpu-layers", "0") if settings.accelerator == "cpu" else ()
        return native.EngineSpec(
            argv=(*self.llama.argv, *no_gpu),
            model=model.name,
            path=model.path,
            aliases=(model.name.partition(":")[0],),
            context=context,
            parallel=settings.num_parallel,
            threads=settings.num_workers or machine.cpu.engine_threads,
            cache_mib=settings.cache_size if settings.enable_cache else 0,
            flash_attention=settings.enable_flash_attention,
            kv_type=settings.kv_cache_type,
            batch=settings.batch_size,
            start_timeout_s=settings.model_timeout,
            details=read_details(
                model,
                context=context,
                engine="llamacpp",
                catalog=self.core.workspace.catalog,
            ),
        )

    def _of_mistral(
        self,
        stack: "Stack",
        place: "Placement",
        model: "Model",
        machine: "Machine",
        context: int,
    ) -> "Project":
        from frontier.adapters.mistral_engine import require_mistral
        from frontier.adapters.model_details import read_details
        from frontier.renderers import native_mistral

        settings = self.core.settings
        native_mistral.require_gguf(settings.mistral_quantization, settings.mistral_tokenizer_json)
        accelerator = "cpu" if settings.mistral_device == "cpu" else place.choice.accelerator
        binary = require_mistral(self.mistral.find(machine), accelerator)
        spec = native_mistral.MistralSpec(
            binary=binary.path,
            model=model.name,
            path=model.path,
            accelerator=accelerator,
            cache=self.core.workspace.root / "data" / "huggingface",
            aliases=(model.name.partition(":")[0],),
            context=context,
            parallel=settings.mistral_max_batch_size,
            threads=settings.num_workers or machine.cpu.engine_threads,
            log_level=settings.mistral_log_level,
            start_timeout_s=settings.model_timeout,
            details=read_details(
                model,
                context=context,
                engine="mistral",
                catalog=self.core.workspace.catalog,
            ),
        )
        return native_mistral.render(stack.name, spec, self.access.spec)
