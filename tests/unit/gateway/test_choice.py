"""Which engine takes a request, as plain functions."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from frontier.gateway.choice import Candidate, Turns, least_busy, of_session

WEIGHTS = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def candidates(weights: list[int], busy: list[int] | None = None) -> list[Candidate]:
    return [Candidate(f"e{i}", w, busy[i] if busy else 0) for i, w in enumerate(weights)]


@given(WEIGHTS, st.integers(1, 4))
def test_shares_are_exact_over_every_round(weights: list[int], rounds: int) -> None:
    turns, among = Turns(), candidates(weights)

    counts = Counter(turns.next(among) for _ in range(rounds * sum(weights)))

    assert [counts[i] for i in range(len(weights))] == [rounds * w for w in weights]


@given(WEIGHTS, st.integers(1, 200))
def test_at_any_moment_each_is_near_its_share(weights: list[int], count: int) -> None:
    turns, among = Turns(), candidates(weights)

    counts = Counter(turns.next(among) for _ in range(count))

    for i, weight in enumerate(weights):
        assert abs(counts[i] - count * weight / sum(weights)) < len(weights)


@given(st.lists(st.sets(st.integers(0, 3), min_size=1), max_size=60))
def test_engines_that_come_and_go_keep_the_others_turns(free: list[set[int]]) -> None:
    turns, among = Turns(), candidates([1, 2, 3, 4])

    for some in free:
        chosen = [among[i] for i in sorted(some)]
        assert 0 <= turns.next(chosen) < len(chosen)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 20)), min_size=1, max_size=6))
def test_the_least_busy_has_the_least_work_per_weight(pairs: list[tuple[int, int]]) -> None:
    among = candidates([w for w, _ in pairs], [b for _, b in pairs])

    chosen = among[least_busy(among, Turns())]

    assert all(chosen.busy / chosen.weight <= c.busy / c.weight for c in among)


def test_idle_engines_take_turns() -> None:
    turns, among = Turns(), candidates([1, 1, 1])

    assert [least_busy(among, turns) for _ in range(6)] == [0, 1, 2, 0, 1, 2]


@given(st.binary(max_size=40), WEIGHTS)
def test_a_session_moves_only_when_its_own_engine_goes(session: bytes, weights: list[int]) -> None:
    among = candidates(weights)
    mine = of_session(session, among)
    for gone in range(len(among)):
        rest = among[:gone] + among[gone + 1 :]
        if rest and gone != mine:
            assert rest[of_session(session, rest)] == among[mine]


def test_sessions_are_shared_out_by_weight() -> None:
    among = candidates([1, 3])

    counts = Counter(of_session(b"session %d" % i, among) for i in range(4000))

    assert 0.70 < counts[1] / 4000 < 0.80
