"""Ollama's pull API, through the gateway, as `frontier models pull` uses it."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import httpx2

from frontier.domain.errors import DownloadError, NotRunningError, RefusedError

_SILENCE_S: Final = 900.0  # it says nothing while it hashes a large model
_REFUSED: Final = (401, 403)


class OllamaPull:
    """The Ollama server behind one gateway.

    Args:
        url: ``http://HOST:PORT`` of the gateway.
        api_key: Sent as Bearer; empty sends none.
    """

    def __init__(self, url: str, *, api_key: str = "") -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def pull(
        self,
        name: str,
        *,
        say: Callable[[str], None],
        progress: Callable[[int, int | None], None],
    ) -> tuple[int, int]:
        """Have Ollama pull *name*; it goes on by itself where an earlier pull stopped.

        Args:
            name: In Ollama's words.
            say: Hears each step that is no layer.
            progress: Hears the bytes of all layers told so far, done and in all.

        Returns:
            The bytes of all layers, and how many of them came over the network.

        Raises:
            NotRunningError: no gateway answers.
            DownloadError: Ollama cannot pull it, or broke off; what came is kept.
        """
        layers: dict[str, _Layer] = {}
        status = ""
        for told in self._lines(name):
            if "error" in told:
                raise DownloadError(
                    f"Ollama cannot pull {name}: {told['error']}",
                    hint="Check the name at https://ollama.com/library; then pull again.",
                )
            if digest := told.get("digest"):
                layers.setdefault(digest, _Layer(told)).hear(told)
                done = sum(layer.done for layer in layers.values())
                progress(done, sum(layer.total for layer in layers.values()))
            elif told.get("status") not in (status, "success"):
                say(f"{name}: {told.get('status')}")
            status = str(told.get("status"))
        if status != "success":
            raise DownloadError(
                f"Ollama broke off while it pulled {name}",
                hint="What came so far is kept: the same command goes on where it stopped.",
            )
        total = sum(layer.total for layer in layers.values())
        return total, total - sum(layer.had for layer in layers.values())

    def _lines(self, name: str) -> Iterator[Mapping[str, Any]]:
        # trust_env off: a proxy of the environment must never see a loopback request
        client = httpx2.Client(headers=self._headers, timeout=_SILENCE_S, trust_env=False)
        try:
            with (
                client,
                client.stream(
                    "POST", f"{self._url}/api/pull", json={"model": name, "stream": True}
                ) as answer,
            ):
                if answer.status_code in _REFUSED:
                    raise RefusedError(
                        f"the gateway at {self._url} refuses the key",
                        hint="Set API_KEY to its key.",
                    )
                for line in answer.iter_lines():
                    if line.strip():
                        yield json.loads(line)
        except httpx2.ConnectError as error:
            raise NotRunningError(
                f"no gateway answers at {self._url}, and Ollama pulls its models itself",
                hint="Start it: `frontier up ollama`. Without it: "
                f"`frontier models pull ollama:{name} --to store` takes the GGUF file.",
            ) from error
        except (httpx2.HTTPError, ValueError) as error:
            raise DownloadError(
                f"the pull of {name} broke off: {str(error) or type(error).__name__}",
                hint="What came so far is kept: the same command goes on where it stopped.",
            ) from error


class _Layer:
    """One layer on its way."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.total = int(told.get("total") or 0)
        self.had = self.done = int(told.get("completed") or 0)  # before this pull began

    def hear(self, told: Mapping[str, Any]) -> None:
        self.total = int(told.get("total") or self.total)
        self.done = int(told.get("completed") or self.done)
