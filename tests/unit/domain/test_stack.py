import pytest

from frontier.domain.errors import UsageError
from frontier.domain.stack import Stack


def test_a_stack_of_a_known_engine_runs_natively() -> None:
    Stack(name="x", title="x", engine="llamacpp").require_native()


def test_a_stack_that_needs_another_runtime_is_refused() -> None:
    with pytest.raises(UsageError, match="'x' cannot run natively"):
        Stack(name="x", title="x", engine="llamacpp", runtimes=("docker",)).require_native()


def test_a_stack_that_wants_another_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="'x' wants the engine 'vllm', which this version does"):
        Stack(name="x", title="x", engine="vllm").require_native()
