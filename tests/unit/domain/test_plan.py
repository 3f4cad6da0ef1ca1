from frontier.domain.plan import reconcile


def test_a_changed_service_is_restarted_a_new_one_started_and_a_dropped_one_removed_first() -> None:
    steps = reconcile(desired={"vllm": "b", "new": "x"}, observed={"vllm": "a", "webui": "a"})

    assert [str(step) for step in steps] == [
        "remove webui: no longer declared",
        "restart vllm: changed",
        "start new: not running",
    ]


def test_what_runs_as_declared_is_left_alone() -> None:
    assert reconcile({"vllm": "a"}, {"vllm": "a"}) == ()


def test_a_restart_that_was_asked_for_needs_no_change() -> None:
    steps = reconcile({"vllm": "a", "webui": "a"}, {"vllm": "a", "webui": "a"}, asked=["vllm"])

    assert [str(step) for step in steps] == ["restart vllm: asked for"]
