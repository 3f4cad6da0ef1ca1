"""All services of one command, each built on first use."""

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from frontier.bootstrap.core import Core
from frontier.domain.errors import ConfigError, ModelNotFoundError
from frontier.domain.wanted import Wanted

if TYPE_CHECKING:
    from frontier.adapters.gateway_control import HttpGatewayControl
    from frontier.adapters.runtimes import Runtimes
    from frontier.bootstrap.access import Access
    from frontier.bootstrap.backups import Backups
    from frontier.bootstrap.benchmarks import Benchmarks
    from frontier.bootstrap.checks import Checks
    from frontier.bootstrap.containers import Containers
    from frontier.bootstrap.images import Images
    from frontier.bootstrap.launching import Launching
    from frontier.bootstrap.mistral import Mistral
    from frontier.bootstrap.models import Models
    from frontier.bootstrap.monitoring import Monitoring
    from frontier.bootstrap.native import NativeEngines
    from frontier.bootstrap.placing import Placing
    from frontier.bootstrap.recovery import Recovery
    from frontier.bootstrap.running import Running
    from frontier.domain.chat import Answer
    from frontier.domain.machine import Machine
    from frontier.domain.model import Model
    from frontier.domain.placement import Placement
    from frontier.domain.project import Project
    from frontier.domain.recommend import Recommendation
    from frontier.domain.sizing import KvType, Load
    from frontier.domain.stack import Stack
    from frontier.ports import Reporter
    from frontier.usecases.change import Change
    from frontier.usecases.fit import Fit
    from frontier.usecases.restores import Restoring
    from frontier.usecases.top import Top
    from frontier.usecases.up import Up


@dataclass
class Services(Core):
    """The core and what is built on it, one property per part."""

    @cached_property
    def models(self) -> "Models":
        """The models of the workspace, and where they come from."""
        from frontier.bootstrap.models import Models

        return Models(self)

    @cached_property
    def running(self) -> "Running":
        """What runs."""
        from frontier.bootstrap.running import Running

        return Running(self)

    @property
    def runtime(self) -> "Runtimes":
        """Runs host processes and containers."""
        return self.running.runtime

    @cached_property
    def access(self) -> "Access":
        """The gateway, and the way to it."""
        from frontier.bootstrap.access import Access

        return Access(self, self.running)

    @cached_property
    def mistral(self) -> "Mistral":
        """The engine that Frontier builds."""
        from frontier.bootstrap.mistral import Mistral

        return Mistral(self)

    @cached_property
    def native(self) -> "NativeEngines":
        """Engines on the host."""
        from frontier.bootstrap.native import NativeEngines

        return NativeEngines(self, self.access, self.mistral)

    @cached_property
    def placing(self) -> "Placing":
        """Decides what runs a stack and where it computes."""
        from frontier.bootstrap.placing import Placing

        return Placing(
            settings=self.settings,
            native=self.native.at_hand,
            check=lambda: self.docker_facts,
            running=self._running_runtime,
        )

    def _running_runtime(self) -> Literal["native", "docker", "hybrid", ""]:
        with contextlib.suppress(ConfigError):  # damaged: decided anew
            if project := self.running.project:
                return project.runtime
        return ""

    @cached_property
    def images(self) -> "Images":
        """The gateway's image, and what the others are pinned to."""
        from frontier.bootstrap.images import Images

        return Images(self)

    @cached_property
    def containers(self) -> "Containers":
        """Stacks as containers."""
        from frontier.bootstrap.containers import Containers

        return Containers(self, self.models, self.running, self.placing, self.images)

    @cached_property
    def monitoring(self) -> "Monitoring":
        """Prometheus beside what runs without Docker."""
        from frontier.bootstrap.monitoring import Monitoring

        return Monitoring(self)

    @cached_property
    def launching(self) -> "Launching":
        """Tools in front of the gateway."""
        from frontier.bootstrap.launching import Launching

        return Launching(self, self.access)

    @cached_property
    def benchmarks(self) -> "Benchmarks":
        """How fast servers answer."""
        from frontier.bootstrap.benchmarks import Benchmarks

        return Benchmarks(self, self.access)

    @cached_property
    def backups(self) -> "Backups":
        """Backups, restores and resets."""
        from frontier.bootstrap.backups import Backups

        return Backups(self, self.models, self.running)

    @cached_property
    def checks(self) -> "Checks":
        """The checks of `doctor`, `validate` and `test`."""
        from frontier.bootstrap.checks import Checks

        return Checks(
            self,
            self.running,
            self.access,
            self.models,
            place=lambda stack, machine: self.placing.place(stack, machine),  # noqa: PLW0108 it reads the settings, which may be wrong
            foreseen=lambda stack: self.previewing().foreseen(stack),
        )

    @cached_property
    def recovery(self) -> "Recovery":
        """Puts the workspace in order."""
        from frontier.bootstrap.recovery import Recovery

        return Recovery(self)

    def top(self) -> "Top":
        """Return the use-case behind `frontier top`."""
        from frontier.bootstrap.watching import Watching
        from frontier.usecases.top import Top

        return Top(Watching(self, self.running, self.access).watch())

    def asking(
        self, overrides: Mapping[str, object], *, selects: bool = False, settles: bool = False
    ) -> "Services":
        """Return services for the same workspace, with other settings of the command line."""
        return Services(
            chosen=self.workspace.root, overrides=overrides, selects=selects, settles=settles
        )

    def asking_again(self, *, select: str = "") -> "Services":
        """Return services that ask for what the last `up` asked for on its command line.

        Args:
            select: A stack to select in the place of the one that runs, "" for none.
        """
        asked: dict[str, object] = {}
        with contextlib.suppress(ConfigError):  # damaged: rendered anew
            declared = self.project.load()
            asked = dict(declared.asked) if declared else {}
        if select:
            asked["current_stack"] = select
        return self.asking(asked, selects=bool(select))

    def previewing(self) -> "Services":
        """Return services of the same command that write nothing."""
        return replace(self, is_preview=True)

    def wanted(self, *, fetch: bool = True) -> Wanted:
        """Return settings and command line as one wish; *fetch* allows downloads of models."""
        return Wanted(
            fetch=fetch,
            stack=self.settings.current_stack,
            model=self.settings.default_model,
            listening=self.listening,
            context=self.settings.max_context_length,
            parallel=self.settings.num_parallel,
            prompts_bytes=self.settings.cache_size * 2**20 if self.settings.enable_cache else 0,
            has_flash=self.settings.enable_flash_attention is not False,
            kv_type=self.settings.kv_cache_type,
            batch=self.settings.batch_size,
        )

    def up(
        self,
        reporter: "Reporter",
        on_text: Callable[[str], None],
        on_answer: "Callable[[Answer], None]" = lambda _: None,
        *,
        command: str = "up",
    ) -> "Up":
        """Return the use-case behind `frontier up`, with all its ports."""
        from frontier.adapters.gguf import read_header
        from frontier.usecases.up import Up

        containers = self.containers
        return Up(
            stacks=self.stacks,
            machine=self.machine,
            place=self.placing.place,
            plan_model=self.models.plan,
            obtain=lambda name: self.models.obtain(name, reporter),
            own_model=self.models.own,
            memory=self.running.memory_of,
            header=read_header,
            build=self.build,
            images=lambda project, dry: containers.bring_images(project, reporter, dry_run=dry),
            change=self.change(command, reporter),
            require_used=self.running.require_used,
            chat=self.access.client(self.listening, self.access.own_key),
            clock=time.monotonic,
            clients=self.access.clients,
            reporter=reporter,
            on_text=on_text,
            on_answer=on_answer,
            known=self.models.known,
        )

    def recommendations(self, stack: str = "") -> "tuple[Recommendation, ...]":
        """Return what this machine should run, best first; of one *stack* where it is named."""
        from frontier.usecases.recommend import recommend

        names = [stack] if stack else self.stacks.names()
        return recommend(
            self.machine(),
            catalog=self.models.catalog,
            stacks=[self.stacks.load(name) for name in names],
            place=self.placing.place,
        )

    def fit(
        self, name: str, *, context: int, parallel: int, kv_type: "KvType | None", stack: str
    ) -> "Fit":
        """Return how the model *name* fits this machine; 0, None and "" are as set."""
        from frontier.usecases import fit

        wanted = self.wanted()
        load = replace(
            wanted.load(context or wanted.context),
            parallel=parallel or wanted.parallel,
            kv_type=kv_type or wanted.kv_type,
        )
        names = [stack] if stack else self.stacks.names()
        return fit.fit(
            name,
            finder=self.models.finder,
            machine=self.machine(),
            stacks=[self.stacks.load(each) for each in names],
            load=load,
            load_of=lambda each: self._engine_load(each, load, parallel),
            is_only=bool(context),
            stack=stack or self.settings.current_stack,
            others=lambda: self.recommendations(stack) or self.recommendations(),
        )

    def _engine_load(self, stack: "Stack", load: "Load", parallel: int) -> "Load":
        """Return *load* with the settings of one engine; *parallel* is the command line's."""
        if stack.backend == "ollama":
            return replace(load, parallel=parallel or self.settings.ollama_num_parallel)
        if stack.backend != "vllm":
            return load
        values = self.configuration.variables_of(stack)
        return replace(
            load,
            share=float(values.get("VLLM_GPU_MEMORY_UTILIZATION", load.share)),
            cpu_cache_bytes=int(values.get("VLLM_CPU_KVCACHE_SPACE", 4)) << 30,
            gpus=int(values.get("VLLM_TENSOR_PARALLEL_SIZE", 1)),
        )

    def build(
        self,
        stack: "Stack",
        place: "Placement",
        model: "Model",
        machine: "Machine",
        context: int,
    ) -> "Project":
        """Return the project that serves *model* as *place* says."""
        if place.runtime == "hybrid":
            project = self._hybrid(stack, place, model, machine, context)
        else:
            maker = self.containers if place.runtime == "docker" else self.native
            project = maker.project(stack, place, model, machine, context)
        return replace(
            project,
            asked={**self._kept_runtime(place), **self.asked},
            accelerator=place.choice.accelerator,
        )

    def _kept_runtime(self, place: "Placement") -> dict[str, str]:
        """Return the runtime that an `up` before asked for, where *place* stays on it."""
        with contextlib.suppress(ConfigError):  # damaged: rendered anew
            declared = self.project.load()
            if declared and declared.asked.get("runtime") == place.runtime:
                return {"runtime": place.runtime}
        return {}

    def foreseen(self, stack: "Stack") -> "Project":
        """Return the project that `up` would run now, without downloading anything.

        Raises:
            RuntimeFailedError: nothing here can run *stack*, or Docker does not answer.
        """
        machine = self.machine()
        place = self.placing.place(stack, machine)
        model, context = self.models.here(stack)
        model = model or self.models.planned(stack)
        if place.runtime == "docker" or model is None:
            return self.containers.preview(stack)
        return self.build(stack, place, model, machine, context)

    def _hybrid(
        self, stack: "Stack", place: "Placement", model: "Model", machine: "Machine", context: int
    ) -> "Project":
        from frontier.renderers.hybrid import engine_url, join

        native = self.native.project(stack, place, model, machine, context)
        front = self.containers.render(
            stack,
            model,
            machine,
            "cpu",
            context=context,
            engine_url=engine_url(self.engine_port),
            docker=self.placing.docker,
        )
        return join(native, front, self.engine_port)

    @cached_property
    def engine_port(self) -> int:
        """Where an engine on the host listens for containers: where it does, or a free port."""
        declared = self.project.load()
        if declared and declared.runtime == "hybrid":
            return declared.services[0].port
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        return port

    def change(self, command: str, reporter: "Reporter") -> "Change":
        """Return the use-case that carries *command* out, or goes back."""
        from frontier.usecases.change import Change

        return Change(
            command=command,
            runtime=self.runtime,
            project=self.project,
            snapshots=self.snapshots,
            journal=self.journal,
            gateway=self.access.control,
            free_ports=self.access.free_ports,
            changing=self.changing,
            reporter=reporter,
            drain_s=self._drain_s,
            declared_now=lambda: self._declared_now(command),
        )

    def _declared_now(self, command: str) -> None:
        self.recovery.declared_now(command)
        if self.settles:
            self.recovery.settle(self.overrides)

    def restoring(self, reporter: "Reporter") -> "Restoring":
        """Return the use-case behind `backup restore`."""
        from frontier.usecases.restores import Restoring

        backups = self.backups
        backups.mend(reporter)
        return Restoring(
            store=backups.store,
            staging=backups.staging,
            data=backups.data,
            models=self.models.store,
            origin=backups.origin,
            change=self.change_back("backup restore", reporter),
            prove=self.prove_again,
            reporter=reporter,
        )

    @property
    def _drain_s(self) -> float:
        from frontier.usecases.change import Change

        with contextlib.suppress(ConfigError):  # a wrong setting may be what is rolled back
            return self.settings.drain_timeout
        return Change.drain_s

    def change_back(self, command: str, reporter: "Reporter") -> "Change":
        """Return the use-case that follows restored settings, whatever they are now."""
        return replace(
            self.change(command, reporter),
            gateway=self._restored_gateway,
        )

    def _restored_gateway(self, project: "Project") -> "HttpGatewayControl":
        return self.asking_again().access.control(project)

    def prove_again(self, model: str) -> "Answer | None":
        """Stream a token of *model* from what is declared now; None where it is not here yet."""
        from frontier.usecases.chat import prove

        now = self.asking_again()
        project = now.running.project
        is_fetched = project is not None and project.routes[0].backend == "ollama"
        try:
            return prove(model, chat=now.access.chat, clock=time.monotonic)
        except ModelNotFoundError:
            if not is_fetched:
                raise
            return None
