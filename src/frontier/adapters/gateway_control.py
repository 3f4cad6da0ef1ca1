"""The running gateway's control endpoint, as the command line uses it to exchange engines."""

import hashlib
import time
from collections.abc import Collection, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from frontier.domain.containers import ROUTES
from frontier.domain.errors import (
    ConfigError,
    NotRunningError,
    RefusedError,
    RuntimeFailedError,
)
from frontier.domain.project import Project, Route

_POLL_S: Final = 0.05
_ANSWER_S: Final = 5.0
_REFUSED: Final = (401, 403)


class HttpGatewayControl:
    """Asks ``GET /admin/routes`` of one gateway.

    Args:
        url: ``http://HOST:PORT``.
        api_key: Sent as Bearer; empty sends none.
        routes: Say where services listen.
        load_s: How long the gateway may take to load a file that was written.
        client: Only for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str = "",
        routes: Iterable[Route] = (),
        load_s: float = 10.0,
        client: httpx2.Client | None = None,
    ) -> None:
        self._url = url
        self._places = [(route.service, _place(route.url)) for route in routes if route.url]
        self._load_s = load_s
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # trust_env off: a proxy of the environment must never see a loopback request. No
        # connection outlives its answer: an idle one would be left open during a long switch.
        self._client = client or httpx2.Client(
            timeout=_ANSWER_S,
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    def wait_loaded(self, project: Project) -> None:
        """Return once the route file of *project*'s containers is in force.

        Raises:
            ConfigError: the gateway found it wrong.
            RuntimeFailedError: it does not load it, or does not answer.
        """
        if project.containers is not None:
            self.wait_for(project.containers.files[ROUTES])

    def wait_for(self, routes: str) -> None:
        """Return once a route file with the text *routes* is in force.

        Raises:
            ConfigError: the gateway found it wrong.
            RuntimeFailedError: it does not load it, or does not answer.
        """
        digest = hashlib.sha256(routes.encode()).hexdigest()
        end = time.monotonic() + self._load_s
        while digest not in (state := self._ask())["files"].values():
            if digest in state["rejected"].values():
                raise ConfigError(
                    f"the gateway rejects its routes: {state['config_error']}",
                    hint="See `frontier logs gateway`.",
                )
            if time.monotonic() > end:
                raise RuntimeFailedError(
                    f"the gateway at {self._url} did not load its routes in {self._load_s:g} s",
                    hint="See `frontier logs gateway`.",
                )
            time.sleep(_POLL_S)

    def in_flight(self, services: Collection[str]) -> int:
        """Return how many requests *services* are working on.

        Raises:
            RuntimeFailedError: the gateway does not answer.
        """
        places = {place for service, place in self._places if service in services}
        found: list[dict[str, Any]] = self._ask()["in_flight"]
        return sum(f["requests"] for f in found if _place(f["backend_url"]) in places)

    def drain(self, services: Collection[str], *, timeout_s: float) -> int:
        """Wait until nothing is under way on *services*; return what is left at the limit.

        Raises:
            RuntimeFailedError: the gateway does not answer.
        """
        end = time.monotonic() + timeout_s
        while (left := self.in_flight(services)) and time.monotonic() < end:
            time.sleep(_POLL_S)
        return left

    def _ask(self) -> dict[str, Any]:
        url = f"{self._url}/admin/routes"
        try:
            response = self._client.get(url, headers=self._headers)
        except httpx2.ConnectError as error:
            raise NotRunningError(
                f"no gateway answers at {self._url}", hint="Start it: `frontier start`."
            ) from error
        except httpx2.HTTPError as error:
            raise RuntimeFailedError(
                f"{url} gave no answer: {str(error) or type(error).__name__}",
                hint="See `frontier logs gateway`.",
            ) from error
        if response.status_code in _REFUSED:
            raise RefusedError(
                f"the gateway at {self._url} refuses the key", hint="Set API_KEY to its key."
            )
        try:
            state: dict[str, Any] = response.raise_for_status().json()
        except (httpx2.HTTPStatusError, ValueError) as error:
            raise RuntimeFailedError(
                f"{url} answered {response.status_code}: {response.text[:200]}",
                hint="Another program may listen there, or an older gateway: `frontier restart`.",
            ) from error
        return state


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80
