"""Answers of the wizard, and what they change in `.env`."""

import pytest

from frontier.domain import setup
from frontier.domain.errors import UsageError
from frontier.domain.setup import Answers, SettingChange, changes

DEFAULTS = {"CURRENT_STACK": "llamacpp", "MAX_CONTEXT_LENGTH": "4096", "BIND_ADDRESS": "127.0.0.1"}


def test_answers_are_settings_by_their_variables() -> None:
    answers = Answers(stack="vllm", context=8192, monitoring=False, key="me")

    assert answers.settings == {
        "CURRENT_STACK": "vllm",
        "MAX_CONTEXT_LENGTH": "8192",
        "ENABLE_MONITORING": "false",
    }


def test_only_what_differs_from_file_and_default_changes() -> None:
    written = {"CURRENT_STACK": "vllm", "MAX_CONTEXT_LENGTH": "8192"}
    wanted = {"CURRENT_STACK": "llamacpp", "MAX_CONTEXT_LENGTH": "8192", "BIND_ADDRESS": "::1"}

    found = changes(wanted, written.get, DEFAULTS.__getitem__)

    assert found == (
        SettingChange("CURRENT_STACK", "vllm", ""),
        SettingChange("BIND_ADDRESS", "", "::1"),
    )
    assert [str(change) for change in found] == [
        "CURRENT_STACK is removed: vllm gives way to the default",
        "BIND_ADDRESS=::1",
    ]
    assert changes(DEFAULTS, {}.get, DEFAULTS.__getitem__) == ()


@pytest.mark.parametrize(
    ("text", "tokens"), [("4096", 4096), (" 8,192 ", 8192), ("8k", 8192), ("64K", 65536)]
)
def test_a_context_is_read_as_people_write_it(text: str, tokens: int) -> None:
    assert setup.context(text) == tokens


@pytest.mark.parametrize("text", ["", "k", "-1", "many", "8.5", "100", "٣٠٠٠"])
def test_what_is_no_context_is_told(text: str) -> None:
    with pytest.raises(UsageError):
        setup.context(text)


@pytest.mark.parametrize("text", ["127.0.0.1", "localhost", "0.0.0.0", "::", "::1"])
def test_an_address_is_an_address(text: str) -> None:
    assert setup.address(text) == text


@pytest.mark.parametrize("text", ["", "everywhere", "1.2.3", "127.0.0.1:80"])
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no address|''"):
        setup.address(text)
