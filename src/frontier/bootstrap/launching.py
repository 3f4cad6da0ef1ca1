"""Tools in front of the gateway: their keys, their files, and where they are installed."""

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.bootstrap.access import Access
from frontier.bootstrap.core import Core

if TYPE_CHECKING:
    from frontier.domain.launch import Tool
    from frontier.ports import Reporter
    from frontier.usecases.launch import Launch


@dataclass
class Launching:
    """Points tools at the gateway of one workspace."""

    core: Core
    access: Access

    def launch(self, reporter: "Reporter") -> "Launch":
        """Return the use-case behind `frontier launch`, with all its ports."""
        from frontier.adapters.launch_files import LaunchFiles
        from frontier.adapters.launch_trial import GatewayTrial
        from frontier.usecases.launch import NOT_YET, Launch

        url = self.access.reachable.urls[0]
        project = self.access.running.project
        routes = project.routes if project else ()
        return Launch(
            url=url,
            default_model=routes[0].model if routes else "",
            key=self._key,
            trial=lambda secret: GatewayTrial(
                url,
                api_key=self.access.own_key if secret == NOT_YET else secret,
                timeout_s=self.core.settings.model_timeout,
            ),
            files=LaunchFiles(self.core.workspace.state / "launch", Path.home()),
            program=self.program,
            reporter=reporter,
        )

    def _key(self, tool: str, preview: bool) -> tuple[str, str]:
        """Return the secret of *tool*'s own key and its file, both "" for an open gateway."""
        from frontier.usecases.launch import NOT_YET

        settings = self.core.settings
        if not (settings.api_key or self.core.keys.load() or self.core.needs_key):
            return "", ""
        if path := self._kept(f"launch-{tool}"):
            return path.read_text(), str(path)
        return (NOT_YET, "") if preview else self._made(f"launch-{tool}")

    def _kept(self, name: str) -> Path | None:
        """Return the file with a secret of the key *name* that is still good."""
        from frontier.domain.keys import digest

        now = datetime.now(UTC)
        good = {key.sha256 for key in self.core.keys.load() if key.state(now) == "active"}
        found = self.core.workspace.secrets.glob(f"{name}-*")
        return next((path for path in found if digest(path.read_text()) in good), None)

    def _made(self, name: str) -> tuple[str, str]:
        from frontier.domain.keys import Key
        from frontier.usecases import keys

        now, store = datetime.now(UTC), self.core.keys
        with self.core.changing(f"launch, which makes the key {name}"):
            self.core.snapshots.take("keys create")
            if any(key.name == name and key.revoked is None for key in store.load()):
                secret = keys.rotate(store, name, now).secret
            else:
                secret = keys.create(
                    store, Key(id="", name=name, sha256="", created=now), now
                ).secret
            return secret, str(self.core.secrets.keep(name, secret))

    @staticmethod
    def program(tool: "Tool") -> str:
        """Return where *tool*'s program lies, "" where it is not installed."""
        if not tool.program:
            return ""
        if found := shutil.which(tool.program):
            return found
        places = (Path.home() / place for place in tool.homes)
        return next((str(path) for path in places if os.access(path, os.X_OK)), "")
