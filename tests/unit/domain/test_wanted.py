import pytest

from frontier.domain.errors import RefusedError, UsageError
from frontier.domain.wanted import Listening, Wanted


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1"])
def test_a_wide_bind_without_a_key_is_refused_with_the_command_that_makes_one(
    address: str,
) -> None:
    with pytest.raises(RefusedError, match=address) as caught:
        Listening(address=address, ports=(1,)).require_safe()

    assert caught.value.exit_code == 5
    assert "config set API_KEY" in caught.value.hint


def test_a_demanded_key_that_is_not_there_is_refused_on_loopback_too() -> None:
    with pytest.raises(RefusedError, match="ENABLE_AUTH"):
        Listening(address="127.0.0.1", ports=(1,)).require_safe(needs_key=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_loopback_needs_no_key(address: str) -> None:
    Listening(address=address, ports=(1,)).require_safe()


def test_a_wide_bind_with_a_key_is_served_and_reached_on_loopback() -> None:
    listening = Listening(address="0.0.0.0", ports=(1,), api_key="k")

    listening.require_safe(needs_key=True)

    assert listening.urls == ("http://127.0.0.1:1",)


def test_a_gateway_without_a_port_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="listen nowhere"):
        Listening(address="127.0.0.1", ports=()).require_safe()


def test_the_key_is_never_part_of_a_representation() -> None:
    assert "sesame" not in repr(Listening(address="::1", ports=(1,), api_key="sesame"))


def test_an_ipv6_address_is_bracketed_in_urls() -> None:
    assert Listening(address="::1", ports=(1,)).urls == ("http://[::1]:1",)


def test_a_cache_of_few_bits_without_flash_attention_is_refused() -> None:
    wanted = Wanted(
        stack="s",
        model="m",
        listening=Listening(address="127.0.0.1", ports=(1,)),
        has_flash=False,
        kv_type="q8_0",
    )
    with pytest.raises(UsageError, match="needs flash attention") as caught:
        wanted.load(4096)
    assert "ENABLE_FLASH_ATTENTION" in caught.value.hint
