"""What commands know of engines, as the gateway reads it."""

import json

import pytest

from frontier.domain.facts import LOADS_S, Facts, Loads

ENGINE = ("llamacpp", "smollm2:135m")


def test_facts_are_read_as_they_were_written() -> None:
    loads = Loads().took(0.5).took(0.51).took(9999).failed()
    facts = Facts(not_after={"nginx": 1e9}, starts={"llamacpp": 5.25}).counted(ENGINE, loads)
    facts = facts.computing("llamacpp", expected=True, in_use=False)

    assert Facts.from_json(facts.to_json()) == facts


def test_a_start_falls_in_the_bucket_whose_boundary_it_does_not_pass() -> None:
    loads = Loads().took(0.5).took(0.51).took(LOADS_S[-1] + 1)

    assert loads.buckets[:2] == (1, 1)
    assert loads.buckets[-1] == 1
    assert (loads.sum_s, loads.failures) == (0.5 + 0.51 + LOADS_S[-1] + 1, 0)


def test_an_engine_that_is_announced_keeps_its_counts() -> None:
    facts = Facts().announced(ENGINE)
    assert facts.loads == {ENGINE: Loads()}

    counted = facts.counted(ENGINE, Loads().failed())
    assert counted.announced(ENGINE) == counted


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"gpu_expected": []}', b"\xff"],
    ids=str,
)
def test_what_is_nothing_of_that_kind_is_said_so(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Facts.from_json(text)


def test_times_with_other_boundaries_begin_anew_and_failures_stay() -> None:
    raw = json.loads(Facts().counted(ENGINE, Loads().took(1).failed()).to_json())
    raw["loads"][0]["buckets"] = [1, 2]

    assert Facts.from_json(json.dumps(raw)).loads_of(ENGINE) == Loads(failures=1)
