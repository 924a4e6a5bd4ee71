"""Columns sharing a width; lines folded to one."""

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from tui.document import plain
from tui.tones import Tone
from tui.widgets.columns import GAP, NARROWEST, choose, place, total_width
from tui.widgets.wrapping import fold


@given(st.lists(st.integers(1, 120), min_size=1, max_size=12), st.integers(20, 200))
def test_placed_columns_fit_unless_all_are_at_their_narrowest(widths: list[int], available: int) -> None:
    placed = place(list(enumerate(widths)), available)
    assert [p.index for p in placed] == list(range(len(widths)))
    assert total_width(placed) <= available or all(
        p.width <= max(NARROWEST, 1) or p.width == widths[p.index] for p in placed
    )
    assert all(b.start == a.start + a.width + GAP for a, b in pairwise(placed))


def test_the_widest_column_gives_way_first() -> None:
    placed = place([(0, 20), (1, 100), (2, 20)], 84)
    assert [p.width for p in placed] == [20, 40, 20]


def test_a_spared_column_keeps_its_width_while_others_can_give_way() -> None:
    placed = place([(0, 30), (1, 60), (2, 40)], 100, spared={1})
    assert [p.width for p in placed] == [18, 60, 18]
    assert [p.width for p in place([(0, 30), (1, 60)], 60, spared={1})] == [18, 40]


def test_wide_columns_show_where_there_is_room_for_them() -> None:
    assert [index for index, _ in choose([0, 1, 1], [10, 10, 50], 40, wide=False)] == [0, 1]
    assert [index for index, _ in choose([0, 1, 1], [10, 10, 50], 40, wide=True)] == [0, 1, 2]


def test_a_folded_line_continues_under_its_last_part() -> None:
    line = (("  Message", Tone.MUTED), ("  ", Tone.TEXT), ("one two three four five six seven", Tone.TEXT))
    folded = [plain(part) for part in fold(line, 30)]
    assert folded == ["  Message  one two three four", "           five six seven"]


@given(st.text(alphabet="abc ", max_size=200), st.integers(20, 60))
def test_no_folded_line_is_wider_than_asked(text: str, width: int) -> None:
    assert all(len(plain(part)) <= width for part in fold((("key  ", Tone.KEY), (text, Tone.TEXT)), width))
