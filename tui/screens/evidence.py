"""Gathers what the rules of `tui.kinds.why` look at: few requests, at once; what cannot be read is left out."""

import asyncio
from collections.abc import Iterable
from typing import Any

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects import resources as known
from apimachinery.objects.errors import NotFound, StatusError
from apimachinery.objects.resources import EVENTS, NODES, PODS, Resource
from tui.kinds.sections import event_time
from tui.kinds.why.case import Case
from tui.kinds.why.references import references
from tui.kinds.why.surroundings import backends
from tui.kinds.workload import pods_by_labels, pods_by_selector
from tui.session import Session

JSON = dict[str, Any]
LOG_LINES = 20
LOGS_OF = 3
"""Containers whose last lines are read."""

_KINDS: dict[str, Resource] = {
    "ConfigMap": known.CONFIGMAPS,
    "Secret": known.SECRETS,
    "ServiceAccount": known.SERVICEACCOUNTS,
    "PersistentVolumeClaim": known.PERSISTENTVOLUMECLAIMS,
    "Service": known.SERVICES,
    "EndpointSlice": known.ENDPOINTSLICES,
    "Node": NODES,
}


async def gather(session: Session, resource: Resource, name: str, namespace: str | None) -> Case:
    """Everything around one object. Raises what the server answers to reading the object itself."""
    obj = await session.client.get(resource, name, namespace)
    obj = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
    events, pods, related, logs = await asyncio.gather(
        _events(session, resource, obj), _pods(session, obj), _related(session, obj), _logs(session, obj)
    )
    if pods:
        # The pods' own events say why they do not run; one list for all of them.
        theirs = await _listed(session, EVENTS, namespace, field_selector="involvedObject.kind=Pod,type=Warning")
        names = {pod["metadata"]["name"] for pod in pods}
        events += [event for event in theirs if (event.get("involvedObject") or {}).get("name") in names]
    ordered = tuple(sorted(events, key=event_time))
    return Case(
        obj=obj,
        now=session.now(),
        events=ordered,
        pods=None if pods is None else tuple(pods),
        related=related,
        logs=logs,
    )


async def _events(session: Session, resource: Resource, obj: JSON) -> list[JSON]:
    meta = obj["metadata"]
    about = f"involvedObject.name={meta['name']},involvedObject.kind={resource.kind}"
    return await _listed(session, EVENTS, meta.get("namespace"), field_selector=about)


async def _pods(session: Session, obj: JSON) -> list[JSON] | None:
    if obj["kind"] not in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Service"):
        return None
    target = (pods_by_labels if obj["kind"] == "Service" else pods_by_selector)(obj)
    if target is None:
        return None
    return await _listed(session, PODS, target.namespace, label_selector=target.label_selector)


async def _related(session: Session, obj: JSON) -> dict[str, JSON | None]:
    namespace = obj["metadata"].get("namespace")
    found = await asyncio.gather(*(_one(session, kind, name, namespace) for kind, name in wanted(obj)))
    return {key: one for key, one, known_ in found if known_}


def wanted(obj: JSON) -> list[tuple[str, str]]:
    """(kind, name) of what an object cannot do without."""
    match obj["kind"]:
        case "Pod":
            node = (obj.get("spec") or {}).get("nodeName")
            return [*references(obj), *([("Node", node)] if node else [])]
        case "Deployment" | "StatefulSet" | "DaemonSet":
            return references((obj.get("spec") or {}).get("template") or {})
        case "Ingress":
            return [("Service", name) for name in backends(obj)]
        case _:
            return []


async def _one(session: Session, kind: str, name: str, namespace: str | None) -> tuple[str, JSON | None, bool]:
    """(key, object or None, whether the answer is known)."""
    resource = _KINDS[kind]
    key = f"{kind}/{name}"
    try:
        return key, await session.client.get(resource, name, namespace if resource.namespaced else None), True
    except NotFound as error:
        # A server without the kind says so in other words: that proves nothing about the object.
        return key, None, f'"{name}"' in str(error)
    except (StatusError, ConnectionFailed):
        return key, None, False


async def _logs(session: Session, obj: JSON) -> dict[str, tuple[str, ...]]:
    if obj["kind"] != "Pod":
        return {}
    meta, status = obj["metadata"], obj.get("status") or {}
    statuses: Iterable[JSON] = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    ailing = [one for one in statuses if _ailing(one)][:LOGS_OF]
    path = PODS.path(meta.get("namespace"), meta["name"], "log")

    async def last(one: JSON) -> tuple[str, tuple[str, ...]]:
        query = {"container": one["name"], "tailLines": str(LOG_LINES)}
        if not (one.get("state") or {}).get("terminated") and one.get("restartCount"):
            query["previous"] = "true"
        try:
            body = await session.client.call("GET", path, query=query, timeout=5)
        except (StatusError, ConnectionFailed, TimeoutError):
            return one["name"], ()
        return one["name"], tuple(body.decode("utf-8", "replace").splitlines())

    return dict(await asyncio.gather(*(last(one) for one in ailing)))


def _ailing(status: JSON) -> bool:
    ended = (status.get("state") or {}).get("terminated") or {}
    return bool(ended.get("exitCode")) or (bool(status.get("restartCount")) and not status.get("ready"))


async def _listed(session: Session, resource: Resource, namespace: str | None, **selectors: str) -> list[JSON]:
    try:
        return list((await session.client.list(resource, namespace, limit=500, **selectors)).items)
    except (StatusError, ConnectionFailed):
        return []
