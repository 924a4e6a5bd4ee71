"""The judge of histories, judged."""

from __future__ import annotations

import pytest

from tests.engine.history import Operation, problems
from tests.engine.watchlog import Listed, Segment, Shown, list_problems, segment_problems


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


WRITES = [write(0, 1, 2, "a"), write(1, 2, 4, "b"), lost(2, 4, "c"), write(3, 5, 6, "d")]
A, B, C, D = Shown("k", 2, "a"), Shown("k", 4, "b"), Shown("k", 5, "c"), Shown("k", 6, "d")


@pytest.mark.parametrize(
    ("events", "found"),
    [
        pytest.param([A, B, C, D], "", id="all"),
        pytest.param([A, B, D], "", id="without the lost one"),
        pytest.param([A, B], "", id="not yet further"),
        pytest.param([], "", id="nothing yet"),
        pytest.param([A, C, D], "the watch missed b at 4", id="skipped"),
        pytest.param([B, D], "the watch missed a at 2", id="skipped the first"),
        pytest.param([A, B, B, D], "event 4 came after 4", id="repeated"),
        pytest.param([B, A, D], "event 2 came after 4", id="out of order"),
        pytest.param([A, B, Shown("k", 5, "x"), D], "x shown at 5, which nobody wrote", id="phantom"),
        pytest.param([A, Shown("k", 4, "a"), D], "a shown at 4, where b was written", id="other value"),
    ],
)
def test_watches_are_judged(events: list[Shown], found: str) -> None:
    texts = segment_problems(Segment(1, events), WRITES)
    assert found in "".join(texts)
    assert bool(texts) == bool(found)


@pytest.mark.parametrize(
    ("revision", "items", "found"),
    [
        pytest.param(4, [B], "", id="as it was"),
        pytest.param(5, [C], "", id="with the lost one"),
        pytest.param(5, [B], "", id="without the lost one"),
        pytest.param(5, [A], "2 in the list at 5, though 4 was written", id="stale"),
        pytest.param(6, [], "not in the list at 6", id="gone"),
        pytest.param(4, [D], "6 in the list at 4", id="from the future"),
        pytest.param(4, [Shown("k", 4, "x")], "x shown at 4, where b was written", id="other value"),
    ],
)
def test_lists_are_judged(revision: int, items: list[Shown], found: str) -> None:
    texts = list_problems(Listed(revision, tuple(items)), WRITES)
    assert found in "".join(texts)
    assert bool(texts) == bool(found)
