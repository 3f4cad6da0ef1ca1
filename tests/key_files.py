"""``keys.yaml`` as a test wants it, written as `frontier keys` does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from frontier.adapters.key_store import KeyStore
from frontier.domain.keys import Key, digest, new_id, new_secret

NOW = datetime.now(UTC)
PAST = NOW - timedelta(days=1)


class Keys:
    """A file of keys whose secrets the test knows.

    Attributes:
        secrets: By name.
        ids: By name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.secrets: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        self._keys: dict[str, Key] = {}

    def add(self, name: str, **fields: Any) -> dict[str, str]:
        """Add a key and write the file; return the header that presents it."""
        secret = self.secrets[name] = new_secret()
        key = Key(id=new_id(), name=name, sha256=digest(secret), created=NOW)
        self.ids[name] = key.id
        self.change(name, key=replace(key, **fields))
        return {"Authorization": f"Bearer {secret}"}

    def change(self, name: str, *, key: Key | None = None, **fields: Any) -> None:
        """Change one key and write the file."""
        self._keys[name] = replace(key or self._keys[name], **fields)
        KeyStore(self.path).save(self._keys.values())
