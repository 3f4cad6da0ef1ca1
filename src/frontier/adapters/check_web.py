"""Questions to servers on this machine, over HTTP."""

import json
import time
from typing import TYPE_CHECKING

from frontier.domain.errors import NotRunningError, RuntimeFailedError
from frontier.ports.checking import WebAnswer

if TYPE_CHECKING:
    import httpx2


class LocalWeb:
    """Asks without a proxy: one of the environment must never see a loopback request."""

    def ask(
        self, url: str, *, key: str = "", body: object = None, timeout_s: float = 5.0
    ) -> WebAnswer:
        """GET *url*, or POST *body* as JSON; whatever it answers is returned.

        Raises:
            NotRunningError: nothing listens there.
            RuntimeFailedError: it gives no answer in time, or breaks off.
        """
        import httpx2

        headers = {"Authorization": f"Bearer {key}"} if key else {}
        method, content = ("GET", None) if body is None else ("POST", json.dumps(body).encode())
        if content:
            headers["Content-Type"] = "application/json"
        try:
            with httpx2.Client(trust_env=False, timeout=timeout_s, headers=headers) as client:
                return _measured(client, method, url, content)
        except httpx2.ConnectError as error:
            raise NotRunningError(f"nothing answers at {url}", hint="frontier start") from error
        except httpx2.TimeoutException as error:
            raise RuntimeFailedError(
                f"{url} gave no answer within {timeout_s:g} s", hint="frontier logs"
            ) from error
        except httpx2.HTTPError as error:
            raise RuntimeFailedError(
                f"{url}: the answer broke off: {error}", hint="frontier logs"
            ) from error


def _measured(client: "httpx2.Client", method: str, url: str, content: bytes | None) -> WebAnswer:
    begun = time.monotonic()
    first_s = 0.0
    parts: list[bytes] = []
    with client.stream(method, url, content=content) as answer:
        for part in answer.iter_bytes():
            first_s = first_s or time.monotonic() - begun
            parts.append(part)
    return WebAnswer(
        answer.status_code,
        b"".join(parts).decode(errors="replace"),
        first_s,
        time.monotonic() - begun,
    )
