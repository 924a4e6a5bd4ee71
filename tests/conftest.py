"""How tests are shared out among the processes that run them, and how hypothesis chooses."""

import os

import hypothesis
import pytest

# The same examples on each run, so that a change is blamed for what it broke; with HYPOTHESIS_PROFILE=search, new ones.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests stay together, so that what its fixtures start is started once. Labs go first and one after another.

    Two labs at a time would not disturb each other, but both would be slow; and they take longest.
    """
    items.sort(key=_is_elsewhere)
    for item in items:
        group = item.location[0] if _is_elsewhere(item) else "lab"
        item.add_marker(pytest.mark.xdist_group(group))


def _is_elsewhere(item: pytest.Item) -> bool:
    return item.get_closest_marker("lab") is None
