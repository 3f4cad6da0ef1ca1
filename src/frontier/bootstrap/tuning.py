"""Tuning: the engine of the selected stack by itself, measured with one setting after the other."""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from frontier import __version__
from frontier.domain.bench_load import Load, cases
from frontier.domain.errors import FrontierError, ModelNotFoundError, RefusedError
from frontier.domain.tuning import METRICS, SCHEMA, Chosen, Goal, Knob, Trial, Tuned, knobs

if TYPE_CHECKING:
    from frontier.bootstrap.services import Services
    from frontier.domain.bench import Result
    from frontier.domain.machine import Machine
    from frontier.domain.model import Model
    from frontier.ports.benching import Watcher
    from frontier.settings import Settings
    from frontier.usecases.tuning import Tuning

_NAMES: Final = (
    *("NUM_WORKERS", "NUM_PARALLEL", "BATCH_SIZE", "ENABLE_FLASH_ATTENTION", "KV_CACHE_TYPE"),
)
_ROUNDS: Final = 4
_SHORTEST_S: Final = 0.3
_PROOFS: Final = 10  # trials that the proof takes
_LEAST_PATIENCE_S: Final = 3.0
_START_SHARE: Final = 0.5  # of a trial, for the start of the engine and its warm-up


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What to tune for.

    Attributes:
        concurrency: Users who ask again as soon as they are answered.
        budget_s: About how long all of it may take.
        requests: Of each user in a round; 0 for as many as the time allows.
        lossy: Types of the KV cache that change answers are allowed.
    """

    goal: Goal
    concurrency: int
    prompt_tokens: int
    output_tokens: int
    budget_s: float
    requests: int
    lossy: bool


@dataclass
class EngineTuning:
    """Tunes the engine of the selected stack.

    Attributes:
        watcher: Sees each measurement.

    Raises:
        RefusedError: it is none that can be tuned, or not where it runs.
        ModelNotFoundError: its model is not on this machine.
    """

    services: "Services"
    aim: Aim
    watcher: "Watcher"

    def __post_init__(self) -> None:
        """See whether it is possible, before anything is started."""
        services = self.services
        stack = services.stacks.load(services.settings.current_stack)
        if stack.engine != "llamacpp":
            raise RefusedError(
                f"bench tune knows the settings of llama.cpp; the stack {stack.name} runs "
                f"{stack.title}, which sizes its batches by itself",
                hint="frontier stack select llamacpp, or measure yours: frontier bench run",
            )
        self._place = services.placing.place(stack, self.machine)
        if self._place.runtime != "native":
            raise RefusedError(
                "bench tune starts engines as processes; this one would run in Docker, whose "
                "limits and image make it another one",
                hint="frontier bench tune with RUNTIME=native, or frontier bench run",
            )
        model, self._context = services.models.here(stack)
        if model is None:
            name = services.settings.default_model
            raise ModelNotFoundError(
                f"the model {name} is not on this machine", hint=f"frontier models pull {name}"
            )
        self._model = model
        least = (self.aim.prompt_tokens + self.aim.output_tokens) * 5 // 4
        if least > self._context:
            raise RefusedError(
                f"prompts and answers of about {least} tokens do not fit into a context of "
                f"{self._context}",
                hint="frontier bench tune --prompt-tokens 128",
            )
        self._require_room()

    @cached_property
    def machine(self) -> "Machine":
        """This machine."""
        return self.services.machine()

    @property
    def model(self) -> "Model":
        """What the engine serves."""
        return self._model

    @cached_property
    def start(self) -> Chosen:
        """The present settings, without those that `.env` cannot change."""
        configuration = self.services.configuration
        found = (configuration.get(name) for name in _NAMES)
        return {s.name: s.value for s in found if s.origin in (".env", "default")}

    @cached_property
    def knobs(self) -> tuple[Knob, ...]:
        """What to try."""
        cpu = self.machine.cpu
        return knobs(
            self.start,
            threads=cpu.engine_threads,
            usable=cpu.usable,
            concurrency=self.aim.concurrency,
            lossy=self.aim.lossy,
        )

    @property
    def round_s(self) -> float:
        """How long each round of a trial sends requests, seconds; 0 where their number is told."""
        if self.aim.requests:
            return 0.0
        trials = 1 + sum(len(knob.values) for knob in self.knobs) + _PROOFS
        return max(_SHORTEST_S, self.aim.budget_s / trials * (1 - _START_SHARE) / _ROUNDS)

    def tuning(self, say: Callable[[str], None]) -> "Tuning":
        """Return the use-case with all its ports."""
        from frontier.usecases.tuning import Tuning

        return Tuning(
            goal=self.aim.goal,
            start=self.start,
            knobs=self.knobs,
            measure=self.measure,
            budget_s=self.aim.budget_s,
            clock=time.monotonic,
            say=say,
        )

    def measure(self, chosen: Chosen) -> Trial:
        """Start an engine with the settings *chosen*, measure it and end it."""
        from frontier.adapters.trial_engine import running

        begun_s = time.monotonic()
        try:
            settings = self._settings(chosen)
            self._require_room(settings)
            service = self.services.native.llama_service(
                self._model, self.machine, self._context, settings
            )
            log = self.services.workspace.logs / "tune.log"
            with running(service, log, dict(os.environ)) as url:
                result = self._bench(url)
        except FrontierError as error:
            return Trial(settings=chosen, lost=error.message, seconds=time.monotonic() - begun_s)
        return self._trial(chosen, result, time.monotonic() - begun_s)

    def _trial(self, chosen: Chosen, result: "Result", seconds: float) -> Trial:
        from frontier.domain.bench_summary import summarize

        (summary,) = summarize(result)
        failed = sum(summary.errors.values())
        found = summary.values.get(METRICS[self.aim.goal])
        if failed or found is None:
            kinds = ", ".join(summary.errors)
            lost = f"{failed} of {summary.requests} requests failed: {kinds}"
            return Trial(settings=chosen, lost=lost, seconds=seconds)
        return Trial(settings=chosen, estimate=found, requests=summary.requests, seconds=seconds)

    def _bench(self, url: str) -> "Result":
        """Measure the engine at *url*.

        Raises:
            KeyboardInterrupt: Ctrl-C ended it.
        """
        from frontier.adapters.bench_client import Client, now
        from frontier.adapters.bench_dialects import DIALECTS
        from frontier.adapters.bench_loop import carry_out
        from frontier.usecases.bench import About, Bench

        name, dialect = self._model.name, DIALECTS["openai", "chat"]
        bench = Bench(
            load=self.load,
            about=About(
                created="",
                command="",
                frontier=__version__,
                commit="",
                preset="",
                target={"url": url, "model": name},
                machine={},
                settings={},
            ),
            connect=lambda ignores_end: Client(url, dialect, name, key="", ignores_end=ignores_end),
            carry_out=carry_out,
            watcher=self.watcher,
            clock=now,
            cpu=time.process_time,
        )
        result = bench.run()
        if result is None or bench.is_interrupted:
            raise KeyboardInterrupt
        return result

    @property
    def load(self) -> Load:
        """What every trial is asked, the same words each time."""
        aim = self.aim
        return Load(
            cases=cases(
                concurrency=(aim.concurrency,),
                rates_per_s=(),
                prompt_tokens=(aim.prompt_tokens,),
                output_tokens=(aim.output_tokens,),
            ),
            rounds=_ROUNDS,
            requests=aim.requests * aim.concurrency,
            duration_s=self.round_s,
            # whatever takes longer could not be proved within the time
            timeout_s=max(_LEAST_PATIENCE_S, self.aim.budget_s / _PROOFS),
        )

    def _settings(self, chosen: Chosen) -> "Settings":
        values = {name.lower(): value for name, value in chosen.items() if value}
        plain = self.services.settings.model_dump()
        unset = {name.lower(): None for name, value in chosen.items() if not value}
        return type(self.services.settings).model_validate({**plain, **values, **unset})

    def _require_room(self, settings: "Settings | None" = None) -> None:
        """Refuse what memory does not hold beside whatever runs.

        Raises:
            DoesNotFitError: needed and present, in bytes.
        """
        from frontier.adapters.gguf import read_header
        from frontier.domain.fit import require
        from frontier.domain.shape import Shape, Weights
        from frontier.usecases.room import Room

        settings = settings or self.services.settings
        header = read_header(self._model.path)
        load = replace(
            self.services.wanted().load(self._context),
            parallel=settings.num_parallel,
            batch=settings.batch_size,
            has_flash=settings.enable_flash_attention is not False,
            kv_type=settings.kv_cache_type,
        )
        weights = header.weights or Weights(total_bytes=self._model.size_bytes)
        room = Room(engine="llamacpp", machine=self.services.machine(), place=self._place)
        if verdict := room.judge(weights, header.shape or Shape(), load):
            require(self._model.name, verdict)

    def keep(self, found: Tuned, command: str) -> Path:
        """Write what was measured, and return where."""
        from frontier.adapters.files import write_atomic
        from frontier.bootstrap.benchmarks import moment

        created = moment()
        benchmarks = self.services.benchmarks
        path = benchmarks.default_path(created, self._model.name)
        path = path.with_name(f"tune-{path.name}")
        document = {"schema": SCHEMA, "created": created, "command": command, **self._about(found)}
        write_atomic(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        return path

    def _about(self, found: Tuned) -> Mapping[str, Any]:
        from frontier.bootstrap.benchmarks import machine_of

        load = self.load
        return {
            "frontier": __version__,
            "aim": asdict(self.aim),
            "metric": METRICS[self.aim.goal],
            "case": asdict(load.cases[0]),
            "rounds": load.rounds,
            "round_s": load.duration_s,
            "model": self._model.name,
            "model_digest": self._model.digest,
            "engine": self.services.native.llama.reason,
            "machine": machine_of(self.machine),
            "changes": found.changes,
            **asdict(found),
        }

    def apply(self, changes: Mapping[str, str]) -> None:
        """Write *changes* to `.env`, after a snapshot.

        Raises:
            StalePlanError: somebody has changed the workspace while it was measured.
        """
        services = self.services
        with services.changing("bench tune"):
            services.snapshots.take("bench tune")
            for name, value in changes.items():
                if value:
                    services.configuration.set(name, value)
                else:
                    services.configuration.unset(name)
