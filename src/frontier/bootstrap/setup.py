"""The wizard: what it asks, and how its answers become settings and a running stack."""

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final

from frontier.bootstrap.services import Services
from frontier.domain.errors import FrontierError, PortTakenError

if TYPE_CHECKING:
    from frontier.usecases.setup import Wizard
    from frontier.usecases.up import StackUp

_PREVIEWED: Final = "a-key-that-is-to-be-made"


@dataclass
class SettingUp:
    """Sets up one workspace."""

    services: Services

    def wizard(self) -> "Wizard":
        """Return the use-case behind `frontier setup`, with all its ports."""
        from frontier.usecases.setup import Wizard

        services = self.services
        machine = services.machine()
        return Wizard(
            stacks=services.stacks,
            names=services.stacks.names(),
            machine=lambda: machine,
            place=services.placing.place,
            recommend=cache(services.recommendations),
            current=services.asking_again().configuration.get,
            written=services.configuration.written,
            default=services.configuration.default,
            docker=self._docker_problem,
            require_model=self._require_model,
            has_key=bool(services.settings.api_key) or services.keys.has_active(),
            is_set_up=services.workspace.project_file.exists(),
            taken=self._taken,
            preview=self._preview,
        )

    def _require_model(self, stack: str, name: str) -> None:
        """Raise where *stack* takes models of the store and *name* is none that can be had now."""
        models = self.services.models
        if models.own(self.services.stacks.load(stack), name) is None:
            models.plan(name)

    def _docker_problem(self) -> str:
        try:
            _ = self.services.docker_facts
        except FrontierError as error:
            return error.message
        return ""

    def _taken(self, address: str) -> tuple[str, int]:
        from frontier.adapters.ports_free import next_free
        from frontier.domain.wanted import Listening

        services, port = self.services, self.services.settings.api_port
        state = services.runtime.state()
        where = Listening(address=address or services.settings.bind_address, ports=(port,))
        try:
            services.access.free_ports(where, state.pids if state else ())
        except PortTakenError as error:
            return error.message, next_free(where.address, port)
        return "", port

    def _preview(self, settings: dict[str, str], makes_key: bool) -> "StackUp":
        """Return what `up` would do; a key that is to be made is taken for granted."""
        from frontier.adapters.silent import Silent

        key = {"API_KEY": _PREVIEWED} if makes_key and not self.services.settings.api_key else {}
        asked = {name.lower(): value for name, value in {**settings, **key}.items()}
        services = self.services.asking(asked).previewing()
        return services.up(Silent(), lambda _: None).run(services.wanted(), dry_run=True)

    def settling(self, settings: Mapping[str, str]) -> Services:
        """Return services whose `up` writes *settings* to ``.env`` once they have given a token."""
        asked = {name.lower(): value for name, value in settings.items()}
        return self.services.asking(asked, settles=True)

    @contextlib.contextmanager
    def key(self, name: str) -> Generator[str]:
        """Yield the secret of a new key *name*, "" for no name; taken back where the block fails.

        Raises:
            RefusedError: there is a key of that name.
        """
        from frontier.domain.keys import Key
        from frontier.usecases import keys

        if not name:
            yield ""
            return
        services, now, path = self.services, datetime.now(UTC), self.services.keys.path
        with services.changing("setup"):
            before = path.read_bytes() if path.exists() else b""
            services.snapshots.take("setup")
            made = keys.create(services.keys, Key(id="", name=name, sha256="", created=now), now)
            after = path.read_bytes()
        try:
            yield made.secret
        except BaseException:
            with services.changing("setup"):
                self._take_back(made.key.id, before, after)
            raise

    def _take_back(self, key_id: str, before: bytes, after: bytes) -> None:
        """Remove the key *key_id*; whoever changed others meanwhile loses nothing."""
        store = self.services.keys
        if store.path.read_bytes() != after:
            store.save(key for key in store.load() if key.id != key_id)
        elif before:
            store.put_back(before)
        else:
            store.path.unlink()
