from pathlib import Path

import pytest

from frontier.adapters.folders import StackFolders
from frontier.domain.errors import ConfigError, StackNotFoundError
from frontier.domain.stack import Variable

GOOD = "schema: 1\ntitle: Mine\nengine: llamacpp\nprovides: [openai-api]\nruntimes: [native]\n"
FULL = """\
schema: 1
title: Mine
summary: One of mine.
engine: mine
backend: vllm
port: 9000
health: /ok
metrics: /metrics
model: hub
model_setting: MINE_MODEL
upstream_model: default
needs: [gpu]
runtimes: [docker]
start_timeout: 90
images:
  mine:
    setting: MINE_IMAGE
    cpu: {image: "example.org/mine:1.0"}
    cuda: {image: "mine:1.0-sm{sm}", capabilities: {amd64: ["8.9"]}}
    rocm: {image: "mine:1.0-rocm", architectures: [amd64]}
variables:
  MINE_MODEL: {default: a/b, help: Which one.}
  MINE_SHARE: {type: number, default: 0.5, help: How much.}
  MINE_COUNT: {type: integer, default: 2, help: How many.}
  MINE_LOUD: {type: switch, default: true, help: Whether.}
"""


def stacks(tmp_path: Path, text: str | bytes) -> StackFolders:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "stack.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return StackFolders(tmp_path)


def test_a_stack_says_what_its_file_says(tmp_path: Path) -> None:
    stack = stacks(tmp_path, FULL).load("mine")

    assert (stack.name, stack.title, stack.summary) == ("mine", "Mine", "One of mine.")
    assert (stack.engine, stack.backend, stack.port) == ("mine", "vllm", 9000)
    assert (stack.health_path, stack.metrics_path) == ("/ok", "/metrics")
    assert (stack.model_format, stack.model_setting) == ("hub", "MINE_MODEL")
    assert (stack.upstream_model, stack.needs) == ("default", ("gpu",))
    assert (stack.runtimes, stack.start_timeout_s) == (("docker",), 90)
    assert stack.accelerators == ("cpu", "cuda", "rocm")
    assert stack.variables["MINE_SHARE"] == Variable(
        name="MINE_SHARE", kind="number", default=0.5, help="How much."
    )
    assert stack.variables["MINE_LOUD"].default is True
    assert stack.origin == str(tmp_path / "mine")


def test_an_image_is_chosen_by_accelerator_architecture_and_gpu(tmp_path: Path) -> None:
    image = stacks(tmp_path, FULL).load("mine").images["mine"]

    assert image.reference("cpu", "arm64") == "example.org/mine:1.0"
    assert image.reference("cuda", "amd64", "8.9") == "mine:1.0-sm89"
    with pytest.raises(ConfigError, match=r"for amd64 and compute capability 9\.0, only"):
        image.reference("cuda", "amd64", "9.0")
    with pytest.raises(ConfigError, match=r"mine:1\.0-rocm does not exist for arm64") as caught:
        image.reference("rocm", "arm64")
    assert "frontier config set MINE_IMAGE IMAGE" in caught.value.hint


def test_only_schema_and_engine_are_demanded(tmp_path: Path) -> None:
    stack = stacks(tmp_path, "schema: 1\nengine: llamacpp\n").load("mine")

    assert (stack.title, stack.provides, stack.runtimes) == ("mine", (), ("native",))
    assert (stack.images, stack.accelerators) == ({}, ())


def test_a_stack_carries_its_templates_and_files(tmp_path: Path) -> None:
    folders = stacks(tmp_path, GOOD)
    (tmp_path / "mine/config/deep").mkdir(parents=True)
    (tmp_path / "mine/compose.yaml.j2").write_text("services: {}\n")
    (tmp_path / "mine/config/deep/a.conf").write_text("a\n")
    (tmp_path / "mine/README.md").write_text("# Mine\n")

    texts = folders.load("mine").texts

    assert texts == {"compose.yaml.j2": "services: {}\n", "config/deep/a.conf": "a\n"}


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    folders = stacks(tmp_path, GOOD)
    (tmp_path / "mine/config").mkdir()
    (tmp_path / "mine/config/logo.png").write_bytes(b"\x89PNG\xff")

    with pytest.raises(ConfigError, match=r"logo\.png: cannot be read as text"):
        folders.load("mine")


def test_a_stack_of_the_workspace_wins_over_the_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm/stack.yaml").write_text(GOOD)
    folders = StackFolders(tmp_path)

    assert folders.load("vllm").title == "Mine"
    assert folders.is_own("vllm")
    assert not folders.is_own("ollama")


def test_the_shipped_stacks_are_there_and_their_shared_fragments_are_none(tmp_path: Path) -> None:
    folders = StackFolders(tmp_path)

    assert folders.names() == ("llamacpp", "mistral", "ollama", "vllm")
    assert set(folders.fragments()) == {"base", "gateway", "monitoring", "nginx"}
    with pytest.raises(StackNotFoundError):
        folders.load("common")


def test_a_fragment_of_the_workspace_wins(tmp_path: Path) -> None:
    (tmp_path / "common/nginx").mkdir(parents=True)
    (tmp_path / "common/nginx/fragment.yaml").write_text("schema: 1\n")

    assert StackFolders(tmp_path).fragments()["nginx"].images == {}


def test_a_fragment_is_checked_as_strictly(tmp_path: Path) -> None:
    (tmp_path / "common/nginx").mkdir(parents=True)
    (tmp_path / "common/nginx/fragment.yaml").write_text("schema: 1\nimage: x\n")

    with pytest.raises(ConfigError, match=r"fragment\.yaml:2: image: unknown key 'image'") as error:
        StackFolders(tmp_path).fragments()
    assert error.value.hint.startswith("Did you mean 'images'?")


def test_variables_of_all_stacks_are_known_by_name_and_so_are_those_of_images(
    tmp_path: Path,
) -> None:
    variables = stacks(tmp_path, FULL).variables()

    assert variables["MINE_COUNT"].default == 2
    assert variables["MINE_IMAGE"].kind == "text"
    assert "VLLM_MODEL_ID" in variables


@pytest.mark.parametrize("name", ["../mine", "common", "", "Mine", "mine/"])
def test_an_unknown_stack_is_not_found(tmp_path: Path, name: str) -> None:
    stacks(tmp_path, GOOD)

    with pytest.raises(StackNotFoundError, match=f"'{name}'"):
        StackFolders(tmp_path / "own").load(name)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD.replace("[openai-api]", ""), "stack.yaml:4: provides: Input should be a valid list"),
        (GOOD.replace("[openai-api]", "a"), "stack.yaml:4: provides: Input should be a valid list"),
        (
            GOOD.replace("[native]", "[podman]"),
            "stack.yaml:5: runtimes.0: Input should be 'native'",
        ),
        (GOOD.replace("Mine", "[a]"), "stack.yaml:2: title: Input should be a valid string"),
        (GOOD.replace("llamacpp", ""), "stack.yaml:3: engine: Input should be a valid string"),
        (GOOD.replace("llamacpp", "My_Engine"), "stack.yaml:3: engine: String should match"),
        ("schema: 1\n", "stack.yaml:1: engine: is missing"),
        ("schema: 2\nengine: a\n", "stack.yaml:1: schema: Input should be 1, not 2"),
        (GOOD + "engin: x\n", "stack.yaml:6: engin: unknown key 'engin'"),
        (GOOD + "1: x\n", "stack.yaml:6: 1: Keys should be strings"),
        (GOOD + "title: Again\n", "stack.yaml:6: 'title' is given twice"),
        (FULL.replace("setting:", "settings:"), "images.mine.settings: unknown key 'settings'"),
        (FULL.replace("architectures:", "archs:"), "images.mine.rocm.archs: unknown key 'archs'"),
        (FULL.replace("[amd64]", "[s390x]"), "stack.yaml:20: images.mine.rocm.architectures.0: "),
        (FULL.replace("mine:1.0-rocm", "mine"), "stack.yaml:20: images.mine.rocm.image: String"),
        (FULL.replace("default: 0.5", "value: 0.5"), "variables.MINE_SHARE.value: unknown key"),
        (FULL.replace("default: 2", "default: 2.5"), "MINE_COUNT.default: 2.5 is no integer"),
        (FULL.replace("default: 2", "default: true"), "MINE_COUNT.default: True is no integer"),
        (FULL.replace("default: true", "default: 1"), "MINE_LOUD.default: 1 is no switch"),
        (FULL.replace("MINE_COUNT", "mineCount"), "stack.yaml:24: variables.mineCount: "),
        ("schema: 1\nengine: a\nimages: {a: {}}\n", "stack.yaml:3: images.a: wants one of cpu"),
        ("- a list\n", "stack.yaml:1: wants `schema: 1`"),
        ("", "stack.yaml:1: wants `schema: 1`"),
        ("schema: 1\ntitle: [mine\n", "stack.yaml:3: "),
        ("schema: 1\ntitle: a\x07b\n", "stack.yaml:2: control characters"),
        ("schema: 1\ntitle: 2026-13-01\n", "stack.yaml: month"),
        ("schema: 1\nengine: &a [*a]\n", "stack.yaml:2: engine: Input should be a valid string"),
        (b"schema: 1\ntitle: \xff\n", "stack.yaml: cannot be read: 'utf-8'"),
    ],
)
def test_a_wrong_file_is_named_with_line_and_key(
    tmp_path: Path, text: str | bytes, complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        stacks(tmp_path, text).load("mine")

    assert complaint in caught.value.message


def test_an_unknown_key_comes_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        stacks(tmp_path, GOOD + "runtime: native\n").load("mine")

    assert caught.value.hint.startswith("Did you mean 'runtimes'? Known: schema, title,")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", "1", "1"),
        ("integer", "12", 12),
        ("number", "0.5", 0.5),
        ("switch", "Yes", True),
        ("switch", "off", False),
    ],
)
def test_a_variable_is_read_by_its_kind(kind: str, text: str, value: object) -> None:
    variable = Variable(name="A", kind=kind, default="", help="h")  # type: ignore[arg-type]

    assert variable.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("integer", "a whole number"), ("number", "a number"), ("switch", "neither true nor false")],
)
def test_a_wrong_value_of_a_variable_says_what_is_wanted(kind: str, wanted: str) -> None:
    variable = Variable(name="A", kind=kind, default="", help="h")  # type: ignore[arg-type]

    with pytest.raises(ValueError, match=wanted):
        variable.parse("x")


def test_a_stack_that_cannot_be_read_keeps_nobody_from_the_others(tmp_path: Path) -> None:
    folders = stacks(tmp_path, "schema: 1\n")

    assert "LLAMACPP_IMAGE" in folders.variables()
    with pytest.raises(ConfigError, match="engine: is missing"):
        folders.load("mine")
