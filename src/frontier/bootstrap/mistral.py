"""mistral.rs, which Frontier builds: what is at hand, and building it."""

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.bootstrap.core import Core

if TYPE_CHECKING:
    from frontier.adapters.mistral_build import MistralBuilds
    from frontier.domain.binary import Binary
    from frontier.domain.gpu import NativeEngine
    from frontier.domain.machine import Machine
    from frontier.ports import Reporter
    from frontier.usecases.build import Build


@dataclass
class Mistral:
    """The mistral.rs of one workspace and of this machine."""

    core: Core

    @cached_property
    def builds(self) -> "MistralBuilds":
        """The mistral.rs that was compiled in this workspace."""
        from frontier.adapters.mistral_build import MistralBuilds

        log = self.core.workspace.logs / "build-mistral.log"
        return MistralBuilds(self._folder, log, os.environ)

    @property
    def _folder(self) -> Path:
        return self.core.workspace.builds / "mistral"

    def build(self, reporter: "Reporter") -> "Build":
        """Return the use-case behind `frontier stack build`, with all its ports."""
        from frontier.adapters.cargo_tools import CargoTools
        from frontier.adapters.machine import probe_machine
        from frontier.adapters.mistral_binary import find_on_path
        from frontier.adapters.mistral_image import MistralImages
        from frontier.usecases.build import Build

        tools, folder = CargoTools(os.environ, Path.home()), self._folder
        return Build(
            machine=lambda: probe_machine(folder),
            tools=lambda: tools.look(is_mac=sys.platform == "darwin"),
            search=lambda: tools.path,
            builds=self.builds,
            images=MistralImages(folder),
            on_path=find_on_path,
            base=self.core.settings.gateway_base_image,
            given_image=self.core.settings.mistral_image,
            reporter=reporter,
        )

    def find(self, machine: "Machine") -> "Binary | None":
        """Return the mistral.rs that suits *machine* best, None if there is none."""
        from frontier.adapters.mistral_engine import find_mistral

        has_cuda = any(gpu.vendor == "nvidia" for gpu in machine.gpus)
        best = "metal" if machine.apple else "cuda" if has_cuda else "cpu"
        return find_mistral(self.builds, best)

    def at_hand(self, machine: "Machine") -> "NativeEngine | None":
        """Return what the mistral.rs of this machine is and computes on, None without one."""
        from frontier.adapters.mistral_engine import describe
        from frontier.domain.gpu import Accelerator, NativeEngine

        binary = self.find(machine)
        if binary is None:
            return None
        kind = binary.report.accelerator
        usable = frozenset[Accelerator]() if kind == "cpu" else frozenset[Accelerator]({kind})
        return NativeEngine(name=describe(binary), accelerators=usable)
