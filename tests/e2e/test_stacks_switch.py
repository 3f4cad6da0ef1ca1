"""One engine after another behind a gateway that stays, while requests come without a pause."""

from collections.abc import Iterator
from typing import Any

import pytest

from stack_workspace import Stacked, stacked
from waiting import until


@pytest.fixture(scope="module")
def running(
    docker_images: dict[str, str], smollm2: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stacked]:
    with stacked(tmp_path_factory.mktemp("switch"), docker_images, smollm2) as it:
        image = docker_images["LLAMACPP_IMAGE"]
        setting = {
            "    setting: LLAMACPP_IMAGE\n": "",
            "ghcr.io/ggml-org/llama.cpp:server-b11429": image,
        }
        it.own_stack("second", replace=setting)
        it.own_stack("broken", replace={**setting, "- --metrics": "- --no-such-flag"})
        it.own_stack(
            "mute", replace={**setting, '"/models/" ~ model.file': '"/models/no-" ~ model.file'}
        )
        it.cli.ok("stack", "select", "llamacpp")
        it.cli.ok("start")
        yield it


def test_another_engine_takes_over_and_no_request_fails(running: Stacked) -> None:
    gateway = running.containers["gateway"]

    with running.under_load() as load:
        result = running.cli.json("stack", "select", "second")
        answered = load.answered

    assert load.failures == []
    assert load.answered > answered > 0
    assert result["stack"] == "second"
    assert running.containers.keys() == {"gateway", "second"}
    assert running.containers["gateway"] == gateway
    assert running.cli.json("stack", "current") == {"stack": "second", "running": "second"}


@pytest.mark.parametrize("stack", ["broken", "mute"])
def test_a_broken_stack_gives_way_to_the_one_before_and_no_request_fails(
    running: Stacked, stack: str
) -> None:
    before, current = running.containers, running.cli.json("stack", "current")

    with running.under_load() as load:
        until(lambda: load.answered > 0, timeout_s=60, what="a first answer")
        said = running.cli.fails(4, "stack", "select", stack)
        answered = load.answered
        until(lambda: load.answered > answered, timeout_s=60, what="answers that go on")

    assert load.failures == []
    assert f"{stack} did not start" in said
    assert running.containers == before
    assert running.cli.json("stack", "current") == current


def test_another_setting_of_the_same_engine_lets_requests_wait_and_none_fails(
    running: Stacked,
) -> None:
    running.cli.env["CACHE_SIZE"] = "128"

    with running.under_load() as load:
        result = running.cli.json("start")

    assert load.failures == []
    assert load.answered > 0
    assert [step["action"] for step in result["steps"]] == ["restart"]


def test_an_engine_is_restarted_while_requests_wait_and_none_fails(running: Stacked) -> None:
    engine = running.cli.json("stack", "current")["running"]

    with running.under_load() as load:
        running.cli.ok("restart", engine)

    assert load.failures == []
    assert load.answered > 0


def test_a_setting_that_breaks_the_engine_goes_back_while_requests_wait(running: Stacked) -> None:
    current = running.cli.json("stack", "current")["running"]
    compose = running.cli.workspace / "stacks" / current / "compose.yaml.j2"
    text = compose.read_text()
    compose.write_text(text.replace("- --metrics", "- --no-such-flag"))

    with running.under_load() as load:
        said = running.cli.fails(4, "start")
    compose.write_text(text)

    assert "going back to what ran before" in said
    assert load.failures == []
    until(lambda: running.cli.json("status")["state"] == "running", timeout_s=30)


def test_the_stack_is_undone_by_a_rollback(running: Stacked) -> None:
    before = running.cli.json("stack", "current")["running"]
    other = "llamacpp" if before == "second" else "second"
    running.cli.ok("stack", "select", other)

    running.cli.ok("rollback")

    assert running.cli.json("stack", "current") == {"stack": before, "running": before}
    assert running.cli.json("start")["answer"]["completion_tokens"] > 0
