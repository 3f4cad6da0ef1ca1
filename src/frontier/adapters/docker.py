"""The Docker runtime: one Compose project, driven through python-on-whales."""

import math
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from frontier.adapters import docker_images
from frontier.adapters.docker_check import check
from frontier.adapters.docker_cli import docker, lines
from frontier.adapters.docker_containers import Container, Listed, listed, ours
from frontier.adapters.docker_images import PullPolicy, container_events
from frontier.adapters.docker_ports import require_ports
from frontier.adapters.docker_ready import Waiting, failure, looked_at, seen, tail
from frontier.adapters.engine_record import EngineRecord
from frontier.adapters.project_folder import (
    containers_of,
    forget,
    manifest,
    materialise,
    require_possible,
    write_live,
)
from frontier.adapters.silent import Silent
from frontier.adapters.workspace import Workspace
from frontier.domain.docker import DockerFacts, endpoints, images, require_memory
from frontier.domain.errors import FrontierError, NotRunningError, RefusedError
from frontier.domain.plan import reconcile
from frontier.domain.project import Project
from frontier.domain.state import DaemonState
from frontier.ports import Reporter

_LOOK_S = 1.0
_STOP_S = 600.0  # engines may take minutes to finish their answers; Compose kills after the grace


class DockerRuntime:
    """Runs the containers of one workspace.

    Args:
        workspace: Whose project folder is written; its path is the label of our containers.
        pull_policy: ``never`` refuses to start when an image is missing.
        variables: Port to the setting that it comes from, for hints.
        facts: What this Docker offers; raises where it cannot be used.
        record: Notes how engines started; None notes nothing.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        pull_policy: PullPolicy = "missing",
        variables: Mapping[int, str] | None = None,
        facts: Callable[[], DockerFacts] = check,
        record: EngineRecord | None = None,
    ) -> None:
        self._workspace = workspace
        self._label = str(workspace.root.resolve())
        self._pull_policy: PullPolicy = pull_policy
        self._variables, self._facts = variables or {}, facts
        self._record = record
        self._possible: Mapping[str, str] | None = None
        self._began = math.inf  # when we last started anything

    def state(self) -> DaemonState | None:
        """Return what runs or ran until it ended, None when there is no container of ours."""
        containers = self._containers()
        if not containers:
            return None
        looked = looked_at(containers, _LOOK_S)
        services = tuple(seen(container, looked) for container in containers)
        begun = [s.started_at for s in services if s.started_at]
        stack = manifest(self._workspace).stack
        # nobody but Docker supervises: there is no process of ours
        return DaemonState(
            pid=0, started_at=min(begun, default=0.0), stack=stack, services=services
        )

    def has_died(self) -> bool:
        """Tell whether all containers ended without being stopped: then they would be gone."""
        state = self.state()
        return state is not None and all(s.phase == "stopped" for s in state.services)

    def images_of(self, project: Project) -> dict[str, str]:
        """Map each service of *project* to its image."""
        return images(containers_of(project))

    def missing_images(self, project: Project) -> tuple[str, ...]:
        """Return the images of *project* that are not on this machine."""
        return docker_images.missing(self.images_of(project).values())

    def pull(self, project: Project, reporter: Reporter) -> None:
        """Pull the images of *project* that are missing.

        Raises:
            DownloadError: a registry does not answer or does not give the image.
            RuntimeFailedError: PULL_POLICY forbids it.
        """
        docker_images.pull(containers_of(project).services, reporter, self._pull_policy)

    def apply(self, project: Project, reporter: Reporter | None = None) -> None:
        """Start exactly what *project* changes, and remove the rest; does not wait for health.

        Whatever can be refused is refused before anything changes. What Compose itself has to
        wait for (``depends_on`` with a condition) is waited for here.

        Raises:
            RefusedError: another workspace has a project of this name.
            DoesNotFitError: Docker has too little memory for all limits, or the disk no room for
                a model that has to be copied.
            PortTakenError: another container or process listens where one of ours should.
            DownloadError: an image is missing and cannot be pulled.
            RuntimeFailedError: a container does not start, or Docker does not work.
            StorageError: the project folder cannot be written.
        """
        self._start(project, (), reporter or Silent())

    def start_only(
        self, project: Project, services: Collection[str], reporter: Reporter | None = None
    ) -> None:
        """Start *services* of *project* beside what runs; nothing else is touched or removed.

        Raises:
            FrontierError: as `apply`.
        """
        self._start(project, services, reporter or Silent())

    def require_possible(self, project: Project, giving_up: Collection[int] = ()) -> None:
        """Raise what `apply` would refuse, images apart; changes nothing, `apply` relies on it.

        Args:
            project: What should run.
            giving_up: Process ids that may hold its ports: they end before.

        Raises:
            FrontierError: as `apply`.
        """
        containers = containers_of(project)
        self._require_possible(project, containers.services, giving_up)
        self._possible = containers.digests

    def wait_ready(self, project: Project, reporter: Reporter) -> DaemonState:
        """Return the state once every container of *project* is ready.

        Raises:
            RuntimeFailedError: one ended, is unhealthy, or took longer than its start budget; the
                message names it and carries its last lines.
        """
        containers = containers_of(project)
        waiting = Waiting(
            look=self._containers,
            digests=containers.digests,
            budgets_s=containers.start_timeout_s,
            reporter=reporter,
            on_failed=lambda name: self._failed(project, name),
            since=self._began,
        )
        services = waiting.until_ready()
        if self._record:
            self._record.ready(project, services, waiting.ready_at)
        begun = [s.started_at for s in services if s.started_at]
        started_at = min(begun, default=0.0)
        return DaemonState(pid=0, started_at=started_at, stack=project.stack, services=services)

    def _failed(self, project: Project, service: str) -> None:
        if self._record:
            self._record.failed(project, service)

    def write_live(self, project: Project) -> None:
        """Replace the files that running services of *project* reload by themselves."""
        write_live(project, self._workspace)

    def restart(self, service: str) -> None:
        """Stop and start the containers of *service*.

        Raises:
            NotRunningError: it has none.
        """
        found = self._of((service,))
        if not found:
            raise NotRunningError(f"{service} is not running", hint="frontier start")
        self._began = time.time()
        with docker(f"restarting {service}", limit_s=_STOP_S) as client:
            client.container.restart([container.id for container in found])

    def remove(self, services: Collection[str]) -> None:
        """Stop the containers of *services*, each with its grace, and remove them."""
        found = self._of(services)
        ids = [container.id for container in found]
        with docker(f"stopping {', '.join(services)}", limit_s=_STOP_S) as client:
            if ids:
                client.container.stop(ids)
                client.container.remove(ids, force=True)

    def stop(self, reporter: Reporter) -> bool:
        """Stop and remove all containers and networks; False if there was no container.

        Every container gets its grace to finish what it does; the gateway, in front, ends first.
        Volumes stay: what Grafana and Prometheus keep is the user's.
        """
        containers = self._containers()
        names = {container.project for container in containers} | self._written_names()
        with reporter.task("Stopping", total=len(containers)) as task:
            gone = 0
            for name in sorted(names):
                with docker("stopping the containers", limit_s=_STOP_S, name=name) as client:
                    chunks = client.compose.down(remove_orphans=True, stream_logs=True)
                    for _, what in container_events(lines(client, chunks)):
                        gone += what == "Removed"
                        task.update(gone, len(containers))
        forget(self._workspace)
        return bool(containers)

    def tail(self, service: str, lines: int) -> list[str]:
        """Return the last *lines* lines that the container of *service* wrote, [] without one."""
        found = self._of((service,))
        return tail(found[-1].id, lines).splitlines() if found else []

    def _containers(self) -> tuple[Container, ...]:
        with docker("looking at the containers") as client:
            return ours(client, self._label)

    def _of(self, services: Collection[str]) -> list[Container]:
        return [c for c in self._containers() if c.service in services]

    def _start(self, project: Project, only: Collection[str], reporter: Reporter) -> None:
        """Start the services *only*, or all and remove the rest."""
        containers = containers_of(project)
        services = {n: s for n, s in containers.services.items() if not only or n in only}
        is_checked = self._possible == containers.digests  # a moment ago: it costs three calls
        if is_checked or self._require_possible(project, services):
            docker_images.pull(services, reporter, self._pull_policy)
        if not only and self._written_name() not in ("", containers.name):
            self._stop_other_names(containers.name, reporter)
        for note in materialise(project, self._workspace, prune=not only):
            reporter.say(note)
        self._up(project, only, reporter)

    def _require_possible(
        self, project: Project, services: Collection[str], giving_up: Collection[int] = ()
    ) -> bool:
        """Tell whether any of *services* changes; raise where it cannot, before anything does."""
        containers = containers_of(project)
        with docker("looking at the containers") as client:
            everyone = listed(client)
            found = ours(client, self._label)
        self._require_name(containers.name, everyone)
        steps = reconcile(containers.digests, _running(found))
        changed = {s.service for s in steps if s.action != "remove"} & set(services)
        if changed:
            with ThreadPoolExecutor(1) as pool:
                facts = pool.submit(self._facts)
                wanted = {e: s for e, s in endpoints(containers).items() if s in changed}
                require_ports(
                    wanted,
                    everyone,
                    ours=self._label,
                    giving_up=giving_up,
                    variables=self._variables,
                )
                require_memory(containers, facts.result())
                require_possible(project, self._workspace)
        return bool(changed)

    def _require_name(self, name: str, everyone: Collection[Listed]) -> None:
        """Check that no other workspace, and nobody else, has a Compose project of this name."""
        for container in everyone:
            if container.project == name and container.workspace != self._label:
                whose = container.workspace or container.folder
                is_there = container.workspace and Path(whose).exists()
                stop = (
                    f"frontier --workspace {whose} stop"
                    if is_there
                    else f"docker compose -p {name} down"
                )
                raise RefusedError(
                    f"another project runs as {name}: that of {whose}"
                    + (
                        ""
                        if is_there or not container.workspace
                        else ", which is gone or was moved"
                    ),
                    hint=f"Stop it ({stop}), or take another name: "
                    f"frontier config set PROJECT_NAME {name}-2",
                )

    def _stop_other_names(self, name: str, reporter: Reporter) -> None:
        """Stop what this workspace runs under an earlier PROJECT_NAME."""
        for other in sorted({c.project for c in self._containers()} - {name}):
            reporter.say(f"stopping {other}: the project is called {name} now")
            with docker("stopping the containers", limit_s=_STOP_S, name=other) as client:
                client.compose.down(remove_orphans=True, quiet=True)

    def _up(self, project: Project, only: Collection[str], reporter: Reporter) -> None:
        """Have Compose start what its hashes say has changed."""
        containers = containers_of(project)
        folder = self._workspace.project_folder
        self._began = time.time()
        try:
            with docker("starting the containers", limit_s=None, folder=folder) as client:
                chunks = client.compose.up(
                    list(only) or None,
                    detach=True,
                    dependencies=not only,
                    remove_orphans=not only,
                    no_build=True,
                    pull="never",
                    stream_logs=True,
                )
                for name, what in container_events(lines(client, chunks)):
                    if what in ("Recreated", "Removed", "Waiting"):
                        reporter.say(f"{_service(name, containers.name)}: {what.lower()}")
        except FrontierError as error:
            raise self._explained(error, project) from error

    def _explained(self, error: FrontierError, project: Project) -> FrontierError:
        """Return *error*, or why the container failed that others were waiting for."""
        if "dependency failed to start" not in f"{error.message}{error.details}":
            return error
        digests = containers_of(project).digests
        failed = [c for c in self._of(digests) if c.phase in ("stopped", "backoff")]
        if not failed:
            return error
        self._failed(project, failed[0].service)
        return failure(failed[0])

    def _written_names(self) -> set[str]:
        """Return the name in the project folder, unless others have a project of that name."""
        if not (name := self._written_name()):
            return set()
        with docker("looking at the containers") as client:
            theirs = {c.project for c in listed(client) if c.workspace != self._label}
        return {name} - theirs

    def _written_name(self) -> str:
        """Return the name in the project folder, "" where it cannot be read."""
        import yaml

        try:
            return str(yaml.safe_load(self._workspace.compose_file.read_text())["name"])
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            return ""


def _running(containers: Collection[Container]) -> dict[str, str]:
    """Map the services that run to the digest of their configuration."""
    return {c.service: c.state.digest for c in containers if c.phase not in ("stopped", "stopping")}


def _service(container: str, project: str) -> str:
    """Return ``engine`` for ``project-engine-1``."""
    return container.removeprefix(f"{project}-").rpartition("-")[0] or container
