"""A million lines in bounded memory: numbers stay, the oldest fall off and are counted."""

import hypothesis.strategies as st
from hypothesis import given

from tui.feeds.logring import NOTE, LogLine, LogRing


def test_lines_keep_their_numbers_when_old_ones_fall_off() -> None:
    ring = LogRing(limit=1000)
    shed = sum(ring.extend([LogLine(0, "", f"line {n}") for n in range(at, at + 100)]) for at in range(0, 5000, 100))
    assert ring.first == shed
    assert ring.end == 5000
    assert 900 <= len(ring) <= 1000
    assert ring.line(ring.first).text == f"line {ring.first}"
    assert ring.line(4999).text == "line 4999"


def test_a_million_lines_take_a_fraction_of_their_text() -> None:
    ring = LogRing()
    for at in range(0, 1_000_000, 20_000):
        ring.extend([LogLine(n % 3, f"2026-01-01T00:00:00.{n:09}Z", f"GET /api/orders/{n} 200 in 12 ms")
                     for n in range(at, at + 20_000)])  # fmt: skip
    assert len(ring) == 1_000_000
    assert sum(block.stored for block in ring._blocks) < 30_000_000
    assert ring.line(123_456) == LogLine(0, "2026-01-01T00:00:00.000123456Z", "GET /api/orders/123456 200 in 12 ms")


def test_memory_bounds_the_lines_when_they_are_long() -> None:
    ring = LogRing(stored_limit=50_000)
    for number in range(400):
        ring.extend([LogLine(0, "", str(hash(str(number) + str(i))) * 20) for i in range(20)])
    assert sum(block.stored for block in ring._blocks[:-1]) <= 50_000 + 4_000_000
    assert ring.first + len(ring) == 8000


@given(
    st.lists(
        st.tuples(st.sampled_from([NOTE, 0, 1]), st.sampled_from(["", "2026-01-01T00:00:00Z"]), st.text()), max_size=80
    ),
    st.integers(5, 40),
)
def test_what_comes_out_is_what_went_in(lines: list[tuple[int, str, str]], limit: int) -> None:
    ring = LogRing(limit=limit)
    for line in lines:
        ring.extend([LogLine(*line)])
    kept = [LogLine(source, stamp, text.replace("\n", "⏎")) for source, stamp, text in lines]
    assert ring.lines() == kept[ring.first :]
    assert [ring.line(n) for n in range(ring.first, ring.end)] == kept[ring.first :]
    ring.clear()
    assert len(ring) == 0
    assert ring.end == len(lines)
