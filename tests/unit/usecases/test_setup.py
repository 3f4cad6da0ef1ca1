"""What the wizard offers, suggests and refuses."""

from dataclasses import replace
from typing import Any

import pytest

from frontier.domain.errors import RuntimeFailedError, UsageError
from frontier.domain.machine import Cpu, Machine
from frontier.domain.placement import Placement
from frontier.domain.recommend import Recommendation
from frontier.domain.setting import Setting
from frontier.domain.setup import Answers, Option
from frontier.domain.stack import Stack
from frontier.usecases.setup import Wizard

DEFAULTS = {
    "CURRENT_STACK": "llamacpp",
    "DEFAULT_MODEL": "smollm2:135m",
    "MAX_CONTEXT_LENGTH": "4096",
    "ENABLE_MONITORING": "true",
    "BIND_ADDRESS": "127.0.0.1",
    "API_PORT": "11434",
}
MACHINE = Machine(
    os="linux",
    os_version="",
    arch="x86_64",
    cpu=Cpu(model="", physical=2, logical=2, usable=2),
    memory=None,
    disk=None,
)
WANTED = Answers(stack="vllm", model="big", context=8192, monitoring=True, bind="127.0.0.1", key="")


def recommended(stack: str, model: str) -> Recommendation:
    return Recommendation(
        stack=stack,
        runtime="docker",
        accelerator="cuda",
        model=model,
        quantisation="",
        context=32768,
        needed_bytes=1,
        free_bytes=2,
        reason=f"{model} is best",
    )


BEST = tuple(recommended("vllm", model) for model in ("big", "middle", "small", "tiny"))


class Stacks:
    def load(self, name: str) -> Stack:
        return Stack(name=name, title=name.upper(), engine=name)


def place(stack: Stack, machine: Machine) -> Placement:
    if stack.name == "ollama":
        raise RuntimeFailedError("no Docker")
    return Placement(runtime="docker" if stack.name == "vllm" else "native")


def wizard(origin: str = "default", value: str = "", **changes: Any) -> Wizard:
    """Return a wizard on a machine where vLLM is best; all settings have *origin*."""
    made = Wizard(
        stacks=Stacks(),  # type: ignore[arg-type]
        names=("llamacpp", "ollama", "vllm"),
        machine=lambda: MACHINE,
        place=place,
        recommend=lambda stack: BEST if stack in ("", "vllm") else (),
        current=lambda name: Setting(
            name=name, value=value or DEFAULTS[name], origin=origin, description="", no_effect=""
        ),
        written=lambda _: None,
        default=DEFAULTS.__getitem__,
        docker=lambda: "",
        require_model=lambda _stack, _model: None,
        has_key=False,
        is_set_up=False,
        taken=lambda _: ("", 11434),
        preview=lambda settings, key: (settings, key),  # type: ignore[arg-type,return-value]
    )
    return replace(made, **changes)


def test_the_best_stack_comes_first_and_what_cannot_run_last_with_the_reason() -> None:
    assert wizard().stack_options() == (
        Option("vllm", "VLLM, in Docker, cpu"),
        Option("llamacpp", "LLAMACPP, on the host, cpu"),
        Option("ollama", "no Docker", is_possible=False),
    )


def test_the_best_model_is_offered_with_two_alternatives_the_reasons_and_the_smallest() -> None:
    assert wizard().model_options("vllm") == (
        Option("big", "big is best"),
        Option("middle", "middle is best"),
        Option("small", "small is best"),
        Option("smollm2:135m", "tiny, from the package index: shows that all works, no more"),
    )


def test_what_is_set_today_is_offered_and_suggested() -> None:
    again = wizard("environment", "mine")

    assert again.model_options("vllm")[0] == Option("mine", "as it is now")
    for question in ("stack", "model", "context", "bind"):
        assert again.suggested(question, Answers()) == "mine"


def test_what_was_brought_up_with_the_defaults_is_what_holds() -> None:
    again = wizard(is_set_up=True)

    assert again.model_options("vllm")[0] == Option("smollm2:135m", "as it is now")
    assert again.suggested("stack", Answers()) == "llamacpp"
    assert again.suggested("context", Answers(stack="vllm", model="big")) == "4096"


def test_where_nothing_is_set_the_recommendation_is_suggested() -> None:
    first = wizard()

    assert first.suggested("stack", Answers()) == "vllm"
    assert first.suggested("model", Answers(stack="vllm")) == "big"
    assert first.suggested("context", Answers(stack="vllm", model="big")) == "32768"
    assert first.suggested("context", Answers(stack="vllm", model="other")) == "4096"
    assert first.suggested("monitoring", Answers()) == "true"
    assert first.suggested("key", Answers()) == ""


def test_where_nothing_fits_the_defaults_are_suggested() -> None:
    small = wizard(recommend=lambda _: ())

    assert small.suggested("stack", Answers()) == "llamacpp"
    assert small.suggested("model", Answers()) == "smollm2:135m"
    assert [o.value for o in small.model_options("llamacpp")] == ["smollm2:135m"]


def test_another_port_is_suggested_only_where_somebody_else_has_it() -> None:
    assert wizard().suggested("port", Answers(bind="::1")) == "11434"
    asked: list[str] = []

    def taken(address: str) -> tuple[str, int]:
        asked.append(address)
        return "port 11434 is taken by ollama", 11436

    assert wizard(taken=taken).suggested("port", Answers(bind="::1")) == "11436"
    assert asked == ["::1"]


@pytest.mark.parametrize(
    ("bind", "has_key", "needs"),
    [("127.0.0.1", False, False), ("0.0.0.0", False, True), ("0.0.0.0", True, False)],
)
def test_a_key_is_needed_where_others_reach_the_gateway(
    bind: str, has_key: bool, needs: bool
) -> None:
    assert wizard(has_key=has_key).needs_key(Answers(bind=bind)) == needs


def test_a_wide_address_without_a_key_is_refused_before_anything_is_planned() -> None:
    with pytest.raises(UsageError, match="there is no key") as caught:
        wizard().plan(replace(WANTED, bind="0.0.0.0"))

    assert "--key NAME" in caught.value.hint
    planned = wizard().plan(replace(WANTED, bind="0.0.0.0", key="me"))
    assert planned.key == "me"
    assert planned.preview == (replace(WANTED, bind="0.0.0.0").settings, True)


def test_what_the_environment_says_otherwise_is_refused() -> None:
    with pytest.raises(UsageError, match="the environment says CURRENT_STACK=llamacpp"):
        wizard("environment").plan(WANTED)


def test_what_the_environment_says_as_well_is_left_to_it() -> None:
    same = wizard("environment", "127.0.0.1").plan(Answers(bind="127.0.0.1"))

    assert (same.settings, same.changes) == ({}, ())


def test_monitoring_is_asked_for_only_where_containers_run() -> None:
    assert wizard().can_monitor(Answers(stack="vllm"))
    assert not wizard().can_monitor(Answers(stack="llamacpp"))
    assert not wizard().can_monitor(Answers(stack="ollama"))
