"""Which Leases a machine's agent may write: its own, and those by which machines agree who answers for an address."""

import pytest

from apimachinery.client.client import Client
from apimachinery.objects.errors import Forbidden
from apimachinery.objects.resources import LEASES
from engine.apiserver.inprocess import InProcessTransport
from engine.apiserver.request import User
from tests.engine.conftest import RunningEngine

NAMESPACE = "kube-node-lease"


def agent(engine: RunningEngine, node: str) -> Client:
    user = User(f"system:node:{node}", ("system:nodes", "system:authenticated"))
    return Client(InProcessTransport(engine.api.pipe, user))


def lease(name: str, namespace: str = NAMESPACE) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"holderIdentity": "m1"}}


async def test_a_balanced_services_lease_is_every_machines(engine: RunningEngine) -> None:
    first, second = agent(engine, "m1"), agent(engine, "m2")
    await first.create(LEASES, lease("loadbalancer-1"), NAMESPACE)
    await second.patch(LEASES, "loadbalancer-1", {"spec": {"holderIdentity": "m2"}}, NAMESPACE)
    assert (await first.get(LEASES, "loadbalancer-1", NAMESPACE))["spec"]["holderIdentity"] == "m2"
    await first.delete(LEASES, "loadbalancer-1", NAMESPACE)


async def test_another_machines_own_lease_is_not(engine: RunningEngine) -> None:
    first, second = agent(engine, "m1"), agent(engine, "m2")
    await first.create(LEASES, lease("m1"), NAMESPACE)
    with pytest.raises(Forbidden):
        await second.patch(LEASES, "m1", {"spec": {"holderIdentity": "m2"}}, NAMESPACE)
    with pytest.raises(Forbidden):
        await second.create(LEASES, lease("m3"), NAMESPACE)
    with pytest.raises(Forbidden):
        await first.create(LEASES, lease("loadbalancer-1", "default"), "default")
