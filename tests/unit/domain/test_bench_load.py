"""The load of a benchmark: cases, counts, times and prompts."""

from dataclasses import replace
from itertools import islice, pairwise
from statistics import mean, pstdev

import pytest

from frontier.domain.bench_load import PRESETS, Load, cases, due_times
from frontier.domain.bench_prompt import Prompts, Tokens, counted


def load(*, rates: tuple[float, ...] = (), users: tuple[int, ...] = (1,), **fields: int) -> Load:
    made = cases(concurrency=users, rates_per_s=rates, prompt_tokens=(100,), output_tokens=(10,))
    return Load(cases=made, **fields)  # type: ignore[arg-type]


def test_every_combination_is_a_case_with_an_id_of_its_own() -> None:
    made = cases(concurrency=(1, 4, 4), rates_per_s=(), prompt_tokens=(8, 16), output_tokens=(2,))

    assert [case.id for case in made] == [
        "closed-c1-p8-o2",
        "closed-c4-p8-o2",
        "closed-c1-p16-o2",
        "closed-c4-p16-o2",
    ]


def test_rates_take_the_place_of_users() -> None:
    made = cases(concurrency=(1,), rates_per_s=(0.5, 2), prompt_tokens=(8,), output_tokens=(2,))

    assert [(case.id, case.mode) for case in made] == [
        ("rate-r0.5-p8-o2", "rate"),
        ("rate-r2-p8-o2", "rate"),
    ]


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (load(), 8),
        (load(users=(16,)), 64),
        (load(requests=3, users=(16,)), 3),
        (load(duration_s=5), None),
        (load(duration_s=5, requests=3), 3),
        (load(rates=(2.0,)), 20),
        (load(rates=(0.1,)), 8),
        (load(rates=(2.0,), duration_s=5), None),
    ],
)
def test_a_round_has_as_many_requests_as_suit_it(given: Load, count: int | None) -> None:
    assert given.count(given.cases[0]) == count


def test_constant_arrivals_do_not_drift() -> None:
    given = load(rates=(3.0,), requests=3001)

    assert list(due_times(given.cases[0], given, 0))[-1] == 1000.0


def test_arrivals_end_with_the_duration() -> None:
    given = load(rates=(10.0,), duration_s=2)

    assert len(list(due_times(given.cases[0], given, 0))) == 20


def test_poisson_arrivals_have_the_rate_and_its_scatter() -> None:
    given = replace(load(rates=(10.0,), requests=5000), arrivals="poisson")

    due = list(due_times(given.cases[0], given, 0))

    gaps = [after - before for before, after in pairwise(due)]
    assert mean(gaps) == pytest.approx(0.1, rel=0.05)
    assert pstdev(gaps) == pytest.approx(0.1, rel=0.1)


def test_arrivals_follow_from_seed_and_round_alone() -> None:
    given = replace(load(rates=(10.0,)), arrivals="poisson")
    case = given.cases[0]

    first = list(due_times(case, given, 0))

    assert list(due_times(case, given, 0)) == first
    assert list(due_times(case, given, 1)) != first
    assert list(due_times(case, replace(given, seed=1), 0)) != first


def test_two_prompts_tell_how_a_server_counts() -> None:
    tokens = counted((16, 52), (128, 276))

    assert (tokens.overhead, tokens.per_word) == (20, 2)
    assert tokens.words(220) == 100


@pytest.mark.parametrize("told", [(0, 0), (5, 0), (0, 5), (9, 9), (9, 5)])
def test_a_server_that_does_not_count_gets_prompts_of_a_usual_length(told: tuple[int, int]) -> None:
    assert counted((16, told[0]), (128, told[1])) == Tokens()


def test_a_prompt_shorter_than_what_is_around_it_has_one_word() -> None:
    assert Tokens(50, 1).words(10) == 1


def test_a_prompt_has_the_wanted_number_of_words() -> None:
    prompts = Prompts(load(), Tokens(overhead=5, per_word=1))  # the five words that ask

    text = prompts.question(load().cases[0], 0, 0).texts[0]

    assert len(text.split()) - 5 == 95


def test_prompts_share_what_was_asked_for_and_differ_after_it() -> None:
    given = load(shared_prefix_tokens=60)
    prompts = Prompts(given, Tokens(overhead=0, per_word=1))

    texts = [prompts.question(given.cases[0], 0, i).texts[0].split() for i in range(20)]

    shared = sum(len(set(column)) == 1 for column in zip(*texts, strict=True))
    assert 65 <= shared <= 68
    assert all(len(text) == 105 for text in texts)


def test_an_embedding_request_has_a_batch_of_texts() -> None:
    given = replace(load(batch=4), operation="embedding")

    question = Prompts(given, Tokens(0, 1)).question(given.cases[0], 0, 0)

    assert len(set(question.texts)) == 4
    assert {len(text.split()) for text in question.texts} == {100}
    assert question.output_tokens == 0


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_makes_cases_whose_shared_part_fits_the_prompt(name: str) -> None:
    preset = PRESETS[name]

    assert preset.title
    assert preset.shared_prefix_tokens < min(preset.prompt_tokens)
    assert cases(
        concurrency=preset.concurrency,
        rates_per_s=(),
        prompt_tokens=preset.prompt_tokens,
        output_tokens=preset.output_tokens,
    )


def test_arrivals_are_made_when_they_are_asked_for() -> None:
    given = load(rates=(10.0,), duration_s=10**9)

    assert list(islice(due_times(given.cases[0], given, 0), 3)) == [0.0, 0.1, 0.2]


def test_rates_that_hardly_differ_are_two_cases() -> None:
    found = cases(
        concurrency=(), rates_per_s=(5.0, 5.000001), prompt_tokens=(16,), output_tokens=(1,)
    )

    assert [case.id for case in found] == ["rate-r5-p16-o1", "rate-r5.000001-p16-o1"]
