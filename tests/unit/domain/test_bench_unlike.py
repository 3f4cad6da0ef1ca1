"""Each difference that makes two benchmarks incomparable, and how to allow it."""

from dataclasses import replace

import pytest

from bench_results import CASE, measured, result, sample
from frontier.domain.bench_unlike import KINDS, require_alike, unlike
from frontier.domain.errors import UnlikeError

BASE = measured(rounds=2, each=3)


def target(**changed: str):
    return replace(BASE, target={**BASE.target, **changed})


def machine(**changed):
    return replace(BASE, machine={**BASE.machine, **changed})


OTHERS = {
    "machine arch": ("machine", machine(arch="arm64")),
    "machine cpu": ("machine", machine(cpu="Another CPU")),
    "machine cores": ("machine", machine(cores=64)),
    "machine memory": ("machine", machine(memory_bytes=64 << 30)),
    "machine gpus": ("machine", machine(gpus=["H200"])),
    "machine numa": ("machine", machine(numa=2)),  # what a later version adds
    "server": ("machine", target(url="http://gpu.example:8000")),
    "api": ("api", target(api="ollama")),
    "operation": ("api", target(operation="completion")),
    "model": ("model", target(model="qwen3:8b")),
    "model digest": ("model", target(model_digest="sha256:" + "b" * 64)),
    "engine": ("engine", target(engine="vllm")),
    "engine version": ("engine", target(engine_version="b9999")),
    "setting threads": ("settings", replace(BASE, settings={"threads": 8})),
    "setting batch": ("settings", replace(BASE, settings={"threads": 4, "batch": 512})),
    "load preset": ("load", replace(BASE, preset="chat")),
    "load warmup": ("load", replace(BASE, load={"warmup": 7})),
    "cases": ("cases", replace(BASE, cases=(CASE,))),
    f"case {CASE.id}": (
        "cases",
        replace(BASE, cases=(replace(CASE, prompt_tokens=999), BASE.cases[1])),
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_one_difference_is_refused_by_its_name_and_can_be_allowed(what: str) -> None:
    kind, other = OTHERS[what]

    with pytest.raises(UnlikeError) as caught:
        require_alike(BASE, other, ())

    assert caught.value.details.startswith(f"{kind}: {what}: ")
    assert len(caught.value.details.splitlines()) == 1
    assert caught.value.hint.endswith(f"--allow {kind}")
    assert [one.what for one in require_alike(BASE, other, [kind])] == [what]


@pytest.mark.parametrize("what", OTHERS)
def test_no_other_permission_will_do(what: str) -> None:
    kind, other = OTHERS[what]

    with pytest.raises(UnlikeError):
        require_alike(BASE, other, [one for one in KINDS if one != kind])


def test_a_run_is_like_itself_and_like_one_of_another_time_place_version_and_seed() -> None:
    later = replace(
        BASE, created="2027-01-01T00:00:00Z", command="x", frontier="9", commit="f", client={}
    )

    assert unlike(BASE, BASE) == ()
    assert unlike(replace(BASE, load={"seed": 1}), replace(BASE, load={"seed": 2})) == ()
    assert unlike(BASE, replace(later, target={**BASE.target, "url": "http://localhost:1"})) == ()


def test_another_server_is_another_machine_and_its_credentials_stay_out() -> None:
    one, other = target(url="http://u:secret@a:1/v1"), target(url="http://a:2")

    (found,) = unlike(one, other)

    assert str(found) == "server: a:1 / a:2"
    assert unlike(one, target(url="http://a:1")) == ()
    assert unlike(BASE, target(url="http://[bad"))[0].new == "http://[bad"


def test_a_page_of_memory_more_makes_no_other_machine() -> None:
    assert unlike(BASE, machine(memory_bytes=(8 << 30) + 4096)) == ()


def test_all_differences_are_named_at_once_with_all_that_must_be_allowed() -> None:
    other = replace(target(model="b", engine="vllm"), settings={}, preset="chat")

    with pytest.raises(UnlikeError) as caught:
        require_alike(BASE, other, ["engine"])

    assert caught.value.exit_code == 5
    assert caught.value.message.endswith("model, settings, load")
    assert [row.split(":")[0] for row in caught.value.details.splitlines()] == [
        "model", "settings", "load",
    ]  # fmt: skip
    assert caught.value.hint.endswith("--allow model --allow engine --allow settings --allow load")


def test_runs_without_a_common_case_cannot_be_compared_at_all() -> None:
    other = result(sample(case="x"), cases=(replace(CASE, id="x"),))

    with pytest.raises(UnlikeError, match="no case in common"):
        require_alike(BASE, other, KINDS)


def test_many_cases_are_named_and_then_counted() -> None:
    many = replace(BASE, cases=tuple(replace(CASE, id=f"c{i}") for i in range(9)))

    (found,) = unlike(many, BASE)

    assert found.base == "only here: c0, c1, c2, c3 and 5 more"
    assert found.new == "only here: closed-c1-p128-o16, closed-c4-p128-o16"
