"""The packaged catalog of models: data in YAML, read when it is asked for."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from frontier.domain.model import CatalogEntry


class PackagedCatalog:
    """The models that come with this version."""

    @property
    def entries(self) -> Mapping[str, CatalogEntry]:
        """Return all entries by name, in the file's order."""
        return _read()


@cache
def _read() -> Mapping[str, CatalogEntry]:
    import yaml

    text = files("frontier").joinpath("catalog/models.yaml").read_text("utf-8")
    raw = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 both are safe
    return {
        name: CatalogEntry(
            name=name,
            sources=tuple(fields["sources"]),
            sha256=fields["sha256"],
            size_bytes=fields.get("size"),
            download_bytes=fields.get("download"),
            context=fields["context"],
            parameters=fields["parameters"],
            licence=fields["licence"],
            gated=fields.get("gated", False),
            embedding=fields.get("embedding", False),
        )
        for name, fields in raw.items()
    }
