"""What the gateway tells of a model: from its header, the store and the catalog."""

import contextlib
from pathlib import Path

from frontier.adapters.catalog import CatalogFiles, PackagedCatalog
from frontier.adapters.gguf import read_header
from frontier.domain.catalog import choose
from frontier.domain.errors import FrontierError
from frontier.domain.model import Details, Model, capabilities


def read_details(
    model: Model, *, context: int, engine: str, catalog: Path | None = None
) -> Details | None:
    """Return what is known of *model*; None where it is no file that can be read.

    Args:
        model: Of the store, or one that the engine gets by itself.
        context: Tokens of one request's slot; 0 is what the model was trained for.
        engine: What computes it.
        catalog: Folder of the user's own catalog files, None for none.

    Raises:
        ConfigError: one of those is wrong.
    """
    entries = CatalogFiles(catalog).entries if catalog else PackagedCatalog().entries
    with contextlib.suppress(FrontierError, OSError):
        header = read_header(model.path)
        chosen = choose(model.name, entries)
        entry = chosen.entry if chosen else None
        return Details(
            family=header.architecture,
            parameters=header.parameters,
            quantisation=header.quantisation,
            context=context or header.context_length or 0,
            embedding_length=header.embedding_length or 0,
            size_bytes=model.size_bytes,
            digest=model.digest,
            modified_at=model.pulled_at,
            licence=entry.licence if entry else "",
            capabilities=capabilities(header, entry, engine),
        )
    return None
