"""A real request in the API that a tool speaks: a long prompt, and a tool to be called."""

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from frontier.domain.errors import NotRunningError, RefusedError, RuntimeFailedError
from frontier.domain.launch import Api, Trial

if TYPE_CHECKING:
    import httpx2

_TOOL: Final = "read_file"
_ABOUT: Final = "Read a file of the project and return its text."
_SCHEMA: Final = {
    "type": "object",
    "properties": {"path": {"type": "string", "description": "The file's path."}},
    "required": ["path"],
}
_RULES: Final = "You are a coding assistant and work by calling tools. Notes, not to be answered:"
_ASK: Final = "Call the tool read_file for the file README.md now."
_GREET: Final = "Say hello in one short sentence."
_ANSWER_TOKENS: Final = 512
_SAID: Final = 200


class GatewayTrial:
    """Asks one gateway as tools do.

    Args:
        url: The gateway, without a path.
        api_key: Sent as Bearer; "" sends none.
        timeout_s: Longest wait for an answer.
    """

    def __init__(self, url: str, *, api_key: str = "", timeout_s: float = 300.0) -> None:
        self._url, self._api_key, self._timeout_s = url, api_key, timeout_s

    def contexts(self) -> dict[str, int]:
        """Map each model that can be asked for to its context in tokens, 0 for unknown.

        Raises:
            NotRunningError: nothing listens there.
            RuntimeFailedError: it gave no list.
        """
        listed = self._send("GET", "/v1/models")
        return {m["id"]: int(m.get("max_model_len") or 0) for m in listed["data"]}

    def ask(self, api: Api, model: str, *, words: int, with_tool: bool) -> Trial:
        """Return what *model* made of a prompt of *words* words, and of a tool in *api*.

        Raises:
            NotRunningError: nothing listens there.
            RuntimeFailedError: the gateway or its engine refused the request.
        """
        path, body, read = _SPOKEN[api]
        begun = time.monotonic()
        prompt = f"{_RULES} {' '.join(['note'] * words)}"
        answer = self._send("POST", path, body(model, prompt, with_tool))
        calls, text, tokens = read(answer)
        return Trial(
            prompt_words=words,
            prompt_tokens=tokens,
            seconds=time.monotonic() - begun,
            calls_tool=any(name == _TOOL and _has_path(given) for name, given in calls),
            said=" ".join(text.split())[:_SAID],
        )

    def _send(self, method: str, path: str, body: object = None) -> Any:
        import httpx2

        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        try:
            # trust_env off: a proxy of the environment must never see a loopback request
            with httpx2.Client(timeout=self._timeout_s, trust_env=False, headers=headers) as client:
                response = client.request(method, f"{self._url}{path}", json=body)
        except httpx2.ConnectError as error:
            raise NotRunningError(
                f"nothing answers at {self._url}", hint="Start it: frontier up"
            ) from error
        except httpx2.HTTPError as error:
            raise RuntimeFailedError(
                f"{self._url}{path} gave no answer: {error}", hint="See `frontier logs`."
            ) from error
        return _checked(response)


def _checked(response: "httpx2.Response") -> Any:
    try:
        body = response.json()
        if not response.is_error:
            return body
        message = str(body["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = response.text[:_SAID]
    if response.status_code in (401, 403):
        raise RefusedError(f"the gateway refuses the key: {message}", hint="frontier keys list")
    raise RuntimeFailedError(
        f"the gateway answered {response.status_code}: {message}", hint="See `frontier logs`."
    )


def _has_path(given: object) -> bool:
    """Tell whether the arguments of a call are what the tool's schema wants."""
    try:
        read: Any = json.loads(given) if isinstance(given, str) else given
        return isinstance(read["path"], str)
    except (ValueError, KeyError, TypeError):
        return False


Calls = list[tuple[str, object]]
Read = tuple[Calls, str, int]


def _chat(model: str, prompt: str, with_tool: bool) -> dict[str, Any]:
    function = {"name": _TOOL, "description": _ABOUT, "parameters": _SCHEMA}
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": prompt},
            {"role": "user", "content": _ASK if with_tool else _GREET},
        ],
        "temperature": 0,
        "max_tokens": _ANSWER_TOKENS,
        **({"tools": [{"type": "function", "function": function}]} if with_tool else {}),
    }


def _read_chat(answer: Any) -> Read:
    message: dict[str, Any] = answer["choices"][0]["message"]
    called: list[dict[str, Any]] = message.get("tool_calls") or []
    calls: Calls = [(c["function"]["name"], c["function"]["arguments"]) for c in called]
    return calls, message.get("content") or "", answer["usage"]["prompt_tokens"]


def _messages(model: str, prompt: str, with_tool: bool) -> dict[str, Any]:
    tool = {"name": _TOOL, "description": _ABOUT, "input_schema": _SCHEMA}
    return {
        "model": model,
        "system": prompt,
        "messages": [{"role": "user", "content": _ASK if with_tool else _GREET}],
        "temperature": 0,
        "max_tokens": _ANSWER_TOKENS,
        **({"tools": [tool]} if with_tool else {}),
    }


def _read_messages(answer: Any) -> Read:
    blocks = answer["content"]
    calls = [(b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"]
    usage = answer["usage"]
    read = usage["input_tokens"] + (usage.get("cache_read_input_tokens") or 0)
    return calls, "".join(b.get("text", "") for b in blocks), read


def _responses(model: str, prompt: str, with_tool: bool) -> dict[str, Any]:
    tool = {"type": "function", "name": _TOOL, "description": _ABOUT, "parameters": _SCHEMA}
    return {
        "model": model,
        "instructions": prompt,
        "input": _ASK if with_tool else _GREET,
        "temperature": 0,
        "max_output_tokens": _ANSWER_TOKENS,
        "store": False,
        **({"tools": [tool]} if with_tool else {}),
    }


def _read_responses(answer: Any) -> Read:
    items = answer["output"]
    calls = [(i["name"], i["arguments"]) for i in items if i["type"] == "function_call"]
    return calls, "".join(_texts(items)), answer["usage"]["input_tokens"]


def _texts(items: list[dict[str, Any]]) -> Iterator[str]:
    for item in items:
        parts: list[dict[str, Any]] = item.get("content") or []
        yield from (part.get("text", "") for part in parts)


_SPOKEN: Final[
    dict[Api, tuple[str, Callable[[str, str, bool], dict[str, Any]], Callable[[Any], Read]]]
] = {
    "chat": ("/v1/chat/completions", _chat, _read_chat),
    "messages": ("/v1/messages", _messages, _read_messages),
    "responses": ("/v1/responses", _responses, _read_responses),
}
