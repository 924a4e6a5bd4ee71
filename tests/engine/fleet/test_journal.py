from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fleet.journal import (
    Entry,
    FileWritten,
    Journal,
    LineAdded,
    PackagesInstalled,
    SysctlSet,
    UnitInstalled,
    read,
)

ENTRIES = st.one_of(
    st.builds(FileWritten, path=st.text(), before=st.none() | st.text()),
    st.builds(LineAdded, path=st.text(), line=st.text(), user=st.text(), created=st.booleans()),
    st.builds(UnitInstalled, name=st.text()),
    st.builds(PackagesInstalled, names=st.lists(st.text()).map(tuple)),
    st.builds(SysctlSet, key=st.text(), before=st.text()),
)


@given(st.lists(ENTRIES))
def test_a_journal_survives_writing_and_reading(entries: list[Entry]) -> None:
    journal = Journal(node="pi4", cluster="c", entries=tuple(entries))
    assert read(journal.to_json()) == journal


@given(st.lists(ENTRIES))
def test_writing_the_same_changes_again_adds_nothing(entries: list[Entry]) -> None:
    once = Journal()
    for entry in entries:
        once = once.adding(entry)
    again = once
    for entry in entries:
        again = again.adding(entry)
    assert again == once


def test_the_first_record_of_a_file_is_the_one_that_knows_what_was_there_before_us() -> None:
    journal = (
        Journal().adding(FileWritten(path="/etc/x", before=None)).adding(FileWritten(path="/etc/x", before="b3Vycw=="))
    )
    assert journal.entries == (FileWritten(path="/etc/x", before=None),)


def test_what_is_no_journal_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"/var/lib/pilothouse/journal.json: "):
        read(b'{"entries": [{"type": "spell"}]}')
