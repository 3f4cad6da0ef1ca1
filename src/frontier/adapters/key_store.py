"""The keys of one workspace: ``config/keys.yaml``, mode 0600."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from frontier.adapters import key_file
from frontier.adapters.files import write_atomic
from frontier.domain.errors import ConfigError
from frontier.domain.keys import Key
from frontier.renderers.gateway_image import UID


@dataclass(frozen=True, slots=True)
class KeyStore:
    """Reads and replaces the file.

    Attributes:
        path: The file, which need not exist.
    """

    path: Path

    def load(self) -> tuple[Key, ...]:
        """Return all keys, the revoked ones included.

        Raises:
            ConfigError: the file is wrong; the message names file, line and field.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error.strerror}") from error
        return key_file.parse(self.path, data)

    def has_active(self) -> bool:
        """Tell whether any key lets somebody in now.

        Raises:
            ConfigError: the file is wrong; the message names file, line and field.
        """
        now = datetime.now(UTC)
        return any(key.state(now) == "active" for key in self.load())

    def save(self, keys: Iterable[Key]) -> None:
        """Replace the file; the caller holds the workspace's lock.

        Raises:
            StorageError: full disk, read-only file system, no permission.
        """
        self.put_back(key_file.render(keys))

    def put_back(self, content: str | bytes) -> None:
        """Replace the file by *content*, as it was before; the caller holds the workspace's lock.

        Raises:
            StorageError: as `save`.
        """
        owner = UID if os.geteuid() == 0 else None  # root's containers have a user of their own
        write_atomic(self.path, content, mode=0o600, owner=owner)
