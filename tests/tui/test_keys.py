"""The page of keys is made from the bindings and is current; no kind has two actions on one key."""

from collections import Counter
from pathlib import Path

import pytest

from tui.kinds.catalog import lenses
from tui.kinds.lens import Lens
from tui.screens.keypage import page
from tui.screens.keys import ACTION_KEYS, GENERAL_KEYS

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_keys_is_current() -> None:
    assert (ROOT / "docs" / "KEYS.md").read_text() == page(), "run scripts/keys"


@pytest.mark.parametrize("lens", [pytest.param(lens, id=lens.resource.plural) for lens in lenses()])
def test_no_kind_has_two_actions_on_one_key(lens: Lens) -> None:
    keys = Counter(ACTION_KEYS[action].keys for action in lens.actions)
    assert [key for key, times in keys.items() if times > 1] == []
    assert not {key.keys for key in GENERAL_KEYS.values()} & set(keys)


def test_every_test_that_the_parity_table_names_exists() -> None:
    rows = [line for line in (ROOT / "docs" / "PARITY.md").read_text().splitlines() if line.startswith("| ")]
    named = {part for line in rows for part in line.split("`") if part.startswith("tests/")}
    assert len(named) > 5
    for name in named:
        path, _, function = name.partition("::")
        text = (ROOT / path).read_text()
        assert not function or f"def {function}(" in text, name
