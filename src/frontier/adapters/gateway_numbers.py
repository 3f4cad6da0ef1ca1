"""What a running gateway tells of itself: its metrics and its routes."""

import time
from typing import Any, Final

import httpx2

from frontier.domain.errors import FrontierError, NotRunningError, RefusedError, RuntimeFailedError
from frontier.domain.exposition import Exposition
from frontier.domain.top_rates import NAMES
from frontier.domain.top_reading import BackendRead, GatewayRead, RouteRead

_ANSWER_S: Final = 5.0
_REFUSED: Final = (401, 403)


class GatewayNumbers:
    """Asks ``/metrics`` and ``/admin/routes`` of one gateway."""

    def __init__(self) -> None:
        # trust_env off: a proxy of the environment must never see a loopback request. No
        # connection is kept: a gateway that restarts would be told as one that breaks off.
        self._client = httpx2.Client(
            timeout=_ANSWER_S,
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    def read(self, url: str, api_key: str) -> GatewayRead:
        """Return what the gateway at *url* tells now.

        Args:
            url: ``http://HOST:PORT``.
            api_key: Sent as Bearer; empty sends none.

        Raises:
            NotRunningError: nothing listens there.
            RefusedError: it does not take the key.
            RuntimeFailedError: it gives no answer, or another one.
        """
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        text = self._get(f"{url}/metrics", headers).text
        at_s = time.monotonic()
        routes = self._get(f"{url}/admin/routes", headers)
        try:
            found = tuple(_route(model) for model in routes.json()["models"])
        except (ValueError, LookupError, TypeError) as error:
            raise RuntimeFailedError(
                f"{routes.url} answers something else than a gateway of Frontier"
            ) from error
        return GatewayRead(at_s=at_s, metrics=Exposition.parse(text, NAMES), routes=found)

    def _get(self, url: str, headers: dict[str, str]) -> httpx2.Response:
        try:
            response = self._client.get(url, headers=headers)
        except httpx2.ConnectError as error:
            raise NotRunningError(f"nothing listens at {url}") from error
        except httpx2.TimeoutException as error:
            raise RuntimeFailedError(f"{url} gives no answer within {_ANSWER_S:g} s") from error
        except httpx2.HTTPError as error:
            raise RuntimeFailedError(f"{url} broke off: {error}") from error
        if response.is_error:
            raise _refused(response, url)
        return response


def _refused(response: httpx2.Response, url: str) -> FrontierError:
    if response.status_code in _REFUSED:
        return RefusedError(f"{url} refuses our key")
    return RuntimeFailedError(f"{url} answers {response.status_code}")


def _route(raw: dict[str, Any]) -> RouteRead:
    return RouteRead(
        model=str(raw["name"]),
        aliases=tuple(raw["aliases"]),
        backends=tuple(
            BackendRead(
                name=str(backend["name"]),
                url=backend["url"],
                busy=int(backend["busy"]),
                breaker=backend["breaker"] or "",
                context=backend["context"],
            )
            for backend in raw["backends"]
        ),
    )
