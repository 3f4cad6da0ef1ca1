"""The command line's questions to a gateway that behaves in all ways; the network is a function."""

import hashlib
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from frontier.adapters.gateway_control import HttpGatewayControl
from frontier.domain.containers import ROUTES, Containers
from frontier.domain.errors import (
    ConfigError,
    FrontierError,
    NotRunningError,
    RefusedError,
    RuntimeFailedError,
)
from frontier.domain.project import Project, Route

TEXT = "version: 1\nmodels: []\n# é\n"
DIGEST = hashlib.sha256(TEXT.encode()).hexdigest()
Reply = Callable[[httpx2.Request], httpx2.Response]


def state(**changed: object) -> dict[str, Any]:
    return {"files": {}, "rejected": {}, "config_error": None, "in_flight": [], **changed}


def control(reply: Reply, **options: Any) -> HttpGatewayControl:
    client = httpx2.Client(transport=httpx2.MockTransport(reply))
    return HttpGatewayControl("http://gateway:1", client=client, **options)


def saying(*states: dict[str, Any]) -> Reply:
    """Answer with *states* in turn, the last one for ever."""
    left = list(states)
    return lambda _: httpx2.Response(200, json=left.pop(0) if len(left) > 1 else left[0])


def test_it_waits_until_the_written_file_is_in_force() -> None:
    files = {"/live/routes.yaml": DIGEST}

    control(
        saying(state(), state(files={"/live/routes.yaml": "old"}), state(files=files))
    ).wait_for(TEXT)


def test_a_projects_route_file_is_the_one_of_its_containers() -> None:
    containers = Containers(document={"name": "p", "services": {}}, files={ROUTES: TEXT})
    project = Project(name="p", stack="s", containers=containers)

    control(saying(state(files={"x": DIGEST}))).wait_loaded(project)
    with pytest.raises(RuntimeFailedError):
        control(saying(state()), load_s=0).wait_loaded(project)
    control(saying(state())).wait_loaded(Project(name="p", stack="s"))


def test_a_file_that_is_found_wrong_ends_the_waiting_with_the_reason() -> None:
    rejected = state(rejected={"/live/routes.yaml": DIGEST}, config_error="routes.yaml:3: no")

    with pytest.raises(ConfigError, match=r"routes\.yaml:3: no"):
        control(saying(rejected)).wait_for(TEXT)


def test_a_gateway_that_loads_nothing_is_given_up() -> None:
    with pytest.raises(RuntimeFailedError, match="did not load its routes in 0 s"):
        control(saying(state()), load_s=0).wait_for(TEXT)


ROUTES_OF = (
    Route(model="m", service="llamacpp", backend="llamacpp", url="http://llamacpp:8080"),
    Route(model="n", service="mistral", backend="mistral", url="http://mistral/v1"),
    Route(model="o", service="native", backend="vllm"),
)


def under_way(**requests: int) -> dict[str, Any]:
    urls = {
        "llamacpp": "http://llamacpp:8080",
        "mistral": "http://mistral:80",
        "stranger": "http://x:1",
    }
    found = [{"backend_url": urls[name], "requests": n} for name, n in requests.items()]
    return state(in_flight=found)


def test_requests_are_counted_by_the_place_of_the_service() -> None:
    asked = control(saying(under_way(llamacpp=2, mistral=3, stranger=4)), routes=ROUTES_OF)

    assert asked.in_flight(["llamacpp"]) == 2
    assert asked.in_flight(["mistral", "llamacpp", "native", "unknown"]) == 5
    assert asked.in_flight(["native"]) == 0


def test_a_drain_ends_when_nothing_is_under_way() -> None:
    replies = saying(under_way(llamacpp=2), under_way(llamacpp=1), under_way(mistral=9))

    assert control(replies, routes=ROUTES_OF).drain(["llamacpp"], timeout_s=60) == 0


def test_a_drain_tells_what_is_left_at_its_limit() -> None:
    replies = saying(under_way(llamacpp=2))

    assert control(replies, routes=ROUTES_OF).drain(["llamacpp"], timeout_s=0) == 2


def test_the_key_is_sent_as_bearer() -> None:
    seen: list[str] = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers.get("authorization", ""))
        return httpx2.Response(200, json=state())

    control(reply, api_key="K").in_flight([])
    control(reply).in_flight([])

    assert seen == ["Bearer K", ""]


def failing(error: type[httpx2.HTTPError]) -> Reply:
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise error("", request=request)  # type: ignore[call-arg]

    return fail


@pytest.mark.parametrize(
    ("reply", "error", "said"),
    [
        (failing(httpx2.ConnectError), NotRunningError, "no gateway answers at http://gateway:1"),
        (failing(httpx2.ReadTimeout), RuntimeFailedError, "gave no answer: ReadTimeout"),
        (lambda _: httpx2.Response(401, json={}), RefusedError, "refuses the key"),
        (lambda _: httpx2.Response(404, text="no"), RuntimeFailedError, "answered 404: no"),
        (lambda _: httpx2.Response(200, text="hi"), RuntimeFailedError, "answered 200: hi"),
    ],
)
def test_failures_say_what_to_do(reply: Reply, error: type[FrontierError], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        control(reply).in_flight([])

    assert caught.value.hint
