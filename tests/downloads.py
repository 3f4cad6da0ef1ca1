"""Where downloads of the tests lie, once per machine."""

import os
from pathlib import Path


def downloads() -> Path:
    """Return the folder, FRONTIER_TEST_CACHE or one below ~/.cache."""
    home = Path.home() / ".cache" / "frontier-tests"
    return Path(os.environ.get("FRONTIER_TEST_CACHE", home))
