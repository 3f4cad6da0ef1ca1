"""The catalog of models: what comes with this version, and the user's own files on top."""

from collections.abc import Mapping
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from frontier.domain.catalog import CatalogEntry

_HINT: Final = "docs/reference/catalog.md describes the format."


class PackagedCatalog:
    """The models that come with this version."""

    @property
    def entries(self) -> Mapping[str, CatalogEntry]:
        """Return all entries by name, in the file's order."""
        return _packaged()[1]


class CatalogFiles:
    """The packaged catalog, and on top of it the user's own files.

    A model of a user's file has what that file gives, and the rest of what stood there before.

    Args:
        folder: Its ``*.yaml`` are read in the order of their names; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def entries(self) -> Mapping[str, CatalogEntry]:
        """Return all entries by name.

        Raises:
            ConfigError: a file of the user's is wrong; the message names file, line and reason.
        """
        return self._entries

    @cached_property
    def _entries(self) -> Mapping[str, CatalogEntry]:
        raw, entries = _packaged()
        paths = sorted(self._folder.glob("*.y*ml"))
        return _with(paths, raw, entries) if paths else entries


def _with(
    paths: list[Path], raw: Mapping[str, Mapping[str, Any]], entries: Mapping[str, CatalogEntry]
) -> Mapping[str, CatalogEntry]:
    from frontier.adapters.catalog_file import read_entry, read_raw
    from frontier.adapters.yaml_lines import YamlFile

    known, found = dict(raw), dict(entries)
    for path in paths:
        file = YamlFile(path, hint=_HINT)
        for name, given in read_raw(file).items():
            found[name] = read_entry(file, name, known.get(name, {}), given, origin=str(path))
            known[name] = {**known.get(name, {}), **given}
    return found


@cache
def _packaged() -> tuple[Mapping[str, Mapping[str, Any]], Mapping[str, CatalogEntry]]:
    from frontier.adapters.catalog_file import read_entry, read_raw
    from frontier.adapters.yaml_lines import YamlFile

    data = files("frontier").joinpath("catalog/models.yaml").read_bytes()
    file = YamlFile(Path("catalog/models.yaml"), data=data)
    raw = read_raw(file)
    return raw, {name: read_entry(file, name, {}, given, origin="") for name, given in raw.items()}
