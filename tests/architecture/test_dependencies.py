"""ARCHITECTURE.md says of each dependency since which version and why; pyproject.toml says the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_REQUIREMENT = re.compile(r"([A-Za-z0-9_.-]+)>=([0-9.]+)")
_ROW = re.compile(r"^\| ([a-z][a-z0-9-]*) \| ([0-9.]+) \| [^|]+ \| [^|]+ \| [0-9.]+ \|$", re.MULTILINE)


def test_the_table_of_dependencies_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required: set[tuple[str, ...]] = set()
    for lines in (project["dependencies"], *project["optional-dependencies"].values()):
        found = [_REQUIREMENT.match(line) for line in lines]
        assert all(found), f"a requirement without a lower bound in {lines}"
        required |= {match.groups() for match in found if match is not None}
    section = (ROOT / "ARCHITECTURE.md").read_text().partition("## What we stand on")[2]
    assert {match.groups() for match in _ROW.finditer(section)} == required
