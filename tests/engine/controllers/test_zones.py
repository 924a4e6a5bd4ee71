"""How fast silent machines are given up."""

import pytest

from engine.controllers.zones import Pace, condition_of_zone, rate


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


def zone(ready: int, silent: int, name: str = "a") -> list[tuple[str, bool]]:
    return [(name, True)] * ready + [(name, False)] * silent


def test_one_machine_of_a_zone_at_a_time_and_other_zones_meanwhile() -> None:
    pace, both = Pace(), zone(5, 2) + zone(5, 1, "b")
    assert pace.wait("a", "m1", both, 100.0) == 0.0
    assert pace.wait("a", "m2", both, 101.0) == 9.0
    assert pace.wait("b", "m9", both, 101.0) == 0.0
    # Until the taint of the first is seen it may be asked for again, and costs no turn.
    assert pace.wait("a", "m1", both, 102.0) == 0.0
    assert pace.wait("a", "m2", both, 110.0) == 0.0


def test_zone_that_is_mostly_silent_waits_or_goes_slowly() -> None:
    pace = Pace()
    assert pace.wait("a", "m1", zone(2, 3), 0.0) is None
    large = zone(20, 40)
    assert pace.wait("a", "m1", large, 0.0) == 0.0
    assert pace.wait("a", "m2", large, 1.0) == 99.0


def test_machine_that_came_back_waits_for_a_new_turn() -> None:
    pace = Pace()
    assert pace.wait("a", "m1", zone(5, 1), 0.0) == 0.0
    pace.forget("m1")
    assert pace.wait("a", "m1", zone(5, 1), 4.0) == 6.0
