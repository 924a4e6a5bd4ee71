"""Cron's notation: what it means, and what is said about what it does not allow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects import cron


@pytest.mark.parametrize(
    ("text", "minutes", "hours"),
    [
        pytest.param("5 4 * * *", {5}, {4}, id="numbers"),
        pytest.param("*/15 0-2 * * *", {0, 15, 30, 45}, {0, 1, 2}, id="steps-and-ranges"),
        pytest.param("50/5 1,3 * * *", {50, 55}, {1, 3}, id="step-from-a-number"),
        pytest.param("10-20/5 ? * * *", {10, 15, 20}, set(range(24)), id="step-in-a-range"),
        pytest.param("@hourly", {0}, set(range(24)), id="descriptor"),
    ],
)
def test_minutes_and_hours_are_what_the_notation_says(text: str, minutes: set[int], hours: set[int]) -> None:
    schedule = cron.parse(text)
    assert (schedule.minutes, schedule.hours) == (minutes, hours)


def test_months_and_weekdays_have_names() -> None:
    schedule = cron.parse("0 0 * JAN-mar sun,Wed")
    assert (schedule.months, schedule.weekdays) == ({1, 2, 3}, {0, 3})


@pytest.mark.parametrize(
    ("text", "both"),
    [("0 0 13 * 5", False), ("0 0 13 * *", True), ("0 0 * * 5", True), ("@weekly", True)],
)
def test_day_and_weekday_must_both_suit_only_if_one_is_a_star(text: str, both: bool) -> None:
    assert cron.parse(text).both_days is both


def test_an_interval_is_at_least_a_second() -> None:
    assert cron.parse("@every 1h30m").every == 5400
    assert cron.parse("@every 1ms").every == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "empty spec string", id="empty"),
        pytest.param("* * *", "expected exactly 5 fields, found 3: [* * *]", id="too-few"),
        pytest.param("0 24 * * *", "end of range (24) above maximum (23): 24", id="too-high"),
        pytest.param("0 0 0 * *", "beginning of range (0) below minimum (1): 0", id="too-low"),
        pytest.param("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1", id="backwards"),
        pytest.param("*/0 * * * *", "step of range should be a positive number: */0", id="no-step"),
        pytest.param("1-2-3 * * * *", "too many hyphens: 1-2-3", id="hyphens"),
        pytest.param("*/2/3 * * * *", "too many slashes: */2/3", id="slashes"),
        pytest.param("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax', id="word"),
        pytest.param("@often", "unrecognized descriptor: @often", id="descriptor"),
        pytest.param("@every 5", 'failed to parse duration @every 5: time: invalid duration "5"', id="duration"),
    ],
)
def test_other_text_is_refused_in_upstreams_words(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        cron.parse(text)
    assert str(raised.value) == message


@given(st.text(alphabet="0123456789*/-,? @abcjanfri", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        schedule = cron.parse(text)
    except ValueError:
        return
    assert schedule.every or schedule.minutes <= set(range(60))
