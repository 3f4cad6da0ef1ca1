"""The model store: blobs by digest, refs by name, partial downloads beside them.

::

    blobs/sha256-<hex>                   whole, verified, read-only
    refs/<quoted name>.json              which blob a name means, and when it was last verified
    parts/sha256-<hex>.json              what every part of a blob has to be
    partial/<quoted name>~<hash>.part    what has come so far; more files of that stem belong to it
    partial/<quoted name>.lock           held while one command pulls or removes that name
    lock                                 held while refs and blobs change, for milliseconds
"""

import contextlib
import hashlib
import math
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from frontier.adapters.blobs_parts import Parts
from frontier.adapters.blobs_refs import Refs, Stamp, quoted
from frontier.adapters.blobs_share import share
from frontier.adapters.digests import digest_of, parts_of
from frontier.adapters.files import locked, storage_errors, sync_folder
from frontier.domain.errors import BusyError, CorruptBlobError, StorageError
from frontier.domain.model import Damage, Health, Model
from frontier.ports import Reporter

_PATIENCE_S = 30.0


def _ignore(_done: int, /) -> None:
    """Nobody watches."""


class BlobStore:
    """The models of one workspace.

    Args:
        root: Created with the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs, self._partial = root / "blobs", root / "partial"
        self._refs = Refs(root / "refs", self.blob)
        self._parts = Parts(root / "parts")

    def all(self) -> tuple[Model, ...]:
        """Return all models by name; names in `broken` are missing."""
        return self._refs.all()

    def broken(self) -> tuple[str, ...]:
        """Return the names whose ref cannot be read."""
        return self._refs.broken()

    def load(self, name: str) -> Model | None:
        """Return the model of that full name, None if there is none or its ref is unreadable."""
        return self._refs.load(name)

    def partials(self) -> dict[str, int]:
        """Return the names whose download has begun but not ended, with the bytes that lie here."""
        found: dict[str, int] = {}
        for path in self._partial.glob("[!.]*~*"):
            if path.suffix == ".json":
                continue
            name = unquote(path.name.rpartition("~")[0])
            with contextlib.suppress(FileNotFoundError):  # another command just finished it
                found[name] = found.get(name, 0) + path.stat().st_size
        return found

    def blob(self, digest: str) -> Path:
        """Return where the blob of that digest lies, or would."""
        return self._blobs / f"sha256-{digest}"

    def partial(self, name: str, source: str) -> Path:
        """Return where a download of *name* from *source* collects its bytes."""
        key = hashlib.sha256(source.encode()).hexdigest()[:12]
        return self._partial / f"{quoted(name)}~{key}.part"

    def free_bytes(self) -> int:
        """Return what this user may still write where the store lies or will lie."""
        there = next(path for path in (self.root, *self.root.parents) if path.exists())
        return shutil.disk_usage(there).free

    @contextmanager
    def claimed(self, name: str, reporter: Reporter) -> Generator[None, None, None]:
        """Hold *name* for one pull; whoever comes second says so and waits.

        Raises:
            StorageError: the store cannot be written.
        """
        lock, doing = self._name_lock(name), f"frontier models pull {name}"
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(lock, doing=doing))
            except BusyError as busy:
                reporter.say(f"{busy.message}; waiting for it")
                stack.enter_context(locked(lock, doing=doing, wait_s=math.inf))
            yield

    def verify_quick(self, model: Model) -> bool:
        """Tell whether the blob is what was verified; hashes it again where it looks touched."""
        stamp = self._refs.stamp(model.name)
        with contextlib.suppress(FileNotFoundError):
            if stamp and stamp == Stamp.of(model.path) and stamp.size == model.size_bytes:
                return True
        return self.verify(model) == "ok"

    def verify(self, model: Model, watch: Callable[[int], None] = _ignore) -> Health:
        """Hash the blob of *model* and remember the outcome; *watch* hears the bytes done."""
        health = self._health(model, watch)
        # What is bad is remembered too: its stamp may still fit. A store that cannot be
        # written can be verified all the same.
        with contextlib.suppress(StorageError, BusyError, FileNotFoundError), self._changing():
            if self.load(model.name) == model:
                self._refs.write(model, Stamp.of(model.path) if health == "ok" else None)
        return health

    def damage(
        self, model: Model, watch: Callable[[int], None] = _ignore
    ) -> tuple[Damage, ...] | None:
        """Return the damaged stretches of the blob, None where they cannot be told."""
        return self._parts.damage(model, watch)

    def mend(self, model: Model, begin: int, data: bytes) -> None:
        """Write *data*, verified, over a damaged part of the blob, for every name that has it.

        Raises:
            CorruptBlobError: *data* is not what has to be there; nothing is written.
            StorageError: the blob cannot be written.
        """
        self._parts.mend(model, begin, data)

    def adopt(self, name: str, *, digest: str, source: str, file_name: str) -> Model | None:
        """Name a blob that is here already; None if it is not, or not intact."""
        path = self.blob(digest)
        if not path.exists() or digest_of(path).whole != digest:
            return None
        with self._changing():
            return self._name(name, digest, source, file_name) if path.exists() else None

    def can_share(self, file: Path) -> bool:
        """Tell whether *file* lies where it can be had without a copy, as far as that shows."""
        there = next(path for path in (self.root, *self.root.parents) if path.exists())
        return file.stat().st_dev == there.stat().st_dev

    def share(
        self,
        file: Path,
        name: str,
        *,
        source: str,
        expected: str = "",
        watch: Callable[[int], None] = _ignore,
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
        before = Stamp.of(file)
        digest = digest_of(file, watch)
        if Stamp.of(file) != before:
            raise CorruptBlobError(f"{file} changed while it was read", hint="Try again.")
        if expected and digest.whole != expected:
            raise CorruptBlobError(f"{file} is damaged: its SHA-256 is {digest.whole}")
        fields = {"digest": digest.whole, "source": source, "file_name": file.name}
        if model := self.adopt(name, **fields):
            return model, "here already"
        with self._changing():
            blob = self.blob(digest.whole)
            with storage_errors(blob):
                self._blobs.mkdir(parents=True, exist_ok=True)
            self._parts.keep(digest.whole, digest.done, digest.parts)
            how = share(file, blob)
            return self._name(name, digest.whole, source, file.name), how

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
        """Make *file*, verified and from this store's partial folder, the blob of *name*.

        A kill on the way leaves *file* in place, so that the next pull needs no network.

        Raises:
            StorageError: the store cannot be written.
        """
        blob = self.blob(digest)
        with self._changing(), storage_errors(blob):
            self._blobs.mkdir(parents=True, exist_ok=True)
            file.chmod(0o444)
            if parts:
                self._parts.keep(digest, file.stat().st_size, parts)
            _link_over(file, blob)
            model = self._name(name, digest, source, file_name)
            self._sweep()
        self.discard(name)
        return model

    def remove(self, name: str, *, dry_run: bool = False) -> int:
        """Remove *name*, its partial downloads and what nothing else uses; return bytes freed.

        Raises:
            BusyError: another command pulls it right now.
            StorageError: the store cannot be written.
        """
        if dry_run:
            paths = [*self._unused(besides=name), *self._partial_files(name)]
            return sum(_own_bytes(path) for path in paths)
        with locked(self._name_lock(name), doing=f"frontier models rm {name}"):
            freed = self.discard(name)
            with self._changing(), storage_errors(self._blobs):
                self._refs.remove(name)
                return freed + self._sweep()

    def discard(self, name: str) -> int:
        """Delete the partial downloads of *name*; return the bytes freed."""
        freed = 0
        with storage_errors(self._partial):
            for path in self._partial_files(name):
                freed += _own_bytes(path)
                path.unlink()
        return freed

    def tidy(self, name: str) -> None:
        """Delete the partial downloads of a name that is here whole, unless somebody holds it."""
        if not self._partial_files(name):
            return
        with (
            contextlib.suppress(BusyError, StorageError),
            locked(self._name_lock(name), doing=f"frontier models pull {name}"),
        ):
            self.discard(name)

    def unused_bytes(self) -> int:
        """Return what blobs take that no name means; the next pull or removal deletes them."""
        return sum(_own_bytes(path) for path in self._unused())

    @contextmanager
    def _changing(self) -> Generator[None, None, None]:
        with locked(self.root / "lock", doing="models", wait_s=_PATIENCE_S):
            yield

    def _health(self, model: Model, watch: Callable[[int], None]) -> Health:
        try:
            if model.path.stat().st_size < model.size_bytes:
                return "truncated"
            known = self._parts.of(model)
            if known and parts_of(model.path, watch) == known:
                return "ok"
            digest = digest_of(model.path, watch)
        except FileNotFoundError:
            return "missing"
        if digest.whole != model.digest:
            return "corrupt"
        with contextlib.suppress(StorageError):  # a store that cannot be written
            self._parts.keep(model.digest, model.size_bytes, digest.parts)
        return "ok"

    def _name_lock(self, name: str) -> Path:
        return self._partial / f"{quoted(name)}.lock"

    def _partial_files(self, name: str) -> list[Path]:
        stem = quoted(name)
        return [*self._partial.glob(f"{stem}~*"), *self._partial.glob(f".{stem}~*")]

    def _name(self, name: str, digest: str, source: str, file_name: str) -> Model:
        blob = self.blob(digest)
        model = Model(
            name=name,
            digest=digest,
            size_bytes=blob.stat().st_size,
            source=source,
            file_name=file_name,
            path=blob,
            pulled_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._refs.write(model, Stamp.of(blob))
        return model

    def _unused(self, besides: str = "") -> list[Path]:
        """Return the blobs that no name but *besides* means.

        While a ref is unreadable there are none: its blob may be among them.
        """
        if set(self.broken()) - {besides}:
            return []
        used = {model.path for model in self.all() if model.name != besides}
        return [path for path in self._blobs.glob("*") if path not in used]

    def _sweep(self) -> int:
        """Delete what killed commands and replaced names left behind; return the bytes."""
        freed = 0
        for path in self._unused():
            freed += _own_bytes(path)
            path.unlink()
        self._refs.clean()
        self._parts.forget([path.name.removeprefix("sha256-") for path in self._blobs.glob("*")])
        return freed


def _own_bytes(path: Path) -> int:
    """Return what deleting *path* frees: nothing while another link of the file is left."""
    stat = path.stat()
    return stat.st_size if stat.st_nlink == 1 else 0


def _link_over(file: Path, blob: Path) -> None:
    """Make *blob* the same file as *file*; a reader of *blob* sees the old one or the new one."""
    beside = blob.with_name(f".{blob.name}")
    beside.unlink(missing_ok=True)
    try:
        beside.hardlink_to(file)
    except OSError:  # a file system without hard links; a kill may then cost the download
        file.replace(beside)
    beside.replace(blob)
    beside.unlink(missing_ok=True)  # renaming onto another link of the same file does nothing
    sync_folder(blob.parent)
