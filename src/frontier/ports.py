"""What use-cases ask of the outside, as Protocols."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

from frontier.domain.backup import Backup, Manifest, SavedFile, SavedVolume
from frontier.domain.change import Interrupted
from frontier.domain.chat import Message, Piece, Sampling
from frontier.domain.machine import Machine
from frontier.domain.model import CatalogEntry, GgufHeader, Health, Model
from frontier.domain.project import Project, Service
from frontier.domain.snapshot import Snapshot
from frontier.domain.source import Fetched, Remote
from frontier.domain.stack import Stack
from frontier.domain.state import DaemonState
from frontier.domain.supervision import Exit
from frontier.domain.sweep import Found


class Task(Protocol):
    """One running piece of work that a person watches."""

    def update(self, done: int, total: int | None = None) -> None:
        """Set how much is done so far (not the increment), in the task's unit."""
        ...


class Reporter(Protocol):
    """Tells the person what happens; silent for machines and ``--quiet``."""

    def say(self, text: str) -> None:
        """Print a decision with its reason, or a step that is done."""
        ...

    def task(
        self, label: str, *, total: int | None = None, unit: Literal["bytes", "steps"] = "steps"
    ) -> AbstractContextManager[Task]:
        """Show *label* while the block runs, with a bar where *total* is known.

        With unit ``bytes`` the bar shows rate and remaining time.
        """
        ...


class Runtime(Protocol):
    """Runs a project's services; `native` is the first of its kind."""

    def state(self) -> DaemonState | None:
        """Return what runs now, or None when no daemon lives."""
        ...

    def has_died(self) -> bool:
        """Tell whether a daemon ended without stopping: killed, or the machine went down."""
        ...

    def apply(self, project: Project) -> None:
        """Save *project* as what should run and start or notify the daemon; does not wait."""
        ...

    def wait_ready(self, project: Project, reporter: Reporter) -> DaemonState:
        """Return the state once every service of *project* is ready.

        Raises:
            RuntimeFailedError: a service died before it was ready, or took longer than its
                start budget; the message names it and carries its last lines.
        """
        ...

    def restart(self, service: str) -> None:
        """Ask the daemon to stop and start one service."""
        ...

    def stop(self, reporter: Reporter) -> bool:
        """Stop all services and the daemon, in-flight requests first; False if none ran."""
        ...


class ContainerRuntime(Runtime, Protocol):
    """Runs the containers of a project."""

    def require_possible(self, project: Project, giving_up: Collection[int]) -> None:
        """Raise what keeps *project* from starting; see `Runtimes.require_possible`."""
        ...

    def missing_images(self, project: Project) -> tuple[str, ...]:
        """Return the images of *project* that are not on this machine."""
        ...

    def pull(self, project: Project, reporter: Reporter) -> None:
        """Bring the missing images of *project* to this machine.

        Raises:
            RuntimeFailedError: one cannot be had; the hint tells how to load it.
        """
        ...

    def start_only(self, project: Project, services: Collection[str], reporter: Reporter) -> None:
        """Start *services* of *project* beside what runs; does not wait."""
        ...

    def remove(self, services: Collection[str]) -> None:
        """Stop and remove *services*."""
        ...

    def write_live(self, project: Project) -> None:
        """Replace the files that running services of *project* reload by themselves."""
        ...


class Runtimes(Runtime, Protocol):
    """Host processes and containers as one, with engines that can be exchanged."""

    def require_possible(self, project: Project, giving_up: Collection[int]) -> None:
        """Raise what keeps the containers of *project* from starting; changes nothing.

        Args:
            project: What should run.
            giving_up: Process ids that may hold its ports: they end before.

        Raises:
            RefusedError: another workspace has a project of this name, or it does not fit.
            PortTakenError: somebody else listens where one of them should.
        """
        ...

    def start_beside(self, project: Project, services: Collection[str], reporter: Reporter) -> None:
        """Start *services* of *project* beside what runs, and wait until they are ready.

        Raises:
            RuntimeFailedError: one did not get ready; all of them are removed again.
        """
        ...

    def write_live(self, project: Project) -> None:
        """Replace the files that running services of *project* reload by themselves."""
        ...


class GatewayControl(Protocol):
    """The running gateway, as the command line steers it while engines are exchanged."""

    def wait_loaded(self, project: Project) -> None:
        """Return once the routes of *project* as they were written last are in force.

        Raises:
            RuntimeFailedError: the gateway does not take them over.
        """
        ...

    def drain(self, services: Collection[str], *, timeout_s: float) -> int:
        """Wait until nothing is under way on *services*; return what is left at the limit."""
        ...


class Journal(Protocol):
    """Remembers a change of what runs, so that a killed one is told and mended."""

    def during(
        self, command: str, to: Project | None = None
    ) -> AbstractContextManager[Callable[[str], None]]:
        """Note that *command* is bringing up *to* while the block runs; yields how to tell more.

        A FrontierError ends the note; anything else, a Ctrl-C included, leaves it.
        """
        ...

    def interrupted(self) -> Interrupted | None:
        """Return the change whose process is gone, None where there is none."""
        ...

    def clear(self) -> None:
        """Forget the change: what runs is what is declared."""
        ...


class Clock(Protocol):
    """Seconds since some moment, never going back."""

    def __call__(self) -> float:
        """Return the present moment."""
        ...


class ChatClient(Protocol):
    """A chat completion API."""

    def stream(
        self, model: str, messages: Sequence[Message], sampling: Sampling
    ) -> Iterator[Piece]:
        """Yield the answer as it comes."""
        ...


class Readable(Protocol):
    """Bytes that are read once, from the beginning."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to *size* bytes, all that are left where it is negative."""
        ...


class BackupStore(Protocol):
    """The folder of backups."""

    def changing(self, command: str) -> AbstractContextManager[None]:
        """Hold the lock of backups while *command* works."""
        ...

    def spool(self) -> AbstractContextManager[Path]:
        """Yield a folder, only ours, for what goes into an archive."""
        ...

    def require_new(self, name: str) -> Path:
        """Return where a backup called *name* will lie.

        Raises:
            RefusedError: there is one of that name.
        """
        ...

    def write(
        self,
        name: str,
        manifest: Manifest,
        source: Callable[[str], Path],
        on: Callable[[int], None],
    ) -> Backup:
        """Write the archive and verify it; *source* returns the file of a member."""
        ...

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file in the spool."""
        ...

    def all(self) -> tuple[Backup, ...]:
        """Return all backups, newest first."""
        ...

    def find(self, which: str) -> Path:
        """Return the archive of that name, or at that path."""
        ...

    def manifest(self, which: str) -> Manifest:
        """Return what the backup says about itself; nothing else is verified."""
        ...

    def read(
        self, which: str, sink: Callable[[str, Readable], None], on: Callable[[int], None]
    ) -> Manifest:
        """Send all members through *sink*, each one verified."""
        ...

    def remove(self, backup: Backup) -> None:
        """Delete *backup*."""
        ...


class DataStores(Protocol):
    """What services write all the time: folders of the workspace and volumes of Docker."""

    def names(self, project: str) -> tuple[str, ...]:
        """Return what there is; *project* is the Compose project, "" without containers."""
        ...

    def present(self, names: Collection[str]) -> tuple[str, ...]:
        """Return which of *names* are here.

        Raises:
            RuntimeFailedError: Docker has to be asked, and does not answer.
        """
        ...

    def save(self, name: str, project: str, target: Path, on: Callable[[int], None]) -> None:
        """Write one to the tar file *target*; who writes to it is paused meanwhile."""
        ...

    def load(self, name: str, project: str, source: Path, on: Callable[[int], None]) -> None:
        """Make one hold what the tar file *source* holds, and nothing else."""
        ...


class Staging(Protocol):
    """Where a workspace's files are gathered for a backup, and prepared for a restore."""

    def copy(self, folder: Path) -> tuple[SavedFile, ...]:
        """Copy what a backup covers below *folder*."""
        ...

    def changes(self, manifest: Manifest) -> tuple[str, ...]:
        """Return the files that a restore would change, add or remove."""
        ...

    def begin(self, manifest: Manifest, *, volumes: Collection[str]) -> None:
        """Make room for a restore of the files and of *volumes*.

        Raises:
            DoesNotFitError: there is none.
        """
        ...

    def put(self, name: str, content: Readable) -> None:
        """Take one member of the archive."""
        ...

    def abandon(self) -> None:
        """Drop what was prepared."""
        ...

    def commit(self, name: str) -> None:
        """Replace the workspace's files; from here on the new state counts."""
        ...

    def pending(self) -> tuple[tuple[SavedVolume, str, Path], ...]:
        """Return the volumes still to be loaded, each with its Compose project and tar file."""
        ...

    def loaded(self, volume: SavedVolume) -> None:
        """Forget a volume that is loaded."""
        ...


class ContainerSweep(Protocol):
    """All that Docker has of a workspace, whatever state its files are in."""

    @property
    def are_expected(self) -> bool:
        """Tell, without asking Docker, whether there may be containers."""
        ...

    def find(self) -> Found:
        """Return what there is.

        Raises:
            RuntimeFailedError: Docker does not answer.
        """
        ...

    def remove(self, found: Found, reporter: Reporter, *, volumes: bool, images: bool) -> None:
        """Remove containers and networks, and volumes and images where asked to."""
        ...


class SnapshotStore(Protocol):
    """What was before each change."""

    def take(self, before: str, *, keep: str = "") -> Snapshot:
        """Save the present state, before the command *before*; never drop *keep* for it."""
        ...

    def mark_good(self) -> None:
        """Remember that the present state has streamed a token."""
        ...

    def all(self) -> tuple[Snapshot, ...]:
        """Return all snapshots, newest first."""
        ...

    def find(self, snapshot_id: str) -> Snapshot:
        """Return the snapshot of that name, or the only one it begins."""
        ...

    def changes(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Return the files that *snapshot* would change, add or remove, the project included."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Bring the workspace's files to *snapshot*."""
        ...

    def reset(self, snapshot: Snapshot) -> None:
        """Bring settings and project to their defaults; the rest is as in *snapshot*."""
        ...


class StackSource(Protocol):
    """Where stacks come from."""

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        ...

    def load(self, name: str) -> Stack:
        """Return one stack."""
        ...


class MachineProbe(Protocol):
    """Looks at the machine; never raises and never takes longer than its own limit."""

    def __call__(self) -> Machine:
        """Return the machine, with the disk that models lie on."""
        ...


class Process(Protocol):
    """One started service."""

    @property
    def pid(self) -> int:
        """Return the process id of the service itself."""
        ...

    async def wait(self) -> Exit:
        """Return how it ended, once nothing of it is left."""
        ...

    async def stop(self) -> None:
        """End it and everything it started: SIGTERM, its grace, SIGKILL."""
        ...


class Processes(Protocol):
    """Starts services."""

    async def start(self, service: Service, port: int) -> Process:
        """Start *service* with *port* in its command line.

        Raises:
            RuntimeFailedError: the program cannot be executed.
        """
        ...


class Probe(Protocol):
    """Asks a service on loopback whether it works; answers "" or the problem in words."""

    async def health(self, port: int, path: str, *, timeout_s: float) -> str:
        """Ask for *path* and expect 200 within *timeout_s*."""
        ...

    async def token(self, port: int, model: str) -> str:
        """Have *model* generate one token; takes as long as it takes."""
        ...


class ProjectFile(Protocol):
    """The rendered project that should run."""

    def load(self) -> Project | None:
        """Return it, None when nothing was brought up yet."""
        ...

    def save(self, project: Project) -> None:
        """Replace it."""
        ...

    def clear(self) -> None:
        """Forget it."""
        ...


class Catalog(Protocol):
    """Models that can be had by name."""

    @property
    def entries(self) -> Mapping[str, CatalogEntry]:
        """Return all entries by full name."""
        ...


class HeaderReader(Protocol):
    """Reads what a model file says about itself."""

    def __call__(self, path: Path, /) -> GgufHeader:
        """Return the header of *path*.

        Raises:
            ModelFormatError: it is no readable model file.
        """
        ...


class ModelSources(Protocol):
    """The places that models come from."""

    def locate(self, source: str) -> Remote:
        """Return what to ask for.

        Raises:
            UsageError: *source* has no known form.
            DownloadError: the place does not answer, or does not have it.
        """
        ...

    def fetch(
        self,
        remote: Remote,
        part: Path,
        *,
        expected: str,
        size_bytes: int | None,
        room: Callable[[int], None],
        progress: Callable[[int, int | None], None],
    ) -> Fetched:
        """Bring the model file of *remote* to *part* or a file beside it, resuming what is there.

        Args:
            remote: What `locate` returned.
            part: Where bytes collect; files beside it with the same stem belong to it.
            expected: SHA-256 that the model file must have, "" where nothing is known.
            size_bytes: Length of the model file, None where it is not known.
            room: Raises where that many more bytes do not fit on the disk.
            progress: Hears the bytes done, those resumed included, and all of them if known.

        Raises:
            DownloadError: the place does not answer; what came is kept.
            CorruptBlobError: what came is not what was promised; it is deleted.
            ModelFormatError: what came is no GGUF file; it is deleted.
            StorageError: it cannot be written; what came is kept.
        """
        ...


class ModelStore(Protocol):
    """The models on this machine."""

    def all(self) -> tuple[Model, ...]:
        """Return all models by name; names in `broken` are missing."""
        ...

    def broken(self) -> tuple[str, ...]:
        """Return the names whose ref cannot be read."""
        ...

    def load(self, name: str) -> Model | None:
        """Return the model of that full name, None if there is none or its ref is unreadable."""
        ...

    def partials(self) -> Mapping[str, int]:
        """Return the names whose download has begun but not ended, with the bytes so far."""
        ...

    def blob(self, digest: str) -> Path:
        """Return where the blob of that digest lies, or would."""
        ...

    def partial(self, name: str, source: str) -> Path:
        """Return where a download of *name* from *source* collects its bytes."""
        ...

    def free_bytes(self) -> int:
        """Return what this user may still write where the store lies or will lie."""
        ...

    def claimed(self, name: str, reporter: Reporter) -> AbstractContextManager[None]:
        """Hold *name* for one pull; whoever comes second says so and waits."""
        ...

    def verify_quick(self, model: Model) -> bool:
        """Tell whether the blob is what was verified; hashes it again where it looks touched."""
        ...

    def verify(self, model: Model, watch: Callable[[int], None] = ...) -> Health:
        """Hash the blob of *model* and remember the outcome; *watch* hears the bytes done."""
        ...

    def adopt(self, name: str, *, digest: str, source: str, file_name: str) -> Model | None:
        """Name a blob that is here already; None if it is not, or not intact."""
        ...

    def publish(self, file: Path, name: str, *, digest: str, source: str, file_name: str) -> Model:
        """Make *file*, verified, the blob of *name*; all or nothing."""
        ...

    def discard(self, name: str) -> int:
        """Delete the partial downloads of *name*, which the caller holds; return the bytes."""
        ...

    def tidy(self, name: str) -> None:
        """Delete the partial downloads of a name that is here whole, unless somebody holds it."""
        ...

    def remove(self, name: str, *, dry_run: bool = False) -> int:
        """Remove *name* and what nothing else uses; return the bytes freed."""
        ...


class ImageDigests(Protocol):
    """What the container engine knows about images."""

    def digest(self, reference: str) -> str | None:
        """Return ``sha256:...``, "" for an image built here, None for one that is not here."""
        ...
