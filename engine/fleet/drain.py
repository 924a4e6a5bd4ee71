"""Emptying a node: no new pods, and those that are there are asked to leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from apimachinery.client.client import Client
from apimachinery.objects.errors import MethodNotAllowed, NotFound, StatusError, TooManyRequests
from apimachinery.objects.meta import Object, controller_of, key
from apimachinery.objects.resources import NODES, PODS
from engine.fleet.errors import FleetError

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
_POLL_SECONDS = 0.5


class _PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = ""


class PodView(Object, frozen=True, rename="camel"):
    """A Pod as far as draining cares."""

    status: _PodStatus = _PodStatus()


async def cordon(client: Client, node: str, *, unschedulable: bool = True) -> None:
    """Keep the scheduler from placing pods on a node, or allow it again."""
    await client.patch(NODES, node, {"spec": {"unschedulable": unschedulable or None}})


async def drain(
    client: Client, node: str, *, seconds: float = 300.0, said: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Cordon a node and evict its pods; the keys of those evicted, once they are gone.

    Pods of daemon sets and static pods stay, for they would only come back. Raises FleetError naming the pods that
    are still there when the time is up.
    """
    await cordon(client, node)
    evicted: set[str] = set()
    try:
        async with asyncio.timeout(seconds):
            while waiting := leaving(await pods_on(client, node)):
                for pod in waiting:
                    if pod.metadata.deletion_timestamp is None and await _evict(client, pod):
                        evicted.add(key(pod))
                        said(key(pod))
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        names = ", ".join(sorted(key(pod) for pod in leaving(await pods_on(client, node))))
        raise FleetError(f"node {node} is not empty after {seconds:.0f} s: {names}") from error
    return sorted(evicted)


def leaving(pods: list[PodView]) -> list[PodView]:
    """The pods that a drain moves away."""
    return [pod for pod in pods if not _stays(pod)]


def _stays(pod: PodView) -> bool:
    if MIRROR_ANNOTATION in pod.metadata.annotations:
        return True
    controller = controller_of(pod.metadata)
    return controller is not None and controller.kind == "DaemonSet"


async def pods_on(client: Client, node: str) -> list[PodView]:
    """All pods bound to a node."""
    page = await client.list(PODS, view=PodView, field_selector=f"spec.nodeName={node}")
    return page.items


async def _evict(client: Client, pod: PodView) -> bool:
    """Whether the pod is on its way out; False when a disruption budget says not now."""
    namespace, name = pod.metadata.namespace, pod.metadata.name
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    path = PODS.path(namespace, name, "eviction")
    try:
        await client.call(
            "POST", path, body=msgspec.json.encode(eviction), headers={"Content-Type": "application/json"}
        )
    except TooManyRequests:
        return False
    except (MethodNotAllowed, NotFound):
        await _delete(client, namespace, name, pod.metadata.uid)
    return True


async def _delete(client: Client, namespace: str, name: str, uid: str) -> None:
    """For API servers without evictions; a 404 there may mean the pod as well as the path."""
    try:
        await client.delete(PODS, name, namespace, uid=uid)
    except StatusError as error:
        if error.code not in (404, 409):
            raise
