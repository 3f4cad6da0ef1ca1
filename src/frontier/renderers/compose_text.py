"""The Compose document as text: always the same for the same data, without anchors; pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

from frontier.domain.containers import Containers

SERVICE_KEYS: Final = (
    *("image", "pull_policy", "platform", "entrypoint", "command", "user", "group_add"),
    *("working_dir", "hostname", "init", "restart", "stop_signal", "stop_grace_period"),
    *("read_only", "tmpfs", "cap_drop", "cap_add", "security_opt", "devices", "deploy", "gpus"),
    *("shm_size", "ulimits", "mem_limit", "mem_reservation", "cpus", "cpu_shares", "pids_limit"),
    *("environment", "secrets", "volumes", "networks", "extra_hosts", "expose", "ports"),
    *("depends_on", "healthcheck", "logging", "labels", "x-frontier"),
)
"""What a service may say, in the order in which it is written."""

_TOP = ("name", "services", "networks", "volumes", "secrets")
_HEAD = "# Written by Frontier; edits are lost. `docker compose up -d` in this folder runs it.\n"
YOURS: Final = (
    "# Made by `frontier stack render`; yours to change. `docker compose up -d` in this folder runs"
    " it.\n"
)
"""The first line of a document that Frontier does not write again."""

# all other text is quoted: what YAML 1.1 and 1.2 read as a number or a word need not agree
_PLAIN = re.compile(r"(--?|(\.{1,2}/)+|/)?[A-Za-z_][A-Za-z0-9_./=-]*(:[A-Za-z0-9_./-]+)*")
_WORDS = frozenset({"y", "yes", "n", "no", "on", "off", "true", "false", "null"})
_ORDER: Final = {0: _TOP, 2: SERVICE_KEYS}
"""Depth to the keys that come first there; all others are sorted."""


def to_yaml(containers: Containers, head: str = _HEAD) -> str:
    """Return ``compose.yaml``, with *head* as its first line."""
    document = containers.document
    keys = _ordered(document, 0)
    blocks = ("\n".join(_lines({key: document[key]})) for key in keys)
    return head + "\n\n".join(blocks) + "\n"


def _ordered(mapping: Mapping[str, object], depth: int) -> list[str]:
    first = [key for key in _ORDER.get(depth, ()) if key in mapping]
    return [*first, *sorted(mapping.keys() - set(first))]


def _lines(mapping: Mapping[str, object], depth: int = 0) -> Iterator[str]:
    indent = "  " * depth
    for position, key in enumerate(_ordered(mapping, depth)):
        value = mapping[key]
        if isinstance(value, dict) and value:
            gap = "\n" if position and "image" in value else ""
            yield f"{gap}{indent}{_scalar(key)}:"
            yield from _lines(cast("dict[str, object]", value), depth + 1)
        elif isinstance(value, list | tuple) and len(cast("Sequence[object]", value)) > 1:
            yield f"{indent}{_scalar(key)}:"
            items = cast("Sequence[object]", value)
            yield from (f"{indent}  - {_flow(item)}" for item in items)
        else:
            yield f"{indent}{_scalar(key)}: {_flow(mapping[key])}"


def _flow(value: object) -> str:
    if isinstance(value, dict):
        pairs = sorted(cast("dict[str, object]", value).items())
        return "{" + ", ".join(f"{_scalar(k)}: {_flow(v)}" for k, v in pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item) for item in cast("Sequence[object]", value)) + "]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


@lru_cache(maxsize=4096)
def _scalar(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=not value.isprintable())
