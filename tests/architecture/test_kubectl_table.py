"""docs/KUBECTL.md names tests that there are, and every test of that folder."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "tests/engine/apiserver/kubectl"


def test_the_kubectl_table_and_the_tests_tell_the_same() -> None:
    named = set(re.findall(r"`(tests/\S+\.py)::(test_\w+)`", (ROOT / "docs/KUBECTL.md").read_text()))
    for path, test in named:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{test}"
    there = {
        (str(path.relative_to(ROOT)), test)
        for path in (ROOT / FOLDER).glob("test_*.py")
        for test in re.findall(r"^async def (test_\w+)\(", path.read_text(), re.MULTILINE)
    }
    assert there <= named
