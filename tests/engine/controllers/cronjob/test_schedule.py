"""When a CronJob is due."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.controllers.cronjob.schedule import BadSchedule, due_between, parse

START = datetime(2026, 1, 1, 12, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        pytest.param("* * * * *", None, START, "2026-01-01T12:08:00+00:00", id="every minute"),
        pytest.param("*/5 * * * *", None, START, "2026-01-01T12:10:00+00:00", id="every five minutes"),
        pytest.param("0 0 * * 0", None, START, "2026-01-04T00:00:00+00:00", id="sundays"),
        pytest.param("0 0 * * 7", None, START, "2026-01-04T00:00:00+00:00", id="sunday is seven, too"),
        pytest.param("30 8 ? * MON-FRI", None, START, "2026-01-02T08:30:00+00:00", id="names and question mark"),
        pytest.param("@hourly", None, START, "2026-01-01T13:00:00+00:00", id="hourly"),
        pytest.param("@every 90m", None, START, "2026-01-01T13:37:30+00:00", id="interval"),
        pytest.param("0 9 * * *", "Europe/Berlin", START, "2026-01-02T08:00:00+00:00", id="winter in Berlin"),
        pytest.param(
            "0 9 * * *", "Europe/Berlin", datetime(2026, 7, 1, 12, tzinfo=UTC), "2026-07-02T07:00:00+00:00",
            id="summer in Berlin",
        ),
        pytest.param("0 0 30 2 *", None, START, None, id="never"),
    ],
)  # fmt: skip
def test_next_moment(text: str, zone: str | None, after: datetime, expected: str | None) -> None:
    try:
        found = parse(text, zone).after(after)
    except BadSchedule:
        found = None
    assert (found.isoformat() if found else None) == expected


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        pytest.param("* * * *", None, id="four fields"),
        pytest.param("* * * * * *", None, id="six fields"),
        pytest.param("61 * * * *", None, id="no such minute"),
        pytest.param("@sometimes", None, id="no such word"),
        pytest.param("@every soon", None, id="no duration"),
        pytest.param("* * * * *", "Mars/Olympus", id="no such zone"),
    ],
)
def test_what_cannot_be_understood_is_refused(text: str, zone: str | None) -> None:
    with pytest.raises(BadSchedule):
        parse(text, zone)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["* * * * *", "*/7 * * * *", "0 */3 * * *", "15 4 * * 1", "@every 37m", "0 0 1 * *"]),
    st.integers(0, 60 * 24 * 4),
)
def test_latest_due_moment_is_found_however_long_the_absence(text: str, minutes: int) -> None:
    schedule = parse(text, None)
    now = START + timedelta(minutes=minutes)
    found = due_between(schedule, START, now)
    latest, count, moment = None, 0, schedule.after(START)
    while moment is not None and moment <= now:
        latest, count, moment = moment, count + 1, schedule.after(moment)
    assert found.moment == latest
    assert (found.missed == 0) is (count == 0)
    assert (found.missed == 1) is (count == 1)
