"""Where models come from and lie."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from frontier.domain.candidates import Repository
from frontier.domain.catalog import CatalogEntry
from frontier.domain.kept import KeptModel
from frontier.domain.model import Damage, GgufHeader, Health, Model
from frontier.domain.source import Fetched, Remote
from frontier.ports.reporting import Reporter


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


class ModelKeeper(Protocol):
    """A store that is not ours: an engine's own, or another program's."""

    root: Path

    def models(self) -> tuple[KeptModel, ...]:
        """Return its models, those that can be read."""
        ...


class EngineKeeper(ModelKeeper, Protocol):
    """The store of one of our engines, in the workspace."""

    def verify(self, name: str, watch: Callable[[int], None]) -> Health:
        """Hash the files of the model *name*; *watch* hears the bytes done."""
        ...

    def remove(self, name: str, *, dry_run: bool = False) -> int:
        """Remove the model *name* and what no other uses; return the bytes freed.

        Raises:
            StorageError: the store cannot be written.
        """
        ...


class ModelInspector(Protocol):
    """Reads what models say about themselves where they lie, without downloading them."""

    def header(self, source: str) -> tuple[GgufHeader, int]:
        """Return the header of the GGUF file of *source*, and the file's length.

        Raises:
            DownloadError: the place does not answer, or gives no parts of files.
            ModelFormatError: it is no readable GGUF file.
        """
        ...

    def repository(self, repo: str, revision: str = "") -> Repository:
        """Return which models a repository of the hub has.

        Raises:
            DownloadError: unreachable, absent, gated, or without a model.
        """
        ...


class OllamaServer(Protocol):
    """A running Ollama."""

    def pull(
        self,
        name: str,
        *,
        say: Callable[[str], None],
        progress: Callable[[int, int | None], None],
    ) -> tuple[int, int]:
        """Have it pull *name*; return the bytes of the model, and of those that came now.

        Args:
            name: In Ollama's words.
            say: Hears each step.
            progress: Hears the bytes done and in all.

        Raises:
            NotRunningError: nothing answers.
            DownloadError: it cannot pull it, or broke off; what came is kept.
        """
        ...


class HubRepositories(Protocol):
    """The hub's cache that engines read whole repositories from."""

    def missing(self, repo: str, revision: str = "") -> tuple[int, int]:
        """Return the bytes of what an engine needs, and of those that are not here.

        Raises:
            DownloadError: the hub does not answer, or has nothing for an engine there.
        """
        ...

    def fetch(
        self,
        repo: str,
        revision: str = "",
        *,
        room: Callable[[int], None],
        progress: Callable[[int, int | None], None],
    ) -> tuple[int, int]:
        """Bring it; return the bytes of all files, and of those that came now.

        Args:
            repo: ``owner/name``.
            revision: "" for the newest.
            room: Raises where that many more bytes do not fit on the disk.
            progress: Hears the bytes done and in all.

        Raises:
            DownloadError: the hub does not answer; what came is kept.
            CorruptBlobError: what came is not what was promised; it is deleted.
            StorageError: the cache cannot be written.
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

    def stretch(
        self, remote: Remote, begin: int, end: int, take: Callable[[int, bytes], None]
    ) -> None:
        """Read the model file of *remote* from byte *begin* up to *end*.

        Args:
            remote: What `locate` returned.
            begin: Where a part begins.
            end: Where a part ends.
            take: Gets each part, and where it begins; may raise.

        Raises:
            DownloadError: the place does not answer, or gives no parts of a file.
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

    def damage(self, model: Model, watch: Callable[[int], None] = ...) -> tuple[Damage, ...] | None:
        """Return the damaged stretches of the blob, None where they cannot be told."""
        ...

    def mend(self, model: Model, begin: int, data: bytes) -> None:
        """Write *data*, verified, over a damaged part of the blob, for every name that has it.

        Raises:
            CorruptBlobError: *data* is not what has to be there; nothing is written.
            StorageError: the blob cannot be written.
        """
        ...

    def adopt(self, name: str, *, digest: str, source: str, file_name: str) -> Model | None:
        """Name a blob that is here already; None if it is not, or not intact."""
        ...

    def can_share(self, file: Path) -> bool:
        """Tell whether *file* lies where it can be had without a copy, as far as that shows."""
        ...

    def share(
        self,
        file: Path,
        name: str,
        *,
        source: str,
        expected: str = "",
        watch: Callable[[int], None] = ...,
    ) -> tuple[Model, str]:
        """Make *file*, which stays where it is, the blob of *name*; return how.

        A blob that is here already is named, and the file left alone.

        Args:
            file: Somebody else's.
            name: What it is called here.
            source: Where it came from.
            expected: SHA-256 that it must have, "" for whatever it has.
            watch: Hears the bytes read.

        Raises:
            CorruptBlobError: it is not what was expected, or changed while it was read.
            RefusedError: it would have to be copied.
            StorageError: the store cannot be written.
        """
        ...

    def publish(
        self,
        file: Path,
        name: str,
        *,
        digest: str,
        source: str,
        file_name: str,
        parts: Sequence[str] = (),
    ) -> Model:
        """Make *file*, verified, the blob of *name*; all or nothing.

        *parts* are the digests of its parts, () where only the whole was read.
        """
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
