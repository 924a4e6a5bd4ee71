"""The rows of a table, against a plain model that sorts and filters everything each time."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tui.rows import Cell, Column, Moment, Row
from tui.widgets.filterexpr import parse_filter
from tui.widgets.tablemodel import TableModel, sort_key

COLUMNS = (Column("Name"), Column("Ready"), Column("Restarts", "integer"), Column("Age"))
NOW = 1_000_000.0


def row(uid: str, *, name: str = "", restarts: int = 0, age: float = 60, namespace: str = "default") -> Row:
    return Row(uid, namespace, name or uid, (name or uid, "1/1", restarts, Moment(NOW - age)), {"app": uid[:1]})


def model(*rows: Row) -> TableModel:
    made = TableModel(lambda: NOW)
    made.set_columns(COLUMNS)
    made.apply(rows, [], first=True)
    return made


def shown(made: TableModel) -> list[str]:
    return [made.row_at(index).uid for index in range(len(made))]


uids = st.sampled_from([f"{letter}{number}" for letter in "abc" for number in range(6)])
changes = st.lists(st.tuples(uids, st.integers(0, 30), st.booleans()), max_size=40)


@settings(max_examples=150, deadline=None)
@given(
    batches=st.lists(changes, max_size=6),
    sort=st.tuples(st.integers(-1, 3), st.booleans()),
    text=st.sampled_from(["", "a", "!b", "restarts:3", "-l app=c", "^c[0-3]$", "b 1"]),
)
def test_any_course_of_changes_ends_with_the_rows_sorted_and_filtered_as_if_done_afresh(
    batches: list[list[tuple[str, int, bool]]], sort: tuple[int, bool], text: str
) -> None:
    made = model()
    made.sort_by(sort[0], descending=sort[1] and sort[0] >= 0)
    made.set_filter(parse_filter(text, COLUMNS))
    held: dict[str, Row] = {}
    for batch in batches:
        upserts: dict[str, Row] = {}
        removed: list[str] = []
        for uid, restarts, gone in batch:
            if gone and uid not in upserts:
                removed.append(uid)
                held.pop(uid, None)
            elif uid not in removed:
                upserts[uid] = held[uid] = row(uid, restarts=restarts, age=restarts)
        made.apply(upserts.values(), removed)
    fresh = model(*held.values())
    fresh.sort_by(sort[0], descending=sort[1] and sort[0] >= 0)
    fresh.set_filter(parse_filter(text, COLUMNS))
    assert shown(made) == shown(fresh)
    assert made.total == len(held)
    assert all(made.index_of(uid) == index for index, uid in enumerate(shown(made)))


def test_rows_stand_by_namespace_and_name_until_they_are_sorted() -> None:
    made = model(row("u1", name="b"), row("u2", name="a"), row("u3", name="c", namespace="alpha"))
    assert shown(made) == ["u3", "u2", "u1"]


@pytest.mark.parametrize(
    ("cells", "ascending"),
    [
        pytest.param(["10 (5m ago)", "9", "0"], ["0", "9", "10 (5m ago)"], id="numbers-by-value"),
        pytest.param(["2/3", "0/1", "10/10"], ["0/1", "2/3", "10/10"], id="ready-by-first-number"),
        pytest.param(["<none>", "m2", "m1"], ["m1", "m2", "<none>"], id="nothing-last"),
        pytest.param([Moment(10), Moment(30), Moment(20)], [Moment(30), Moment(20), Moment(10)], id="youngest-first"),
        pytest.param(["web", "we", "wea"], ["we", "wea", "web"], id="prefix-first"),
    ],
)
def test_cells_sort_by_what_they_mean(cells: list[Cell], ascending: list[Cell]) -> None:
    assert sorted(cells, key=sort_key) == ascending


def test_descending_is_the_reverse_of_ascending_but_for_what_is_empty() -> None:
    words = ["we", "web", "wea", "a", "", "z"]
    down = sorted(words, key=lambda word: sort_key(word, descending=True))
    assert down == ["z", "web", "wea", "we", "a", ""]


def test_a_row_that_changed_is_news_and_one_of_the_first_list_is_not() -> None:
    made = model(row("a1"))
    assert made.changed_at("a1") == 0
    made.apply([row("a1", restarts=1)], [])
    assert made.changed_at("a1") == NOW


def test_an_age_is_shown_as_of_now() -> None:
    now = [NOW]
    made = TableModel(lambda: now[0])
    made.set_columns(COLUMNS)
    made.apply([row("a1", age=10)], [])
    assert made.texts_at(0)[3] == "10s"
    now[0] += 200
    assert made.texts_at(0)[3] == "3m30s"
