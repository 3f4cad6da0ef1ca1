"""Bringing what runs from one project to another, proved by a token, or back to what ran."""

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from frontier.domain.chat import Answer
from frontier.domain.containers import ROUTES
from frontier.domain.errors import ConfigError, FrontierError, HalfDoneError, NotFoundError
from frontier.domain.facts import PROOF
from frontier.domain.project import Project, Route
from frontier.domain.state import DaemonState
from frontier.domain.wanted import Listening
from frontier.ports import (
    GatewayControl,
    Journal,
    ProjectFile,
    Reporter,
    Runtimes,
    SnapshotStore,
)
from frontier.renderers.native import GATEWAY
from frontier.renderers.routes import routes_file

Prove = Callable[[str], Answer | None]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change of what runs.

    Attributes:
        command: What the person typed, for snapshot and journal: ``stack select mistral``.
        runtime: Runs the projects.
        project: What is declared; replacing it is the moment from which the change counts.
        snapshots: Take one before anything changes.
        journal: Remembers what a killed command left half done.
        gateway: The gateway that runs, asked while engines are exchanged behind it.
        free_ports: Raises PortTakenError when a gateway on the host could not listen; the given
            process ids may hold its ports.
        reporter: Hears every step.
        declared_now: Called once the new project is declared, before the change is over.
        drain_s: Seconds that answers under way get before their engine is taken away.
    """

    command: str
    runtime: Runtimes
    project: ProjectFile
    snapshots: SnapshotStore
    journal: Journal
    gateway: Callable[[Project], GatewayControl]
    free_ports: Callable[[Listening, Collection[int]], None]
    changing: Callable[[str], AbstractContextManager[None]]
    reporter: Reporter
    declared_now: Callable[[], None] = lambda: None
    drain_s: float = 30.0

    def carry_out(
        self,
        project: Project,
        prove: Prove,
        *,
        fits_beside: bool = False,
    ) -> Answer | None:
        """Make *project* run, prove it, declare it; go back where it fails.

        Args:
            project: What should run.
            prove: Streams a token of the model of that name through the gateway.
            fits_beside: Memory holds the old and the new engine at the same time.

        Raises:
            FrontierError: it did not get ready; what ran before runs again.
        """
        with self.changing(self.command):
            present = self.present()
            self.require_possible(project, present.state)
            self.snapshots.take(self.command)
            with self.journal.during(self.command, project):
                try:
                    old = present.exchangeable
                    answer = self._replace(old, project, prove, fits_beside=fits_beside)
                except BaseException as error:  # a bug must not leave requests waiting, either
                    self._return(present, project, error)
                    raise
                self.project.save(project)
                self.declared_now()
            self.snapshots.mark_good()
            return answer

    def require_possible(self, project: Project, state: DaemonState | None) -> None:
        """Raise what would keep *project* from starting where *state* runs; changes nothing.

        Raises:
            PortTakenError: somebody else listens where one of its services should.
            RefusedError: another workspace has containers of this name, or memory is too small.
        """
        giving_up = state.pids if state else frozenset[int]()
        if project.containers:
            self.runtime.require_possible(project, giving_up)
        else:
            self.free_ports(Listening(address=project.address, ports=project.ports), giving_up)

    def redeclare(self, project: Project) -> None:
        """Declare *project*, which runs already, with what it was asked for now."""
        with self.changing(self.command):
            if self.journal.interrupted():
                self._start(project)  # the gateway may still let requests wait
            declared = self.declared()
            if declared is None or declared.digests != project.digests:
                self.project.save(project)
            elif (declared.asked, declared.accelerator) != (project.asked, project.accelerator):
                asked, accelerator = project.asked, project.accelerator
                self.project.save(replace(declared, asked=asked, accelerator=accelerator))
            self.declared_now()
            self.journal.clear()

    def recover(self) -> None:
        """Bring what runs to what is declared, where a killed command left them apart.

        Nothing is started where nothing runs.

        Raises:
            RuntimeFailedError: what is declared does not get ready.
        """
        if not self.journal.interrupted():
            return
        with self.changing(self.command):
            if self.runtime.state():
                self._follow_declared()
            self.journal.clear()

    def restart(self, names: Collection[str]) -> Project:
        """Stop and start services; behind a gateway that stays, requests wait for an engine.

        Raises:
            NotFoundError: nothing is declared.
            RuntimeFailedError: a service does not get ready again.
        """
        with self.changing(self.command):
            project = self.project.load()
            if project is None:
                raise NotFoundError("nothing is brought up here", hint="Begin with: frontier up")
            waits = _can_hold(project, names)
            with self.journal.during(self.command, project):
                try:
                    if waits:
                        self._route(routed(project, held=project.routes))
                        self._drain(project)
                    for name in names:
                        self.runtime.restart(name)
                    self.runtime.wait_ready(project, self.reporter)
                finally:
                    if waits:
                        self._route(project)
            return project

    def _follow_declared(self) -> None:
        if project := self.project.load():
            self.reporter.say(f"bringing back what is declared: {project.stack}")
            self._start(project)
        else:
            self.runtime.stop(self.reporter)

    def follow(self, present: "Present", prove: Prove, undo: Callable[[], object]) -> Answer | None:
        """Bring what runs to what is declared now, and prove it; go back where it fails.

        Args:
            present: What was declared and ran before; not whole where it was stopped since.
            prove: Streams a token of the model of that name through the gateway; not asked where
                no model is declared.
            undo: Declares again what was.

        Raises:
            HalfDoneError: it did not get ready, and neither did what ran before.
            FrontierError: it did not get ready; what ran before runs again.
        """
        new = present.declared
        try:
            new = self.project.load()
            if new is None:
                self.runtime.stop(self.reporter)
                return None
            return self._replace(present.exchangeable, new, prove, fits_beside=False)
        except BaseException as error:
            undo()
            self._return(present, new or present.declared, error)
            raise

    def present(self) -> "Present":
        """Return what is declared and runs now."""
        is_whole = self.journal.interrupted() is None
        return Present(self.declared(), self.runtime.state(), is_whole=is_whole)

    def declared(self) -> Project | None:
        """Return the project that should run; None where there is none, or it is damaged."""
        try:
            return self.project.load()
        except ConfigError:
            return None  # damaged: rendered anew

    def _replace(
        self, old: Project | None, new: Project, prove: Prove, *, fits_beside: bool
    ) -> Answer | None:
        """Exchange what runs; behind a gateway that stays, no request is lost."""
        exchanged = engines_exchanged(old, new) if old else ()
        if old is None or not exchanged:
            self._start(new)
            return prove(new.routes[0].model) if new.routes else None
        is_beside = fits_beside and not new.services  # the host has one engine at a time
        if is_beside and not set(exchanged) & old.digests.keys():
            return self._exchange_beside(old, new, prove, exchanged)
        return self._exchange_held(old, new, prove)

    def _start(self, project: Project) -> None:
        self.runtime.apply(project)
        self.runtime.wait_ready(project, self.reporter)

    def _exchange_beside(
        self, old: Project, new: Project, prove: Prove, engines: Collection[str]
    ) -> Answer | None:
        """Start and prove the new engine beside the old one, then send requests there."""
        self.reporter.say(f"starting {', '.join(engines)} beside what runs")
        self.runtime.start_beside(routed(new, old.routes), engines, self.reporter)
        self._route(routed(new, [*old.routes, proof_route(new)]))
        answer = prove(PROOF)
        self._route(new)
        self._drain(old)
        self._start(new)  # removes what the old project had
        return answer

    def _exchange_held(self, old: Project, new: Project, prove: Prove) -> Answer | None:
        """Let requests wait in the gateway until the new engine is there and proved."""
        self.reporter.say("new requests wait in the gateway until the new engine is ready")
        both = (*old.routes, *new.routes)
        self._route(routed(old, held=both))
        self._drain(old)
        self._start(routed(new, [proof_route(new)], held=both))
        self.gateway(new).wait_loaded(routed(new, [proof_route(new)], held=both))
        answer = prove(PROOF)
        self._route(new)
        return answer

    def _route(self, project: Project) -> None:
        """Give the running gateway the routes of *project* and wait until they are in force."""
        self.runtime.write_live(project)
        self.gateway(project).wait_loaded(project)

    def _drain(self, project: Project) -> None:
        services = tuple(dict.fromkeys(route.service for route in project.routes))
        if left := self.gateway(project).drain(services, timeout_s=self.drain_s):
            self.reporter.say(f"{left} answers under way take too long and are broken off")

    def _return(self, present: "Present", failed: Project | None, error: BaseException) -> None:
        """Go back to *present*; where that fails, too, *error* tells, and the note stays.

        Raises:
            HalfDoneError: it failed; carries both.
        """
        try:
            self._go_back(present.declared, failed, was_running=present.state is not None)
        except FrontierError as second:
            raise HalfDoneError(error, second) from error
        self.journal.clear()  # after Ctrl-C, too, what is declared runs

    def _go_back(
        self, before: Project | None, failed: Project | None, *, was_running: bool
    ) -> None:
        if before is None or failed is None or not was_running:
            self.runtime.stop(self.reporter)
            if before:
                self.project.save(before)
            else:
                self.project.clear()
            return
        self.reporter.say(f"going back to what ran before: {before.stack}")
        state = self.runtime.state()
        still_there = state is not None and state.has_ready(before.digests)
        if before.containers and still_there:
            self._route(before)  # the new engine only stood beside it
        if still_there or not engines_exchanged(failed, before):
            self._start(before)
        else:
            self._start(routed(before, held=(*before.routes, *failed.routes)))
            self._route(before)
        self.project.save(before)


@dataclass(frozen=True, slots=True)
class Present:
    """What should run, and what does, before a change.

    Attributes:
        is_whole: No killed command left something else than what is declared.
    """

    declared: Project | None
    state: DaemonState | None
    is_whole: bool = True

    @property
    def exchangeable(self) -> Project | None:
        """The declared project where its gateway runs, so that engines behind it can change.

        A gateway whose health check fails counts: on a busy machine it may only be late.
        """
        if self.declared is None or self.state is None or not self.is_whole:
            return None
        gateway = self.state.service(GATEWAY)
        is_there = gateway is not None and gateway.pid is not None
        return self.declared if is_there else None


def engines_exchanged(old: Project, new: Project) -> tuple[str, ...]:
    """Return the engines that differ where the gateway stays as it is; () where it does not."""
    if old.containers is None or new.containers is None or not old.routes:
        return ()
    kept = old.digests.keys() & new.digests.keys()
    if not any(old.digests[name] == new.digests[name] for name in kept & {GATEWAY}):
        return ()
    engines = dict.fromkeys(route.service for route in new.routes)
    return tuple(e for e in engines if new.digests.get(e) != old.digests.get(e))


def _can_hold(project: Project, names: Collection[str]) -> bool:
    """Tell whether an engine among *names* stands behind a gateway that is not one of them."""
    engines = {route.service for route in project.routes}
    return project.containers is not None and GATEWAY not in names and not engines.isdisjoint(names)


def proof_route(project: Project) -> Route:
    """Return the way to the first engine of *project* that only the proof takes."""
    route = project.routes[0]
    return replace(
        route, model=PROOF, aliases=(), upstream_model=route.upstream_model or route.model
    )


def routed(
    project: Project, routes: Iterable[Route] = (), *, held: Iterable[Route] = ()
) -> Project:
    """Return *project* with another route file, in which requests for *held* wait.

    They wait as long as its slowest service may take to start, and to make way before.
    """
    if project.containers is None:
        return project
    longest = max(project.containers.start_timeout_s.values(), default=0.0)
    text = routes_file(routes, held=held, hold_s=2 * longest)
    return replace(project, containers=project.containers.with_file(ROUTES, text))
