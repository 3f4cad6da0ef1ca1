from frontier.domain.state import DaemonState, ServiceState


def state(**changes: object) -> ServiceState:
    fields = {"name": "llamacpp", "phase": "ready", "digest": "a", "pid": 7}
    return ServiceState(**{**fields, **changes})  # type: ignore[arg-type]


def daemon(*services: ServiceState) -> DaemonState:
    return DaemonState(pid=1, started_at=2.5, stack="llamacpp", services=services)


def test_the_state_survives_its_json() -> None:
    original = daemon(state(port=5, reason="exit code 1", details="a\nb"), state(name="gateway"))

    assert DaemonState.from_json(original.to_json()) == original


def test_ready_means_exactly_the_declared_services_in_their_declared_configuration() -> None:
    assert daemon(state()).is_ready({"llamacpp": "a"})
    assert not daemon(state()).is_ready({"llamacpp": "b"})
    assert not daemon(state()).is_ready({"llamacpp": "a", "gateway": "a"})
    assert not daemon(state(), state(name="old")).is_ready({"llamacpp": "a"})
    assert not daemon(state(phase="backoff")).is_ready({"llamacpp": "a"})


def test_a_death_is_a_failed_start_only_for_what_was_never_ready() -> None:
    assert state(restarts=1).has_failed
    assert not state(restarts=1, was_ready=True).has_failed
    assert not state().has_failed


def test_services_are_found_by_name_and_process() -> None:
    both = daemon(state(), state(name="gateway", pid=None))

    assert both.service("gateway") == state(name="gateway", pid=None)
    assert both.service("nobody") is None
    assert both.pids == {7}
    assert both.digests == {"llamacpp": "a", "gateway": "a"}
