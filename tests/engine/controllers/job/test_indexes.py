"""Sets of indexes as the status writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.controllers.job import indexes


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        pytest.param([], "", id="none"),
        pytest.param([3], "3", id="one"),
        pytest.param([1, 2], "1,2", id="two in a row"),
        pytest.param([1, 2, 3], "1-3", id="a run"),
        pytest.param([0, 2, 3, 4, 9], "0,2-4,9", id="mixed"),
    ],
)
def test_runs_of_three_and_more_are_shortened(numbers: list[int], text: str) -> None:
    assert indexes.written(numbers) == text


@given(st.sets(st.integers(0, 200)))
def test_what_is_written_reads_back(numbers: set[int]) -> None:
    assert indexes.parse(indexes.written(numbers)) == numbers


def test_indexes_beyond_the_completions_are_left_out() -> None:
    assert indexes.parse("0,2-9", 4) == {0, 2, 3}
