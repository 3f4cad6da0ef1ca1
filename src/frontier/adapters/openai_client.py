"""The gateway's OpenAI API as Frontier's own commands call it."""

import contextlib
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from frontier.domain.chat import Message, Piece, Sampling
from frontier.domain.errors import (
    FrontierError,
    ModelNotFoundError,
    NotRunningError,
    RefusedError,
    RuntimeFailedError,
)

if TYPE_CHECKING:
    import httpx2

_LOADING = 503


class OpenAiClient:
    """Chat completions of one gateway.

    Args:
        base_url: With ``/v1``, no slash at the end.
        api_key: Sent as Bearer; empty sends none.
        timeout_s: Longest silence before the first token and between two.
    """

    def __init__(self, base_url: str, *, api_key: str = "", timeout_s: float = 300.0) -> None:
        self._base_url, self._api_key, self._timeout_s = base_url, api_key, timeout_s

    @cached_property
    def _client(self) -> "httpx2.Client":
        """The connection, opened when it is used: `start` loads it after all is ready."""
        import httpx2

        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        # trust_env off: a proxy of the environment must never see a loopback request
        return httpx2.Client(headers=headers, timeout=self._timeout_s, trust_env=False)

    def stream(
        self, model: str, messages: Sequence[Message], sampling: Sampling
    ) -> Iterator[Piece]:
        """Yield the answer as it comes; leaving the loop cancels it at the engine.

        Raises:
            NotRunningError: nothing listens there.
            ModelNotFoundError: the gateway does not know *model*.
            RuntimeFailedError: the answer failed or broke off.
        """
        body: dict[str, Any] = {
            "model": model,
            "messages": [asdict(m) for m in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **{k: v for k, v in asdict(sampling).items() if v is not None},
        }
        with (
            _translated(self._base_url),
            self._client.stream(
                "POST", f"{self._base_url}/chat/completions", json=body
            ) as response,
        ):
            if response.is_error:
                response.read()
                raise _refused(response)
            yield from _pieces(response.iter_lines())


def _pieces(lines: Iterator[str]) -> Iterator[Piece]:
    for line in lines:
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            return
        event = json.loads(data)
        if error := event.get("error"):
            raise RuntimeFailedError(
                f"the answer failed: {error.get('message', error)}", hint="See `frontier logs`."
            )
        yield _piece(event)
    raise RuntimeFailedError("the answer broke off", hint="See `frontier logs`.")


def _piece(event: dict[str, Any]) -> Piece:
    choices: list[dict[str, Any]] = event.get("choices") or []
    delta: dict[str, Any] = choices[0].get("delta") or {} if choices else {}
    usage: dict[str, Any] = event.get("usage") or {}
    return Piece(
        text=delta.get("content") or "",
        completion_tokens=usage.get("completion_tokens"),
        is_cut=bool(choices) and choices[0].get("finish_reason") == "length",
    )


@contextlib.contextmanager
def _translated(base_url: str) -> Generator[None]:
    """Turn httpx2's errors into ours."""
    import httpx2

    try:
        yield
    except httpx2.ConnectError as error:
        raise NotRunningError(
            f"nothing answers at {base_url}", hint="Start it: `frontier up`."
        ) from error
    except httpx2.TimeoutException as error:
        raise RuntimeFailedError(
            f"{base_url} gave no answer in time", hint="See `frontier status`."
        ) from error
    except httpx2.HTTPError as error:
        raise RuntimeFailedError(
            f"the answer broke off: {error}", hint="See `frontier logs`."
        ) from error


def _refused(response: "httpx2.Response") -> FrontierError:
    try:
        error = response.json()["error"]
        message, code = str(error["message"]), error.get("code")
    except (ValueError, KeyError, TypeError):
        message, code = response.text[:200], None
    if code == "context_length_exceeded":
        return RefusedError(
            message,
            hint="Ask less (in a chat, /clear forgets the conversation), or have more: "
            "frontier config set MAX_CONTEXT_LENGTH N && frontier up",
        )
    if response.status_code == _LOADING:
        return RuntimeFailedError(
            message, hint="The engine is starting: try again in some seconds (`frontier status`)."
        )
    if code == "model_not_found":
        return ModelNotFoundError(message, hint="`frontier status` lists what runs.")
    if response.status_code in (401, 403):
        return RefusedError(message, hint="Set API_KEY to the gateway's key.")
    return RuntimeFailedError(f"{response.status_code}: {message}", hint="See `frontier logs`.")
