"""What takes space on the disk."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One thing that takes space.

    Attributes:
        what: For people.
        path: The folder.
        size_bytes: What it takes on the disk; a file with several links counts once, where it is
            met first.
        shared_bytes: Of that folder, what was counted before or lies elsewhere, too.
        files: How many.
        free_with: The command that gives the space back, "" where none should.
    """

    what: str
    path: str
    size_bytes: int
    shared_bytes: int
    files: int
    free_with: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """What `models df` prints.

    Attributes:
        unused_bytes: Of the store, what no name means; the next pull or removal deletes it.
        free_bytes: What this user may still write where the models lie.
        total_bytes: Of that disk.
    """

    places: tuple[Usage, ...]
    unused_bytes: int
    free_bytes: int
    total_bytes: int

    @property
    def size_bytes(self) -> int:
        """Return what all of it takes."""
        return sum(place.size_bytes for place in self.places)
