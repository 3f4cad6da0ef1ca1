import pytest

from frontier.domain.statistics import Ratio, estimate
from frontier.domain.tuning import Chosen, is_faster, knobs, speedup

START: Chosen = {
    "NUM_WORKERS": "0",
    "NUM_PARALLEL": "1",
    "BATCH_SIZE": "512",
    "ENABLE_FLASH_ATTENTION": "",
    "KV_CACHE_TYPE": "f16",
}


def tried(
    start: Chosen = START, *, threads: int = 4, concurrency: int = 1, lossy: bool = False
) -> dict[str, tuple[str, ...]]:
    found = knobs(start, threads=threads, usable=8, concurrency=concurrency, lossy=lossy)
    return {knob.name: knob.values for knob in found}


def test_one_user_needs_no_slots_and_nobody_asked_for_other_answers() -> None:
    assert tried() == {
        "NUM_WORKERS": ("2", "6", "8"),
        "BATCH_SIZE": ("1024", "2048"),
        "ENABLE_FLASH_ATTENTION": ("true", "false"),
    }


def test_slots_are_tried_for_many_users_and_lossy_types_where_they_are_allowed() -> None:
    assert tried(concurrency=8)["NUM_PARALLEL"] == ("4", "8")
    assert tried(lossy=True)["KV_CACHE_TYPE"] == ("q8_0", "q4_0")
    assert tried({**START, "KV_CACHE_TYPE": "q8_0"})["KV_CACHE_TYPE"] == ("f16",)


def test_what_comes_to_the_same_is_not_tried_and_what_cannot_be_changed_neither() -> None:
    assert tried({**START, "NUM_WORKERS": "4"})["NUM_WORKERS"] == ("2", "6", "8")
    assert tried({**START, "NUM_WORKERS": "8"})["NUM_WORKERS"] == ("2", "0", "6")
    assert list(tried({"BATCH_SIZE": "512"})) == ["BATCH_SIZE"]


def test_a_batch_never_gets_smaller() -> None:
    assert tried({"BATCH_SIZE": "1"})["BATCH_SIZE"] == ("512", "1024", "2048")
    assert tried({"BATCH_SIZE": "4096"}) == {}


@pytest.mark.parametrize(
    ("low", "expected"), [(1.01, True), (1.0, False), (0.9, False), (None, False)]
)
def test_faster_is_what_leaves_no_doubt(low: float | None, expected: bool) -> None:
    assert is_faster(Ratio(1.2, low, None if low is None else 1.5)) is expected
    assert not is_faster(None)


def test_twice_as_fast_is_half_the_latency_or_twice_the_rate() -> None:
    small, large = (estimate(value, [value, value * 1.01]) for value in (1.0, 2.0))

    latency, rate = speedup("latency", small, large), speedup("throughput", large, small)

    assert latency
    assert rate
    assert latency.value == rate.value == pytest.approx(2.0)
