"""The fair queue as a plain object."""

from collections import Counter, deque

from hypothesis import given
from hypothesis import strategies as st

from frontier.gateway.fair_queue import FairQueue

KEYS = st.sampled_from("abcd")


def filled(keys: str) -> FairQueue[int]:
    queue: FairQueue[int] = FairQueue()
    for number, key in enumerate(keys):
        queue.add(key, number)
    return queue


def drained(queue: FairQueue[int]) -> list[int]:
    return [queue.pop() for _ in range(len(queue))]


def test_keys_take_turns_and_each_key_keeps_its_order() -> None:
    assert drained(filled("aaaabbc")) == [0, 4, 6, 1, 5, 2, 3]


def test_one_key_alone_is_served_in_order() -> None:
    assert drained(filled("aaa")) == [0, 1, 2]


@given(st.text(alphabet="abcd", max_size=40), KEYS)
def test_the_position_is_the_number_of_turns(before: str, key: str) -> None:
    queue = filled(before)

    position = queue.add(key, -1)

    assert drained(queue).index(-1) + 1 == position


@given(st.lists(st.one_of(KEYS, st.just("pop"), st.integers(0, 60)), max_size=80))
def test_whoever_comes_and_leaves_nobody_is_lost_served_twice_or_out_of_turn(
    steps: list[str | int],
) -> None:
    queue: FairQueue[int] = FairQueue()
    lines: dict[str, deque[int]] = {}
    keys: dict[int, str] = {}
    served: Counter[str] = Counter()  # since the key began to wait
    for number, step in enumerate(steps):
        if isinstance(step, int):  # whoever came at that step leaves, if he still waits
            key = keys.get(step, "a")
            queue.remove(key, step)
            if step in lines.get(key, ()):
                lines[key].remove(step)
        elif step == "pop":
            if not len(queue):
                continue
            item = queue.pop()
            key = keys[item]
            assert lines[key].popleft() == item, "a key keeps its order"
            served[key] += 1
        else:
            queue.add(step, number)
            keys[number] = step
            lines.setdefault(step, deque()).append(number)
        waiting = {key for key, line in lines.items() if line}
        assert len(queue) == sum(map(len, lines.values()))
        if len(queue):
            assert queue.first in {lines[key][0] for key in waiting}


@given(st.text(alphabet="abcd", min_size=1, max_size=60))
def test_no_key_is_ever_more_than_one_turn_ahead_of_another_that_waits(keys: str) -> None:
    queue = filled(keys)
    left, served = Counter(keys), Counter[str]()
    while len(queue):
        key = keys[queue.pop()]
        served[key] += 1
        left[key] -= 1
        waiting = [k for k in left if left[k]]
        assert all(served[key] <= served[k] + 1 for k in waiting)
