"""The judge of histories, judged."""

from __future__ import annotations

import pytest

from tests.engine.history import Operation, problems


def write(at: float, seen: int, revision: int, value: str) -> Operation:
    return Operation(key="k", began=at, ended=at + 0.5, seen=seen, revision=revision, value=value, writes=True)


def lost(at: float, seen: int, value: str) -> Operation:
    return Operation(key="k", began=at, ended=float("inf"), seen=seen, value=value, writes=True)


def read(at: float, seen: int, value: str) -> Operation:
    return Operation(key="k", began=at, ended=at + 0.5, seen=seen, value=value)


@pytest.mark.parametrize(
    ("history", "found"),
    [
        pytest.param([write(0, 1, 2, "a"), read(1, 2, "a"), write(2, 2, 5, "b"), read(3, 5, "b")], "", id="good"),
        pytest.param(
            [write(0, 1, 2, "a"), lost(1, 2, "b"), read(2, 3, "b"), write(3, 3, 4, "c")], "", id="lost answer"
        ),
        pytest.param([write(0, 1, 2, "a"), lost(1, 2, "b"), read(2, 2, "a")], "", id="lost request"),
        pytest.param([write(0, 1, 2, "a"), write(1, 1, 3, "b")], "did not build on", id="lost update"),
        pytest.param([write(0, 1, 2, "a"), read(1, 4, "x")], "nobody wrote", id="phantom"),
        pytest.param([write(0, 1, 2, "a"), read(1, 2, "x")], "where a was written", id="other value"),
        pytest.param(
            [write(0, 1, 2, "a"), write(1, 2, 3, "b"), read(2, 2, "a")], "though 3 was known", id="stale read"
        ),
        pytest.param([write(0, 1, 2, "a"), write(1, 2, 3, "b"), read(1.2, 2, "a")], "", id="concurrent read"),
    ],
)
def test_history_is_judged(history: list[Operation], found: str) -> None:
    texts = problems(history)
    assert found in "".join(texts)
    assert bool(texts) == bool(found)
