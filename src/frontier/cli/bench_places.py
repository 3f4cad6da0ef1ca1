"""Where the results of `frontier bench run` lie."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from frontier.adapters import bench_files
from frontier.domain.bench import Result
from frontier.domain.errors import StorageError, UsageError


def places(given: Path | None, defaults: Sequence[Path]) -> list[Path]:
    """Return the file for each result, seen to be possible.

    Args:
        given: A file or a folder, None for the usual place.
        defaults: The usual files.

    Raises:
        UsageError: *given* is no place for so many.
        RefusedError: something is there already.
        StorageError: nothing can be written there.
    """
    if len(defaults) > 1 and given is not None and _is_file(given):
        raise UsageError(
            f"{given} is one file, and two models make two", hint=f"--output {given.parent}"
        )
    return [_place(given, default) for default in defaults]


def _place(given: Path | None, default: Path) -> Path:
    """Return the file to write: a folder gets the usual name."""
    if given is not None and given.suffix != ".json" and given.exists() and not given.is_dir():
        raise UsageError(
            f"{given} is neither a folder nor a .json file", hint=f"--output {given}.json"
        )
    if given is not None and _is_file(given):
        path = given
    else:
        path = bench_files.free_place(given / default.name if given else default)
    bench_files.require_place(path)
    return path


def _is_file(given: Path) -> bool:
    return given.suffix == ".json" and not given.is_dir()


def keep(results: Sequence[Result | None], paths: Sequence[Path]) -> list[tuple[Path, Result]]:
    """Write *results* that are there, elsewhere where that fails; return where they lie.

    Raises:
        StorageError: one lies elsewhere, where the hint says.
    """
    kept: list[tuple[Path, Result]] = []
    failures: list[tuple[StorageError, Path]] = []
    for result, path in zip(results, paths, strict=True):
        if result is None:
            continue
        try:
            kept.append((bench_files.write(result, path)[0], result))
        except StorageError as error:
            elsewhere = Path(tempfile.mkdtemp(prefix="frontier-")) / path.name
            failures.append((error, bench_files.write(result, elsewhere)[0]))
    if failures:
        places = " and ".join(str(place) for _, place in failures)
        raise StorageError(failures[0][0].message, hint=f"The result lies in {places}")
    return kept
