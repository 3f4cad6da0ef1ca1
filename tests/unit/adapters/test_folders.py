from pathlib import Path

import pytest

from frontier.adapters.folders import StackFolders
from frontier.domain.errors import ConfigError, StackNotFoundError

GOOD = "schema: 1\ntitle: Mine\nengine: llamacpp\nprovides: [openai-api]\nruntimes: [native]\n"


def stacks(tmp_path: Path, text: str | bytes) -> StackFolders:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "stack.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return StackFolders(tmp_path)


def test_a_stack_says_what_its_file_says(tmp_path: Path) -> None:
    stack = stacks(tmp_path, GOOD).load("mine")

    assert (stack.name, stack.title, stack.engine) == ("mine", "Mine", "llamacpp")
    assert (stack.provides, stack.runtimes) == (("openai-api",), ("native",))


def test_the_shipped_stacks_load_and_run_here(tmp_path: Path) -> None:
    folders = StackFolders(tmp_path)

    for name in folders.names():
        folders.load(name).require_native()


def test_only_title_provides_and_runtimes_may_be_left_out(tmp_path: Path) -> None:
    stack = stacks(tmp_path, "schema: 1\nengine: llamacpp\n").load("mine")

    assert (stack.title, stack.provides, stack.runtimes) == ("mine", (), ("native",))


def test_an_unknown_stack_is_not_found(tmp_path: Path) -> None:
    stacks(tmp_path, GOOD)

    with pytest.raises(StackNotFoundError, match=r"'\.\./mine'"):
        StackFolders(tmp_path / "own").load("../mine")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD.replace("[openai-api]", ""), "stack.yaml: provides: wants a list"),
        (GOOD.replace("[openai-api]", "openai-api"), "stack.yaml: provides: wants a list"),
        (GOOD.replace("[native]", ""), "stack.yaml: runtimes: wants a list"),
        (GOOD.replace("[native]", "[1]"), "stack.yaml: runtimes: wants text, not 1"),
        (GOOD.replace("Mine", "[a]"), "stack.yaml: title: wants text"),
        (GOOD.replace("llamacpp", ""), "stack.yaml: engine: wants text"),
        ("schema: 1\n", "stack.yaml: engine: wants text"),
        (GOOD + "1: x\nyes: y\n", "stack.yaml: unknown key 1"),
        ("- a list\n", "stack.yaml: wants `schema: 1`"),
        ("", "stack.yaml: wants `schema: 1`"),
        ("schema: 1\ntitle: [mine\n", "stack.yaml:3: "),
        ("schema: 1\ntitle: a\x07b\n", "stack.yaml:2: character 0x7 "),
        ("schema: 1\ntitle: 2026-13-01\n", "stack.yaml: month"),
        (b"schema: 1\ntitle: \xff\n", "stack.yaml: cannot be read: 'utf-8'"),
    ],
)
def test_a_wrong_file_is_named_with_line_or_key(
    tmp_path: Path, text: str | bytes, complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        stacks(tmp_path, text).load("mine")

    assert complaint in caught.value.message
