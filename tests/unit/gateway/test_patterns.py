"""Aliases with wildcards."""

import fnmatch
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from frontier.gateway.route_file import Content
from frontier.gateway.route_table import build, parse
from frontier.gateway.routes import Pattern, Table

FILE = """
version: 1
models:
  - {name: big, aliases: [claude-*, big-one], backend: vllm, backend_url: "http://127.0.0.1:1"}
  - {name: small, aliases: ["claude-*haiku*"], backend: vllm, backend_url: "http://127.0.0.1:1"}
  - {name: "odd*name", backend: vllm, backend_url: "http://127.0.0.1:1"}
"""


def table(text: str = FILE) -> Table:
    return build([parse(Content(Path("m.yaml"), text.encode()))])


def found(asked: str) -> tuple[str, str] | None:
    routes = table().find(asked)
    return (routes.each[0].asked, routes.target.name) if routes else None


def test_the_most_particular_pattern_wins() -> None:
    assert found("claude-opus-9") == ("claude-opus-9", "big")
    assert found("claude-9-haiku-2030") == ("claude-9-haiku-2030", "small")
    assert found("big-one") == ("big-one", "big")


def test_what_fits_nothing_is_not_found() -> None:
    assert found("gpt-claude-9") is None
    assert found("claude") is None
    assert found("claude-" + "x" * 600) is None


def test_a_name_with_a_star_is_only_a_name() -> None:
    assert found("odd*name") == ("odd*name", "odd*name")
    assert found("odd_name") is None


def test_a_pattern_is_no_name_that_one_could_ask_for_by_its_star() -> None:
    assert "claude-*" not in table().routes
    assert [t.name for t in table().targets] == ["big", "small", "odd*name"]


@given(st.text("ab*", min_size=1, max_size=8).filter(lambda a: "*" in a), st.text("ab", max_size=8))
def test_a_star_stands_for_any_text(alias: str, asked: str) -> None:
    expected = re.fullmatch(fnmatch.translate(alias), asked) is not None

    assert Pattern(alias, lambda _: None).matches(asked) is expected  # type: ignore[arg-type,return-value]
