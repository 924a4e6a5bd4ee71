"""IPAddresses and ServiceCIDRs on a real API."""

from typing import Any

import pytest

from apimachinery.objects.errors import AlreadyExists, Invalid, NotFound
from apimachinery.objects.resources import IPADDRESSES, SERVICECIDRS, SERVICES
from engine.runtime.controllers import ControllersConfig
from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import Cluster, eventually, running, service

Json = dict[str, Any]


async def _addresses(cluster: Cluster) -> dict[str, str]:
    """Each managed address, and whose it is."""
    selector = "ipaddress.kubernetes.io/managed-by=ipallocator.k8s.io,ipaddress.kubernetes.io/ip-family=IPv4"
    items = await cluster.items(IPADDRESSES, label_selector=selector)
    return {item["metadata"]["name"]: item["spec"]["parentRef"]["name"] for item in items}


def _at(address: str, name: str = "web") -> Json:
    plain = service(name)
    return {**plain, "spec": {**plain["spec"], "clusterIP": address}}


async def test_each_service_has_its_address_object(engine: RunningEngine, cluster: Cluster) -> None:
    address = (await cluster.client.create(SERVICES, service()))["spec"]["clusterIP"]
    expected = {"10.43.0.1": "kubernetes", "10.43.0.10": "kube-dns", address: "web"}

    async def settled() -> bool:
        return await _addresses(cluster) == expected

    await eventually(settled)
    shown = await engine.kubectl("get", "ipaddress", address)
    assert shown.out.splitlines()[1].split()[:2] == [address, "services/default/web"]
    with pytest.raises(AlreadyExists):
        await cluster.client.create(IPADDRESSES, _held_by_gateway(address))
    await engine.kubectl("delete", "ipaddress", address)
    await eventually(settled)
    await cluster.client.delete(SERVICES, "web", "default")
    # At once, whatever has become of the object.
    await cluster.client.create(SERVICES, _at(address, "other"))
    expected[address] = "other"
    await eventually(settled)


def _held_by_gateway(address: str) -> Json:
    parent = {"group": "gateway.networking.k8s.io", "resource": "gateways", "namespace": "default", "name": "edge"}
    return {"metadata": {"name": address}, "spec": {"parentRef": parent}}


async def test_an_address_that_somebody_else_holds_is_given_to_no_service(cluster: Cluster) -> None:
    await cluster.client.create(IPADDRESSES, _held_by_gateway("10.43.7.7"))
    with pytest.raises(Invalid, match=r"failed to allocate IP 10\.43\.7\.7: provided IP is already allocated"):
        await cluster.client.create(SERVICES, _at("10.43.7.7"))
    await cluster.client.delete(IPADDRESSES, "10.43.7.7")
    await cluster.client.create(SERVICES, _at("10.43.7.7"))


async def test_a_users_network_gives_addresses_and_stays_while_they_are_used(engine: RunningEngine) -> None:
    async with running(engine.api, machines=0, config=ControllersConfig(network_grace=0)) as cluster:
        await _use_and_remove_a_network(engine, cluster)


async def _use_and_remove_a_network(engine: RunningEngine, cluster: Cluster) -> None:
    mismatch = r"failed to allocate IP 10\.77\.0\.5: the provided network does not match the current range"
    with pytest.raises(Invalid, match=mismatch):
        await cluster.client.create(SERVICES, _at("10.77.0.5"))
    await cluster.client.create(SERVICECIDRS, {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.77.0.0/24"]}})
    await engine.kubectl("wait", "--for=condition=Ready", "servicecidr/more", "--timeout=30s")
    await cluster.client.create(SERVICES, _at("10.77.0.5"))

    async def shown() -> bool:
        return (await _addresses(cluster)).get("10.77.0.5") == "web"

    await eventually(shown)
    await engine.kubectl("delete", "servicecidr", "more", "--wait=false")

    async def held_back() -> bool:
        found = await cluster.client.get(SERVICECIDRS, "more")
        (ready,) = found["status"]["conditions"]
        return (ready["status"], ready["reason"]) == ("False", "Terminating")

    await eventually(held_back)
    with pytest.raises(Invalid, match="the provided network does not match the current range"):
        await cluster.client.create(SERVICES, _at("10.77.0.6", "late"))
    # A wider network takes over its addresses.
    await cluster.client.create(SERVICECIDRS, {"metadata": {"name": "wide"}, "spec": {"cidrs": ["10.77.0.0/16"]}})

    async def gone() -> bool:
        try:
            await cluster.client.get(SERVICECIDRS, "more")
        except NotFound:
            return True
        return False

    await eventually(gone)
    await cluster.client.create(SERVICES, _at("10.77.0.6", "late"))
