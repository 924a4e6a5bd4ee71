"""The record of a table: going back, where it begins, what nobody listened to, and its bounds."""

from hypothesis import given
from hypothesis import strategies as st

from tui.feeds.record import Gap, Recorder, TableRecord, differing
from tui.rows import Column, Moment, Row

COLUMNS = (Column("Name"), Column("Status"))
_versions = iter(range(1, 1_000_000))


def row(name: str, status: str = "Running", *, version: str = "") -> Row:
    return Row(name, "shop", name, (name, status), resource_version=version or str(next(_versions)))


def opened(*rows: Row, at: float = 100.0) -> TableRecord:
    record = TableRecord()
    record.opened()
    record.take(COLUMNS, rows, [], at, whole=True)
    return record


def statuses(record: TableRecord, at: float) -> dict[str, object]:
    return {uid: one.cells[1] for uid, one in record.at(at).items()}


def test_each_moment_shows_what_was_there_then() -> None:
    record = opened(row("a"), row("b"))
    record.take(None, [row("a", "Failed")], [], 110.0, whole=True)
    record.take(None, [row("c")], ["b"], 120.0, whole=True)
    assert record.begins == 100.0
    assert statuses(record, 100.0) == {"a": "Running", "b": "Running"}
    assert statuses(record, 109.9) == {"a": "Running", "b": "Running"}
    assert statuses(record, 110.0) == {"a": "Failed", "b": "Running"}
    assert statuses(record, 120.0) == {"a": "Failed", "c": "Running"}
    assert record.moments() == [110.0, 120.0]


def test_pages_of_the_first_list_are_no_changes() -> None:
    record = TableRecord()
    record.opened()
    record.take(COLUMNS, [row("a")], [], 100.0, whole=False)
    record.take(None, [row("b")], [], 101.0, whole=False)
    assert record.begins is None
    record.take(None, [row("c")], [], 102.0, whole=True)
    assert record.begins == 102.0
    assert not record.moments()
    assert set(record.at(0.0)) == {"a", "b", "c"}


def test_a_list_that_repeats_what_is_known_is_no_change() -> None:
    record = opened(row("a", version="7"))
    record.take(None, [row("a", version="7")], [], 110.0, whole=True)
    assert not record.moments()


def test_a_table_that_is_opened_again_tells_when_nobody_watched() -> None:
    record = opened(row("a", version="1"), row("b", version="1"))
    record.closed(110.0)
    record.opened()
    record.take(COLUMNS, [row("a", "Failed", version="2")], [], 200.0, whole=True)
    assert list(record.gaps) == [Gap(110.0, 200.0)]
    assert record.gap_at(150.0) == Gap(110.0, 200.0)
    assert record.gap_at(105.0) is None
    assert statuses(record, 150.0) == {"a": "Running", "b": "Running"}, "what was heard last"
    assert statuses(record, 200.0) == {"a": "Failed"}


def test_a_lost_connection_is_a_gap_from_the_last_sign_of_life() -> None:
    record = opened(row("a"))
    record.silent(120.0)
    record.silent(130.0)
    assert record.gap_at(125.0) == Gap(120.0)
    record.heard(140.0)
    record.heard(150.0)
    assert list(record.gaps) == [Gap(120.0, 140.0)]


def test_other_columns_begin_a_new_record() -> None:
    record = opened(row("a"))
    record.take(None, [row("a", "Failed")], [], 110.0, whole=True)
    record.take((Column("Name"),), [row("a")], [], 120.0, whole=True)
    assert (record.begins, record.moments(), record.weight) == (120.0, [], 0)


def test_what_is_too_old_is_let_go_and_the_record_begins_later() -> None:
    recorder = Recorder(most_age=60.0)
    record = recorder.table("pods")
    record.opened()
    record.take(COLUMNS, [row("a")], [], 100.0, whole=True)
    record.take(None, [row("a", "Failed")], [], 110.0, whole=True)
    record.take(None, [row("a", "Gone")], [], 150.0, whole=True)
    recorder.bound(175.0)
    assert (record.begins, record.trimmed) == (110.0, True)
    assert statuses(record, 110.0) == {"a": "Failed"}
    assert statuses(record, 150.0) == {"a": "Gone"}


def test_memory_is_bounded_over_all_tables_oldest_changes_first() -> None:
    recorder = Recorder(most_bytes=20_000)
    first, second = recorder.table("pods"), recorder.table("services")
    for record in (first, second):
        record.opened()
        record.take(COLUMNS, [row("a")], [], 100.0, whole=True)
    for number in range(200):
        (first if number % 2 else second).take(None, [row("a", f"state {number}")], [], 101.0 + number, whole=True)
        recorder.bound(101.0 + number)
        assert recorder.weight <= 20_000
    assert first.trimmed
    assert second.trimmed
    assert abs(len(first.changes) - len(second.changes)) <= 1
    assert statuses(first, 1e9) == {"a": "state 199"}
    assert record.begins is not None
    assert statuses(first, first.begins or 0) == statuses(first, first.changes[0].at - 0.5)


def test_closed_tables_are_let_go_before_those_that_are_open() -> None:
    recorder = Recorder(most=2)
    for key in ("a", "b", "c"):
        record = recorder.table(key)
        record.opened()
        record.take(COLUMNS, [row("x")], [], 100.0, whole=True)
        if key != "c":
            record.closed(110.0)
    recorder.bound(120.0)
    assert recorder.table("c").begins == 100.0
    assert recorder.table("b").begins == 100.0
    assert recorder.table("a").begins is None, "a new one"


def test_ages_differ_by_themselves_and_do_not_count() -> None:
    then = Row("a", "", "a", ("a", Moment(1.0), 1))
    assert differing(then, Row("a", "", "a", ("a", Moment(2.0), 1))) == []
    assert differing(then, Row("a", "", "a", ("a", Moment(2.0), 2))) == [2]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 3)), max_size=40))
def test_every_moment_is_as_it_was_seen(steps: list[tuple[str, bool, int]]) -> None:
    record, now, seen = opened(row("a")), 100.0, {}
    seen[now] = statuses(record, now)
    live: dict[str, object] = dict(seen[now])
    for name, there, wait in steps:
        now += wait
        if there:
            one = row(name, f"at {now} {next(_versions)}")
            live[name] = one.cells[1]
            record.take(None, [one], [], now, whole=True)
        else:
            live.pop(name, None)
            record.take(None, [], [name], now, whole=True)
        seen[now] = dict(live)
    for moment, expected in seen.items():
        assert statuses(record, moment) == expected
