import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.domain.errors import ConfigError
from frontier.domain.project import Service
from frontier.domain.supervision import Exit, backoff_s, check, waves


def service(name: str, *needs: str) -> Service:
    return Service(name=name, argv=("x",), needs=needs)


def names(*services: Service) -> list[list[str]]:
    return [[s.name for s in wave] for wave in waves(services)]


def test_backoff_doubles_from_half_a_second_and_stops_at_thirty() -> None:
    assert [backoff_s(n) for n in (1, 2, 3, 6, 7, 8, 10**9)] == [0.5, 1, 2, 16, 30, 30, 30]


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (Exit(0), "exit code 0"),
        (Exit(3, "one\ntwo\n"), "exit code 3: two"),
        (
            Exit(1, "loading\nerror: no such model\nhint: look\ncleaning up"),
            "exit code 1: no such model",
        ),
        (Exit(137), "killed by SIGKILL"),
        (Exit(139, "dumped"), "killed by SIGSEGV"),
        (Exit(255), "exit code 255"),
        (Exit(137, was_unguarded=True), "its guard was killed by SIGKILL"),
    ],
)
def test_an_end_is_told_in_words(end: Exit, words: str) -> None:
    assert str(end) == words


def test_the_error_is_the_cause_even_when_a_long_log_comes_after_it() -> None:
    end = Exit(1, "error: no such model\n" + "cleaning up\n" * 40)

    assert str(end) == "exit code 1: no such model"
    assert end.last_lines.splitlines() == ["cleaning up"] * 15


def test_services_start_after_what_they_need_in_declared_order() -> None:
    assert names(service("c", "a", "b"), service("a"), service("b", "a"), service("d")) == [
        ["a", "d"],
        ["b"],
        ["c"],
    ]


def test_a_need_that_is_not_there_counts_as_met() -> None:
    assert names(service("a", "gone")) == [["a"]]


def test_a_circle_comes_last_and_complete() -> None:
    assert names(service("a", "b"), service("b", "a"), service("c")) == [["c"], ["a", "b"]]


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"))))
def test_every_service_is_in_exactly_one_wave(graph: dict[str, list[str]]) -> None:
    declared = [service(name, *needs) for name, needs in graph.items()]

    found = [s.name for wave in waves(declared) for s in wave]

    assert sorted(found) == sorted(graph)


def test_services_that_can_start_pass_the_check() -> None:
    check([service("a", "b"), service("b")])
    check([])


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ([service("a"), service("a")], "two services are named 'a'"),
        ([service("a", "b")], "service 'a' needs 'b', which is not declared"),
        ([service("a", "a")], "in a circle: a"),
        ([service("c"), service("a", "b"), service("b", "a")], "in a circle: a, b"),
    ],
)
def test_services_that_can_never_start_are_refused(declared: list[Service], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(declared)
