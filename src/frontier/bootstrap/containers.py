"""Stacks as containers: rendered, previewed, ejected, and their images brought."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from frontier.bootstrap.core import Core
from frontier.domain.errors import DownloadError, FrontierError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontier.bootstrap.assembly import Assembly
    from frontier.bootstrap.images import Images
    from frontier.bootstrap.models import Models
    from frontier.bootstrap.placing import Placing
    from frontier.bootstrap.running import Running
    from frontier.domain.docker import DockerFacts
    from frontier.domain.machine import Machine
    from frontier.domain.model import Model
    from frontier.domain.placement import Placement
    from frontier.domain.project import Project
    from frontier.domain.stack import Accelerator, Stack
    from frontier.ports import Reporter
    from frontier.usecases.stacks import Ejected

Target = Literal["auto", "cpu", "cuda", "rocm"]


@dataclass
class Containers:
    """The containers of stacks in one workspace."""

    core: Core
    models: "Models"
    running: "Running"
    placing: "Placing"
    images: "Images"

    def project(
        self,
        stack: "Stack",
        place: "Placement",
        model: "Model",
        machine: "Machine",
        context: int,
    ) -> "Project":
        """Return the project that serves *model* with containers, as *place* says."""
        return self.render(
            stack,
            model,
            machine,
            cast("Accelerator", place.choice.accelerator),
            context=context,
            gpu=place.choice.container,
            docker=self.placing.docker,
        )

    def render(
        self,
        stack: "Stack",
        model: "Model | None",
        machine: "Machine",
        accelerator: "Accelerator",
        *,
        context: int = 0,
        gpu: "Mapping[str, Any] | None" = None,
        engine_url: str = "",
        docker: "DockerFacts | None" = None,
        prefix: str = "../..",
    ) -> "Project":
        """Return the containers of *stack*; see `Assembly.spec` for what they are made from.

        Args:
            stack: What is to run.
            model: A stored one, one that the engine fetches (its path is empty), or None.
            machine: Tells processor and GPU.
            accelerator: What the engine computes on.
            context: Tokens of one request slot; 0 means MAX_CONTEXT_LENGTH.
            gpu: What the engine's service needs for its GPU, as Compose has it.
            engine_url: Where an engine on the host listens, as containers see it.
            docker: The Docker that it is for, None for any.
            prefix: The workspace as seen from the project folder.

        Raises:
            ConfigError: a template, an image, a value or a certificate is wrong.
        """
        from frontier.adapters.folders import templates
        from frontier.renderers import compose

        core = self.core
        core.listening.require_safe(needs_key=core.settings.enable_auth)
        spec = self._assembly(stack, machine, docker, prefix).spec(
            stack, model, machine, accelerator, context=context, gpu=gpu, engine_url=engine_url
        )
        return compose.render(spec, core.stacks.fragments(), templates("compose"))

    def _assembly(
        self, stack: "Stack", machine: "Machine", docker: "DockerFacts | None", prefix: str
    ) -> "Assembly":
        from frontier.bootstrap.assembly import Assembly, architecture

        core, arch = self.core, architecture(docker.arch if docker else machine.arch)
        return Assembly(
            settings=core.settings,
            variables=core.configuration.variables_of(stack),
            workspace=core.workspace,
            secrets=core.secrets,
            gateway_image=self.images.gateway(arch).reference(),
            docker=docker,
            digests=self.images.lock.load(),
            prefix=prefix,
        )

    def preview(
        self, stack: "Stack", accelerator: Target = "auto", *, prefix: str = "../.."
    ) -> "Project":
        """Return the containers that `up` would run now, without downloading anything.

        A model that is not here yet leaves out an engine that cannot start without one.

        Args:
            stack: What would run.
            accelerator: For another machine: ``cpu``, ``cuda`` or ``rocm``; ``auto`` decides as
                `up` does on this one.
            prefix: The workspace as seen from the project folder.
        """
        machine = self.core.machine()
        model, context = self.models.here(stack)
        return self._preview(stack, model, machine, accelerator, context=context, prefix=prefix)

    def check(self, stack: "Stack") -> None:
        """Render *stack* where containers would run it, as if its model were here; write nothing.

        Raises:
            FrontierError: it could not be started, whatever else is there.
        """
        machine = self.core.machine()
        with contextlib.suppress(FrontierError):  # what is missing now may be there at its start
            if self.placing.place(stack, machine).runtime != "docker":
                return
        self._preview(stack, self.models.planned(stack), machine, "auto")

    def _preview(
        self,
        stack: "Stack",
        model: "Model | None",
        machine: "Machine",
        accelerator: Target,
        *,
        context: int = 0,
        prefix: str = "../..",
    ) -> "Project":
        from frontier.renderers.compose_spec import gpu_keys

        keys: Mapping[str, Any] | None
        if accelerator == "auto":
            choice = self.placing.in_docker(stack, machine)
            chosen, keys = cast("Accelerator", choice.accelerator), choice.container
        else:
            chosen, keys = accelerator, gpu_keys(accelerator)
        return self.render(
            stack,
            model,
            machine,
            chosen,
            context=context,
            gpu=keys,
            docker=self.placing.docker,
            prefix=prefix,
        )

    def eject(
        self,
        stack: "Stack",
        accelerator: Target,
        target: Path,
        *,
        force: bool,
        reporter: "Reporter",
    ) -> "Ejected":
        """Write *stack* to the folder *target*, which then needs neither Frontier nor workspace."""
        from frontier.adapters import eject
        from frontier.bootstrap.assembly import architecture
        from frontier.usecases.stacks import Ejected, collisions

        project = self.preview(stack, accelerator, prefix=eject.PREFIX)
        image = self.images.gateway(architecture(self.core.machine().arch))
        context = None
        try:
            context = image.context(reporter)
        except DownloadError as error:
            reporter.say(f"without the gateway's image: {error.message}")
        files = eject.eject(project, target, self.core.workspace, context=context, force=force)
        return Ejected(
            stack=stack.name,
            folder=str(target),
            files=files,
            image=image.reference(),
            base_image=self.core.settings.gateway_base_image,
            has_context=context is not None,
            project=project.name,
            taken=collisions(project, self._running()),
        )

    def _running(self) -> "Project | None":
        """Return what runs, None also where Docker does not tell."""
        with contextlib.suppress(FrontierError):
            return self.running.project
        return None

    def bring_images(
        self, project: "Project", reporter: "Reporter", *, dry_run: bool
    ) -> tuple[str, ...]:
        """Pull or build the images that *project* lacks; with *dry_run* only name them.

        Raises:
            RuntimeFailedError: they may not be pulled, in a dry run as well.
            DownloadError: one cannot be had.
        """
        if project.containers is None:
            return ()
        missing = self.running.docker.missing_images(project)
        if missing:
            from frontier.bootstrap.assembly import architecture

            facts = self.placing.docker
            gateway = self.images.gateway(architecture(facts.arch if facts else "amd64"))
            if dry_run:
                self._require_allowed(missing, gateway.reference())
                return missing
            if gateway.reference() in missing:
                gateway.build(reporter, self.core.settings.pull_policy)
            self.running.docker.pull(project, reporter)
        return missing

    def _require_allowed(self, missing: tuple[str, ...], gateway: str) -> None:
        """Raise what PULL_POLICY would stop: pulls, and the build that needs one first."""
        from frontier.adapters import docker_images

        settings = self.core.settings
        if settings.pull_policy != "never":
            return
        bases = [settings.gateway_base_image] if gateway in missing else []
        lacking = docker_images.missing(bases) or tuple(i for i in missing if i != gateway)
        if lacking:
            raise docker_images.refused(lacking)
