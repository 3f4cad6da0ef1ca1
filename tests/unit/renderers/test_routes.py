import yaml

from frontier.domain.project import Route
from frontier.renderers.routes import routes_file

NATIVE = Route(model='mö"del: 😀', service="one", backend="llamacpp", aliases=("a:b", "c"))
LATER = Route(model="later", service="two", backend="llamacpp")
CONTAINER = Route(
    model="m",
    service="mistral",
    backend="mistral",
    upstream_model="default",
    url="http://mistral:1",
)


def test_the_route_file_is_yaml_for_engines_whose_port_is_known() -> None:
    assert yaml.safe_load(routes_file([NATIVE, LATER], {"one": 5001})) == {
        "version": 1,
        "models": [
            {
                "name": 'mö"del: 😀',
                "aliases": ["a:b", "c"],
                "backend": "llamacpp",
                "backend_url": "http://127.0.0.1:5001",
                "upstream_model": 'mö"del: 😀',
            }
        ],
    }
    assert yaml.safe_load(routes_file([NATIVE])) == {"version": 1, "models": []}


def test_a_route_with_a_url_needs_no_port() -> None:
    [entry] = yaml.safe_load(routes_file([CONTAINER]))["models"]

    assert (entry["backend_url"], entry["upstream_model"]) == ("http://mistral:1", "default")


def test_held_routes_say_so() -> None:
    entries = yaml.safe_load(routes_file([CONTAINER], {"one": 1}, held=[NATIVE]))["models"]

    assert [entry.get("hold", False) for entry in entries] == [False, True]


def test_a_held_route_says_how_long_requests_wait() -> None:
    [entry] = yaml.safe_load(routes_file([], held=[CONTAINER], hold_s=90))["models"]

    assert entry["timeouts"] == {"hold": "90s"}


def test_a_model_named_twice_goes_to_its_first_route() -> None:
    other = Route(model="m", service="vllm", backend="vllm", url="http://vllm:8000")

    entries = yaml.safe_load(routes_file([CONTAINER, other, NATIVE], {"one": 1}))["models"]

    assert [(e["name"], e["backend"]) for e in entries] == [
        ("m", "mistral"),
        (NATIVE.model, "llamacpp"),
    ]
