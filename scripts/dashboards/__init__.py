"""Grafana's dashboards as code: `make dashboards` writes the JSON that the monitoring ships."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import backends, cache, costs, engines, latency, requests, system

FOLDER: Final = Path("stacks/common/monitoring/live/grafana")
"""Where the files lie, from the repository's root."""

_ALL: Final = (requests, latency, engines, cache, costs, system, backends)


def texts() -> Mapping[str, str]:
    """Return each dashboard's JSON by its file name, in the order that people read them."""
    return {f"{module.SLUG}.json": _text(module.build()) for module in _ALL}


def _text(board: object) -> str:
    return json.dumps(board, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
