"""The circuit breaker as a plain object."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from frontier.gateway.breaker import FAILURES, LOADING_S, OPEN_S, Breaker


def tripped(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.failed(now)
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not_count_less() -> None:
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed(0.0)
        assert breaker.state(0.0) == "closed"
        breaker.succeeded()
    for _ in range(FAILURES):
        breaker.failed(0.0)

    assert breaker.state(0.0) == "open"
    assert not breaker.admits(OPEN_S - 0.1)
    assert breaker.wait_s(4.0) == OPEN_S - 4.0


def test_after_its_rest_it_admits_one_probe_whose_end_decides() -> None:
    breaker = tripped()
    assert breaker.admits(OPEN_S)
    probe = breaker.begin()
    assert probe
    assert breaker.state(OPEN_S) == "half_open"
    assert not breaker.admits(OPEN_S + 100)

    breaker.failed(OPEN_S)
    breaker.end(probe)
    assert breaker.state(OPEN_S) == "open"
    breaker.end(breaker.begin())  # its client left: somebody else may find out
    assert breaker.admits(2 * OPEN_S)
    breaker.begin()
    breaker.succeeded()

    assert breaker.state(0.0) == "closed"
    assert breaker.is_calm
    assert breaker.begin() == 0


def test_an_engine_that_loads_is_asked_again_soon() -> None:
    breaker = Breaker()
    breaker.loads(0.0)

    assert breaker.is_loading
    assert not breaker.admits(LOADING_S / 2)
    assert breaker.admits(LOADING_S)
    assert tripped().is_loading is False


def test_a_health_check_shortens_the_rest_or_begins_it_anew() -> None:
    breaker = tripped()
    breaker.is_unreachable(9.0)
    assert not breaker.admits(OPEN_S)
    breaker.is_reached(12.0)
    assert breaker.admits(12.0)

    calm = Breaker()
    calm.is_reached(0.0)
    calm.is_unreachable(0.0)
    assert calm.state(0.0) == "closed"


@given(st.lists(st.booleans(), max_size=60))
def test_it_is_open_exactly_after_failures_in_a_row(results: list[bool]) -> None:
    breaker = Breaker(failures=3)
    in_a_row = 0
    for is_good in results:
        if is_good:
            breaker.succeeded()
            in_a_row = 0
        else:
            breaker.failed(0.0)
            in_a_row += 1
        assert (breaker.state(0.0) == "open") == (in_a_row >= 3)


class Traffic(RuleBasedStateMachine):
    """Requests that begin when they may, and end in any order and way, long after too."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(failures=2, open_s=10.0)
        self.now = 0.0
        self.plain = 0
        self.probes: list[int] = []

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.breaker.admits(self.now))
    @rule()
    def begin(self) -> None:
        state = self.breaker.state(self.now)
        probe = self.breaker.begin()
        assert bool(probe) == (state == "half_open")
        if probe:
            self.probes.append(probe)
        else:
            self.plain += 1

    @precondition(lambda self: self.probes)
    @rule(data=st.data(), verdict=st.sampled_from(["good", "bad", "loading", "left"]))
    def end_probe(self, data: st.DataObject, verdict: str) -> None:
        probe = data.draw(st.sampled_from(self.probes))
        self._tell(verdict)
        self.breaker.end(probe)
        self.probes.remove(probe)

    @precondition(lambda self: self.plain)
    @rule(verdict=st.sampled_from(["good", "bad", "loading", "left"]))
    def end_plain(self, verdict: str) -> None:
        self.plain -= 1
        self._tell(verdict)

    @rule(got_through=st.booleans())
    def check_health(self, got_through: bool) -> None:
        if got_through:
            self.breaker.is_reached(self.now)
        else:
            self.breaker.is_unreachable(self.now)

    def _tell(self, verdict: str) -> None:
        match verdict:
            case "good":
                self.breaker.succeeded()
            case "bad":
                self.breaker.failed(self.now)
            case "loading":
                self.breaker.loads(self.now)
            case _:
                pass

    @invariant()
    def it_admits_requests_when_and_only_when_its_state_says_so(self) -> None:
        state = self.breaker.state(self.now)
        if state == "closed":
            assert self.breaker.admits(self.now)
        if state == "open":
            assert not self.breaker.admits(self.now)

    @invariant()
    def it_never_stays_shut_once_nobody_probes(self) -> None:
        if not self.probes:
            assert self.breaker.admits(self.now + 10.0)


TestTraffic = Traffic.TestCase
