from typing import Any

import pytest
import yaml

from compose_specs import containers
from frontier.domain.containers import Containers
from frontier.domain.errors import ConfigError
from frontier.renderers.compose_safety import check_safe, seconds
from frontier.renderers.compose_text import to_yaml


def document(**changed: Any) -> dict[str, Any]:
    """A safe document with one service; *changed* replaces keys of it, None removes them."""
    service: dict[str, Any] = {
        "image": "mine:1.0",
        "user": "1000:1000",
        "restart": "unless-stopped",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": 10,
        "logging": {"driver": "local", "options": {"max-size": "10m", "max-file": "3"}},
        "networks": ["llm-network"],
        "healthcheck": {"test": ["CMD", "true"], "start_period": "1m30s"},
    }
    service = {k: v for k, v in {**service, **changed}.items() if v is not None}
    networks = {name: {"name": f"frontier-{name}"} for name in ("llm-network", "monitoring")}
    return {"name": "frontier", "services": {"mine": service}, "networks": networks}


def check(**changed: Any) -> None:
    check_safe(document(**changed), where="stack 'mine'")


def test_a_safe_service_passes() -> None:
    check()
    check(
        volumes=["./config/mine:/c:ro", "../../data/mine:/data", "cache:/cache", "/proc:/p:ro"],
        ports=["127.0.0.1:80:80", "[::1]:80:80"],
        devices=["/dev/kfd", "/dev/dri:/dev/dri"],
        **{"x-frontier": {"host": "reads it"}},
    )


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("image", "mine", "image: wants an image pinned by tag or digest"),
        ("image", "mine:latest", "image: wants an image pinned"),
        ("image", "localhost:5000/mine", "image: wants an image pinned"),
        ("image", None, "image: wants an image pinned"),
        ("user", None, "user: wants numbers"),
        ("user", "root", "user: wants numbers"),
        ("user", "0:0", "user: is root, and x-frontier has no `root: reason`"),
        ("restart", None, "restart: wants unless-stopped"),
        ("restart", "no", "restart: wants unless-stopped"),
        ("read_only", None, "read_only: wants true"),
        ("cap_drop", ["NET_RAW"], "cap_drop: wants [ALL]"),
        ("cap_add", ["SYS_ADMIN"], "cap_add: wants nothing"),
        ("security_opt", ["seccomp=unconfined", "no-new-privileges:true"], "security_opt: wants"),
        ("security_opt", None, "security_opt: wants [no-new-privileges:true]"),
        ("devices", ["/dev/sda"], "devices: wants no devices but /dev/kfd"),
        ("pids_limit", None, "pids_limit: wants a number"),
        ("pids_limit", -1, "pids_limit: wants a number"),
        ("logging", None, "logging: wants max-size"),
        ("logging", {"driver": "none"}, "logging: wants max-size"),
        ("networks", None, "networks: wants llm-network or monitoring"),
        ("networks", ["default"], "networks: wants llm-network"),
        ("networks", {"llm-network": None}, "networks: wants llm-network"),
        ("privileged", True, "privileged: is not allowed"),
        ("network_mode", "host", "network_mode: is not allowed"),
        ("pid", "host", "pid: is not allowed"),
        ("ipc", "host", "ipc: is not allowed"),
        ("build", ".", "build: is not allowed"),
        ("env_file", ".env", "env_file: is not allowed"),
        ("healthcheck", None, "healthcheck: wants a test"),
        ("healthcheck", {"disable": True}, "healthcheck: wants a test"),
        ("healthcheck", {"test": ["CMD", "a"]}, "healthcheck.start_period: '' is no duration"),
        ("healthcheck", {"test": ["CMD", "a"], "start_period": "1 h"}, "is no duration"),
        ("ports", ["80:80"], "ports: 80:80 wants an address in front"),
        ("ports", [8080], "ports: 8080 wants an address"),
        ("ports", ["0.0.0.0:80:80"], "ports: 0.0.0.0:80:80 opens it to other machines"),
        ("ports", ["[::]:80:80"], "ports: [::]:80:80 opens it"),
        ("volumes", ["/etc:/etc:ro"], "/etc:/etc:ro: is a path of one machine"),
        ("volumes", ["~/x:/x"], "~/x:/x: is a path of one machine"),
        ("volumes", ["/var/run/docker.sock:/s"], "hands the machine over to the container"),
        ("volumes", ["/proc:/p:ro"], "wants :ro and `host: reason`"),
        ("volumes", [".:/all"], "has secrets in it"),
        ("volumes", ["./secrets:/all"], "has secrets in it"),
        ("volumes", ["../..:/all"], "has secrets in it"),
        ("volumes", ["../../.env:/e"], "is not for containers"),
        ("volumes", ["../../.frontier/secrets:/s"], "is not for containers"),
        ("volumes", ["../../data/../.env:/e"], "is not for containers"),
        ("volumes", ["../../../other:/o"], "is outside the workspace"),
        ("volumes", ["../x:/x"], "is outside the workspace"),
        ("volumes", [{"type": "bind", "source": "/"}], "wants the short form"),
        ("volumes", ["/data"], "wants the short form"),
    ],
)
def test_what_is_not_safe_is_refused_with_service_and_key(
    key: str, value: object, wanted: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        check(**{key: value})

    assert caught.value.message.startswith("stack 'mine': service 'mine': ")
    assert wanted in caught.value.message


@pytest.mark.parametrize(
    ("excuse", "changed"),
    [
        ("root", {"user": "0:0"}),
        ("writable", {"read_only": None}),
        ("unchecked", {"healthcheck": None}),
    ],
)
def test_an_exception_needs_a_reason(excuse: str, changed: dict[str, Any]) -> None:
    check(**changed, **{"x-frontier": {excuse: "because"}})

    with pytest.raises(ConfigError):
        check(**changed, **{"x-frontier": {excuse: ""}})


def test_under_a_rootless_daemon_root_is_an_ordinary_user() -> None:
    check_safe(document(user="0:0"), where="stack 'mine'", may_be_root=True)


def test_networks_are_ours() -> None:
    broken = document()
    broken["networks"]["mine"] = {"name": "frontier-mine"}
    with pytest.raises(ConfigError, match="network 'mine': there are llm-network and monitoring"):
        check_safe(broken, where="stack 'mine'")

    foreign = document()
    foreign["networks"]["monitoring"] = {"name": "bridge", "external": True}
    with pytest.raises(ConfigError, match="network 'monitoring'"):
        check_safe(foreign, where="stack 'mine'")


@pytest.mark.parametrize(
    ("text", "value"), [("90s", 90.0), ("1m30s", 90.0), ("2h", 7200.0), ("1h1m1s", 3661.0)]
)
def test_a_duration_is_read_in_seconds(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    "value",
    ["yes", "1e3", "0o17", "1:30", ".5", "~", "null", "a: b", "a #b", "- a", "é 🙂", "\x7f\n", "",
     "=", "<<", "1.0", "0x1f", "!tag", "&a", "*a", "{a}", "[a]", "%", "@", "`", "a:", "-", "--",
     "--flag=1", "./x:/y:ro", "ghcr.io/a/b:c-1.0", "12e4", "no-new-privileges:true"],
)  # fmt: skip
def test_text_stays_text(value: str) -> None:
    plain = Containers(document={"name": "a", "services": {"s": {"command": [value, [value]]}}})

    read = yaml.safe_load(to_yaml(plain))

    assert read["services"]["s"]["command"] == [value, [value]]


def test_the_text_says_what_the_document_says_whatever_the_order_of_its_keys() -> None:
    found = containers("vllm", monitoring=True, ssl=True, accelerator="cuda")
    shuffled = Containers(document=_reversed(dict(found.document)))

    assert yaml.safe_load(to_yaml(found)) == found.document
    assert to_yaml(shuffled) == to_yaml(found)
    assert "&" not in to_yaml(found)


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return value
