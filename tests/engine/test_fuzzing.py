"""A fixed share of scripts/fuzz: garbage is refused with reasons, and leaves nothing behind."""

from __future__ import annotations

import pytest

from scripts.fuzzing.running import run

_REQUESTS = 2500
_MEMORY_MB = 60


@pytest.mark.slow
async def test_garbage_gets_refusals_and_leaves_a_healthy_engine() -> None:
    report = await run(20260701, range(_REQUESTS))
    assert [str(finding) for finding in report.findings] == []
    assert sum(report.statuses.values()) >= _REQUESTS
    assert {200, 201, 400, 403, 404, 405, 406, 409, 415, 422} <= set(report.statuses)
    assert report.memory[-1] - report.memory[0] < _MEMORY_MB
