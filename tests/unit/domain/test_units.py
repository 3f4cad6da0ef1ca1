"""Quantities for people."""

import pytest

from frontier.domain.units import prefix, quantity, seconds_of


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.01234, "s", "12.3 ms"),
        (0.000_004_5, "s", "4.50 µs"),
        (1.5, "s", "1.50 s"),
        (95.04, "s", "95.0 s"),
        (4200.0, "s", "4200 s"),
        (0.0, "s", "0 s"),
        (-0.0123, "s", "-12.3 ms"),
        (0.123, "ratio", "12.3 %"),
        (1.0, "ratio", "100 %"),
        (1536, "bytes", "1.5 KiB"),
        (12.0, "", "12"),
        (12.5, "", "12.5"),
        (20_000, "", "20.0 k"),
        (1234.5, "tokens/s", "1.23 ktokens/s"),
        (0.25, "requests/s", "0.250 requests/s"),
    ],
)
def test_a_quantity_has_three_digits_and_the_unit_that_suits_it(
    value: float, unit: str, text: str
) -> None:
    assert quantity(value, unit) == text


def test_one_unit_serves_all_up_to_the_largest() -> None:
    assert prefix(0.6, "s") == (1e-3, "ms")
    assert prefix(2.5 * 1024**3, "bytes") == (1024**3, "GiB")
    assert prefix(0.5, "bytes") == (1, "B")
    assert prefix(1e-15, "s") == (1e-9, "ns")
    assert prefix(0.0, "s") == (1.0, "s")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15s", 15),
        ("15d", 15 * 86_400),
        ("1d12h", 36 * 3600),
        ("1y2w", 379 * 86_400),
        ("250ms", 0.25),
        ("0s", 0),
        ("", 0),
        ("15", 0),
        ("15 d", 0),
        ("12h1d", 0),
        ("1.5h", 0),
        ("-1d", 0),
        ("forever", 0),
    ],
)
def test_a_duration_is_what_prometheus_takes_for_one(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
