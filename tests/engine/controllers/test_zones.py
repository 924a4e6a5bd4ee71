"""How fast silent machines are given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.controllers.zones import Census, Pace, condition_of_zone, rate


@pytest.mark.parametrize(
    ("ready", "silent", "expected"),
    [
        pytest.param(5, 0, "Normal", id="all well"),
        pytest.param(1, 2, "Normal", id="two are never many"),
        pytest.param(3, 3, "Normal", id="half"),
        pytest.param(2, 3, "PartialDisruption", id="more than half"),
        pytest.param(0, 1, "FullDisruption", id="all silent"),
        pytest.param(0, 0, "Normal", id="no machine"),
    ],
)
def test_condition_of_a_zone(ready: int, silent: int, expected: str) -> None:
    assert condition_of_zone(ready, silent) == expected


def test_rates_are_upstreams() -> None:
    assert (rate("Normal", 3), rate("FullDisruption", 3)) == (0.1, 0.1)
    assert (rate("PartialDisruption", 51), rate("PartialDisruption", 50)) == (0.01, 0.0)


def test_one_machine_of_a_zone_at_a_time_and_other_zones_meanwhile() -> None:
    pace = Pace()
    assert pace.wait("a", "m1", 0.1, 100.0) == 0.0
    assert pace.wait("a", "m2", 0.1, 101.0) == 9.0
    assert pace.wait("b", "m9", 0.1, 101.0) == 0.0
    # Until the taint of the first is seen it may be asked for again, and costs no turn.
    assert pace.wait("a", "m1", 0.1, 102.0) == 0.0
    assert pace.wait("a", "m2", 0.1, 110.0) == 0.0


def test_zone_that_is_mostly_silent_waits_or_goes_slowly() -> None:
    pace = Pace()
    assert pace.wait("a", "m1", 0.0, 0.0) is None
    assert pace.wait("a", "m1", 0.01, 0.0) == 0.0
    assert pace.wait("a", "m2", 0.01, 1.0) == 99.0


def test_machine_that_came_back_waits_for_a_new_turn() -> None:
    pace = Pace()
    assert pace.wait("a", "m1", 0.1, 0.0) == 0.0
    pace.forget("m1")
    assert pace.wait("a", "m1", 0.1, 4.0) == 6.0


def test_census_says_when_others_must_be_looked_at_again() -> None:
    census = Census()
    assert census.note("m1", "a", ready=False) is False
    assert census.all_silent
    assert census.note("m2", "a", ready=True) is True
    assert not census.all_silent
    # The same again, and one more that is ready, change nothing for m1.
    assert census.note("m2", "a", ready=True) is False
    assert census.note("m3", "a", ready=True) is False
    assert (census.zone("a"), census.silent, census.rate("a")) == ((2, 1), ("m1",), 0.1)
    assert census.note("m3", "a", ready=False) is False
    # Three of four: more than half, of a small zone.
    assert census.note("m4", "a", ready=False) is True
    assert census.rate("a") == 0.0
    assert census.note("m3", "b", ready=True) is True
    assert (census.zone("a"), census.zone("b")) == ((1, 2), (1, 0))
    assert census.forget("m2") is False
    assert not census.all_silent
    assert census.forget("m3") is True
    assert census.all_silent
    assert census.forget("m3") is False


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["a", "b", "gone"]), st.booleans()), max_size=60))
def test_census_counts_as_if_counted_anew(changes: list[tuple[int, str, bool]]) -> None:
    census, there = Census(), dict[str, tuple[str, bool]]()
    for number, zone, ready in changes:
        name = f"m{number}"
        if zone == "gone":
            census.forget(name)
            there.pop(name, None)
        else:
            census.note(name, zone, ready=ready)
            there[name] = (zone, ready)
        for one in "ab":
            words = [up for where, up in there.values() if where == one]
            assert census.zone(one) == (sum(words), len(words) - sum(words))
        assert sorted(census.silent) == sorted(name for name, (_, up) in there.items() if not up)
        assert census.all_silent is not any(up for _, up in there.values())
