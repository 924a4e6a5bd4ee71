"""Lines as fields, and lines as patterns."""

import re

import pytest

from tui.kinds.logpatterns import Patterns
from tui.logformat import Entry, at_least, level_of, parse, pretty


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        pytest.param('{"time":"2026-01-01T10:00:00Z","level":"WARN","msg":"slow","ms":12,"tags":["a"]}',
                     Entry("slow", "warn", "2026-01-01T10:00:00Z", (("ms", "12"), ("tags", '["a"]'))), id="json"),
        pytest.param('{"level":50,"msg":"boom"}', Entry("boom", "error"), id="pino"),
        pytest.param('ts=10:00 lvl=info msg="it \\"works\\"" path=/a=b n=', Entry(
            'it "works"', "info", "10:00", (("path", "/a=b"), ("n", ""))), id="logfmt"),
        pytest.param("E0102 10:11:12.123456    7 kubelet.go:12] gone", Entry(
            "gone", "error", "10:11:12.123456", (("at", "kubelet.go:12"),)), id="klog"),
        pytest.param("plain text with a=b in it", None, id="text"),
        pytest.param('{"cut off', None, id="broken-json"),
        pytest.param("[1,2]", None, id="a-list"),
    ],
)  # fmt: skip
def test_fields_are_found(text: str, entry: Entry | None) -> None:
    assert parse(text) == entry


def test_levels_of_any_line() -> None:
    assert level_of("2026 ERROR it broke") == "error"
    assert level_of("all is well") == ""
    assert at_least('{"level":"error","msg":"x"}', "warn")
    assert not at_least("INFO x", "warn")
    assert pretty('{"a":{"b":1}}') == ["{", '  "a": {', '    "b": 1', "  }", "}"]


def test_lines_that_differ_in_numbers_and_names_are_one_pattern() -> None:
    patterns = Patterns()
    for n in range(100):
        patterns.add(n % 2, f"2026-01-01T00:00:{n % 60:02}Z", f"GET /orders/{n}a{n} took {n} ms from 10.0.0.{n}")
    patterns.add(0, "", "ERROR cannot reach database shop")
    patterns.add(0, "", "ERROR cannot reach database till")
    first, second = patterns.all()
    assert (first.count, first.text, len(first.sources)) == (100, "GET <*> took <*> ms from <*>", 2)
    assert (second.count, second.text, second.level) == (2, "ERROR cannot reach database <*>", "error")
    assert re.search(first.filter, "GET /x took 3 ms from 10.0.0.1")


def test_json_lines_are_told_apart_by_their_message() -> None:
    patterns = Patterns()
    for n in range(5):
        patterns.add(0, "", f'{{"id":"{n}","msg":"order {n} paid"}}')
    assert [one.text for one in patterns.all()] == ["order <*> paid"]


def test_patterns_are_bounded_and_what_makes_room_is_counted() -> None:
    patterns = Patterns(most=50)
    for n in range(26**2):
        word = chr(97 + n // 26) + chr(97 + n % 26)
        patterns.add(0, "", f"{word} {word}x {word}y")
    for _ in range(100):
        patterns.add(0, "", "again and again")
    assert len(patterns) <= 50
    assert sum(one.count for one in patterns.all()) + patterns.left_out == patterns.total
    assert patterns.all()[0].text == "again and again"
