"""Leader election as the official Python client does it, between processes that know nothing but the API."""

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from apimachinery.objects.resources import CONFIGMAPS, LEASES
from tests.engine.clients.programs import Program, program
from tests.engine.conftest import RunningEngine

CANDIDATE = str(Path(__file__).with_name("candidate.py"))
ANNOTATION = "control-plane.alpha.kubernetes.io/leader"


async def holder(engine: RunningEngine, kind: str) -> str:
    if kind == "lease":
        return (await engine.client.get(LEASES, "crown", "default"))["spec"]["holderIdentity"]
    lock = await engine.client.get(CONFIGMAPS, "crown", "default")
    return json.loads(lock["metadata"]["annotations"][ANNOTATION])["holderIdentity"]


@pytest.mark.parametrize("kind", ["lease", "configmap"])
async def test_the_second_candidate_leads_once_the_first_was_killed(engine: RunningEngine, kind: str) -> None:
    def candidate(name: str) -> AbstractAsyncContextManager[Program]:
        return program(engine.data_dir / f"{name}.log", engine.kubeconfig, CANDIDATE, kind, name)

    async with candidate("ann") as ann:
        await ann.says("ann leads")
        async with candidate("bob") as bob:
            await bob.says("lease held by ann and has not expired")
            assert await holder(engine, kind) == "ann"
            assert "bob leads" not in bob.said()
            await ann.kill()
            await bob.says("bob leads")
            assert await holder(engine, kind) == "bob"
