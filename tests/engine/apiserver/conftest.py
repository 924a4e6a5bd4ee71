"""What tests of the API server share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.apiserver.hooks import Hooks, serve_hooks


@pytest.fixture
async def hooks(tmp_path: Path) -> AsyncIterator[Hooks]:
    """A server of webhooks."""
    async with serve_hooks(tmp_path) as served:
        yield served
