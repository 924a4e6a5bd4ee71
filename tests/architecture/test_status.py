"""docs/STATUS.md names the tests that prove what it says: they must be there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_that_the_status_names_exists():
    named = re.findall(r"`(tests/[^`]+)`", (ROOT / "docs/STATUS.md").read_text())
    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).exists()] == []
