"""What is typed after `/`."""

import pytest

from tui.rows import Column, Row
from tui.widgets.filterexpr import parse_filter

COLUMNS = (Column("Name"), Column("Status"), Column("Last Seen"))
ROW = Row("u", "default", "web-1", ("web-1", "Running", "5m"), {"app": "web", "tier": "front"})
CELLS = ("web-1", "Running", "5m")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("web", True, id="word"),
        pytest.param("WEB run", True, id="all-words-in-any-case"),
        pytest.param("web pending", False, id="one-word-missing"),
        pytest.param("!pending", True, id="inverse"),
        pytest.param("!running", False, id="inverse-of-what-is-there"),
        pytest.param("^web-[0-9]$", True, id="regex-anchored-in-a-cell"),
        pytest.param("web.*5m", False, id="regex-stays-in-a-cell"),
        pytest.param("status:run", True, id="column"),
        pytest.param("name:run", False, id="other-column"),
        pytest.param("last-seen:5", True, id="column-with-space"),
        pytest.param("-l app=web", True, id="labels"),
        pytest.param("-l app in (api,db)", False, id="label-set"),
        pytest.param("web -l tier", True, id="word-and-labels"),
        pytest.param("!", True, id="half-typed-inverse"),
        pytest.param("status:", True, id="half-typed-column"),
    ],
)
def test_filter_finds(text: str, found: bool) -> None:
    haystack = "\n".join(CELLS).lower()
    assert parse_filter(text, COLUMNS).matches(ROW, haystack, CELLS) is found


@pytest.mark.parametrize("text", ["web(", "-l a=(", "[", "a|*"])
def test_what_cannot_be_understood_is_told_and_disturbs_nothing(text: str) -> None:
    wanted = parse_filter(text, COLUMNS)
    assert wanted.error
    wanted.matches(ROW, "web-1", CELLS)


def test_spans_say_where_to_highlight() -> None:
    assert parse_filter("err").spans("an Error is an error") == [(3, 6), (15, 18)]


def test_a_term_for_one_column_is_highlighted_in_no_other() -> None:
    wanted = parse_filter("name:web", COLUMNS)
    assert wanted.spans("web-1", 0) == [(0, 3)]
    assert wanted.spans("web-1", 1) == []
