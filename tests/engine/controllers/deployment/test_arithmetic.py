"""Surge and unavailability: the rounding that a rollout rests on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.controllers.deployment import arithmetic
from tests.engine.controllers.objects import deployment, replica_set

SHARES = st.one_of(st.integers(0, 50), st.integers(0, 100).map(lambda n: f"{n}%"))


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "expected"),
    [
        pytest.param("25%", "25%", 3, (1, 0), id="surge rounds up, unavailable down"),
        pytest.param("25%", "25%", 4, (1, 1), id="exact quarters"),
        pytest.param("25%", "25%", 10, (3, 2), id="both round"),
        pytest.param("25%", "25%", 1, (1, 0), id="a single replica"),
        pytest.param(0, 0, 5, (0, 1), id="never both zero"),
        pytest.param(0, "10%", 5, (0, 1), id="a percentage that rounds to zero"),
        pytest.param("100%", 0, 5, (5, 0), id="blue and green"),
        pytest.param(2, 1, 100, (2, 1), id="absolute numbers"),
    ],
)
def test_fenceposts(surge: int | str, unavailable: int | str, replicas: int, expected: tuple[int, int]) -> None:
    assert arithmetic.fenceposts(surge, unavailable, replicas) == expected


@given(SHARES, SHARES, st.integers(0, 500))
def test_something_can_always_move(surge: int | str, unavailable: int | str, replicas: int) -> None:
    up, down = arithmetic.fenceposts(surge, unavailable, replicas)
    assert up + down > 0
    assert up >= 0
    assert down >= 0


def test_unavailable_is_never_more_than_there_are_replicas() -> None:
    assert arithmetic.max_unavailable(deployment(replicas=2, unavailable=5)) == 2
    assert arithmetic.max_unavailable(deployment(replicas=0, unavailable=5)) == 0


def test_recreation_knows_no_surge() -> None:
    recreating = deployment(recreate=True)
    assert (arithmetic.max_surge(recreating), arithmetic.max_unavailable(recreating)) == (0, 0)


@pytest.mark.parametrize(
    ("old", "current", "expected"),
    [
        pytest.param(10, 0, 3, id="room for the surge"),
        pytest.param(13, 0, 0, id="no room"),
        pytest.param(5, 3, 8, id="as far as there is room"),
        pytest.param(0, 3, 10, id="no further than wanted"),
    ],
)
def test_new_set_grows_as_far_as_the_surge_allows(old: int, current: int, expected: int) -> None:
    assert arithmetic.new_size(deployment(replicas=10), [old, current], current) == expected


@given(st.integers(1, 100), st.integers(0, 150), st.integers(0, 100), SHARES, SHARES)
def test_new_set_never_breaks_the_surge(
    replicas: int, old: int, current: int, surge: int | str, unavailable: int | str
) -> None:
    current = min(current, replicas)
    wanted = deployment(replicas=replicas, surge=surge, unavailable=unavailable)
    size = arithmetic.new_size(wanted, [old, current], current)
    assert current <= size <= replicas
    if size > current:
        assert old + size <= replicas + arithmetic.max_surge(wanted)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.5, 1), (1.5, 2), (2.4, 2), (-0.5, -1), (-1.5, -2), (-2.4, -2)],
)
def test_halves_round_away_from_zero(value: float, expected: int) -> None:
    assert arithmetic.round_half_away(value) == expected


@pytest.mark.parametrize(
    ("size", "annotated", "to_add", "added", "expected"),
    [
        pytest.param(5, 13, 13, 0, 5, id="doubled"),
        pytest.param(8, 13, 13, 5, 8, id="doubled, the rest"),
        pytest.param(8, 13, 6, 0, 6, id="no more than there is to add"),
        pytest.param(0, 13, 6, 0, 0, id="empty sets stay empty"),
        pytest.param(5, 13, 5, 5, 0, id="nothing left to give"),
    ],
)
def test_shares_follow_size(size: int, annotated: int, to_add: int, added: int, expected: int) -> None:
    wanted = deployment(replicas=23, surge=3, unavailable=1)
    assert arithmetic.proportion(replica_set(replicas=size), wanted, annotated, to_add, added) == expected


def test_scaling_to_zero_takes_all_of_a_set() -> None:
    assert arithmetic.proportion(replica_set(replicas=4), deployment(replicas=0), 5, -9, 0) == -4
