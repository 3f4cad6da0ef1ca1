"""``config/images.lock.yaml``: the digest that each image's tag stood for when it was locked."""

import re
from collections.abc import Mapping
from pathlib import Path

from frontier.adapters.files import write_atomic
from frontier.adapters.yaml_lines import YamlFile
from frontier.domain.errors import ConfigError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HEAD = "# Written by `frontier stack lock`: containers run exactly these images.\n"


class ImagesLock:
    """The lock file of one workspace.

    Args:
        path: It need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, str]:
        """Map image references to their digests.

        Raises:
            ConfigError: the file is not what this version writes; the message names the line.
        """
        if not self.path.is_file():
            return {}
        file = YamlFile(self.path)
        match file.content:
            case {"version": 1, "images": dict(images), **rest} if not rest:  # pyright: ignore[reportUnknownVariableType]
                return {str(key): _digest(file, str(key), value) for key, value in images.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
            case _:
                raise _wrong(file.error((), "wants `version: 1` and `images`"))

    def save(self, digests: Mapping[str, str]) -> None:
        """Replace the file.

        Raises:
            StorageError: it cannot be written.
        """
        lines = "".join(f'  "{image}": {digests[image]}\n' for image in sorted(digests))
        write_atomic(self.path, f"{_HEAD}version: 1\nimages:{'' if lines else ' {}'}\n{lines}")


def _digest(file: YamlFile, image: str, value: object) -> str:
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value
    raise _wrong(file.error(("images", image), f"wants sha256:<64 digits>, not {value!r}"))


def _wrong(error: ConfigError) -> ConfigError:
    return ConfigError(error.message, hint="`frontier stack lock` writes it anew.")
