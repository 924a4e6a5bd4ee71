from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects import quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100m", Decimal("0.1")),
        ("1", Decimal(1)),
        ("1.5", Decimal("1.5")),
        (".5", Decimal("0.5")),
        ("1Ki", Decimal(1024)),
        ("1.5Gi", Decimal(1610612736)),
        ("2e3", Decimal(2000)),
        ("1E", Decimal(10) ** 18),
        ("-3k", Decimal(-3000)),
        (2, Decimal(2)),
        ("0.1n", Decimal("1e-9")),
    ],
)
def test_quantities_are_read_exactly(text: str, expected: Decimal):
    assert quantity.parse(text) == expected


@pytest.mark.parametrize("text", ["", "1 Gi", "Gi", "1gi", "1KiB", "one", "1..2", "0x10", "1mi"])
def test_bad_quantity_is_refused_in_upstreams_words(text: str):
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        quantity.parse(text)


def test_rounding_is_up():
    assert quantity.value("100m") == 1
    assert quantity.milli("0.0001") == 1
    assert quantity.value("1.5Gi") == 1610612736


@pytest.mark.parametrize(
    ("text", "printed"),
    [("1000m", "1"), ("0.5", "500m"), ("1024Ki", "1Mi"), ("1536Mi", "1536Mi"), ("0", "0"), ("2e3", "2e3"), ("1500", "1500"),
     ("2000k", "2M"), ("1.5Gi", "1536Mi"), ("0.5Ki", "512")],
)  # fmt: skip
def test_canonical_form(text: str, printed: str):
    assert quantity.canonical(text) == printed


@given(st.integers(-(10**6), 10**6), st.sampled_from(["m", "", "k", "M", "Ki", "Mi", "Gi", "e3"]))
def test_canonical_form_keeps_the_value(number: int, suffix: str):
    text = f"{number}{suffix}"
    assert quantity.parse(quantity.canonical(text)) == quantity.parse(text)


def test_bytes_print_with_the_largest_exact_suffix():
    assert quantity.format_bytes(8 * 1024**3) == "8Gi"
    assert quantity.format_bytes(1536) == "1536"
    assert quantity.format_bytes(1000) == "1000"


@pytest.mark.parametrize(
    ("text", "printed"),
    [("999999999999999999999", "999999999999999999999"), ("9" * 40, "9" * 40), ("1e40", "10e39"), ("1e-40", "1e-9")],
)
def test_large_and_tiny_quantities_are_exact(text: str, printed: str) -> None:
    assert quantity.canonical(text) == printed


@pytest.mark.parametrize("text", ["9" * 41, "1e41", "1e-41", "1e999999999", "1e" + "9" * 5000, "\u0661", "1e\u0663"])
def test_quantities_beyond_reason_are_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError):
        quantity.parse(text)
