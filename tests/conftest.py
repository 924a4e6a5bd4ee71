"""How tests are shared out among the processes that run them, and how hypothesis chooses."""

import os
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_ROOT = Path(__file__).parent.parent
_LABS = "labs"

# The same examples on each run, so that a change is blamed for what it broke; with HYPOTHESIS_PROFILE=search, new ones.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Labs go first, for they take longest."""
    items.sort(key=lambda item: _group(item.location[0]) != _LABS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _ByFile(config, log)


class _ByFile(LoadScopeScheduling):
    """A file's tests stay together, so that what its fixtures start is started once; and all labs one after another.

    Two labs at a time would not disturb each other, but each would be slow.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid.partition("::")[0])


@cache
def _group(file: str) -> str:
    return _LABS if "pytest.mark.lab" in (_ROOT / file).read_text(encoding="utf-8") else file
