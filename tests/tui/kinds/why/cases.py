"""Objects as the API shows them when something is wrong."""

from typing import Any

from apimachinery.objects.meta import parse_time
from tui.kinds.why.case import Case

JSON = dict[str, Any]
NOW = parse_time("2026-01-01T00:00:00Z").timestamp()
LONG_AGO = "2025-12-31T20:00:00Z"


def warning(reason: str, message: str, *, type_: str = "Warning") -> JSON:
    return {"type": type_, "reason": reason, "message": message, "involvedObject": {"name": "it"}}


def case(kind: str, *, spec: JSON | None = None, status: JSON | None = None, meta: JSON | None = None,
         events: tuple[JSON, ...] = (), **more: Any) -> Case:  # fmt: skip
    obj = {"kind": kind, "metadata": {"name": "it", "namespace": "shop", "creationTimestamp": LONG_AGO, **(meta or {})},
           "spec": spec or {}, "status": status or {}}  # fmt: skip
    return Case(obj=obj, now=NOW, events=events, **more)


def pod(state: JSON | None = None, last: JSON | None = None, *, spec: JSON | None = None, restarts: int = 3,
        phase: str = "Running", **more: Any) -> Case:  # fmt: skip
    status: JSON = {"name": "app", "ready": False, "restartCount": restarts, "state": state or {"running": {}}}
    if last is not None:
        status["lastState"] = {"terminated": last}
    conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}]
    spec = {"nodeName": "m1", "containers": [{"name": "app"}], **(spec or {})}
    return case(
        "Pod", spec=spec, status={"phase": phase, "containerStatuses": [status], "conditions": conditions}, **more
    )


def waits(reason: str, message: str = "", **more: Any) -> Case:
    return pod({"waiting": {"reason": reason, "message": message}}, phase="Pending", **more)


def pulls(message: str) -> Case:
    """As it looks once the back-off has begun: only the event tells why."""
    failed = warning("Failed", f'Failed to pull image "app:1": {message}')
    return waits("ImagePullBackOff", 'Back-off pulling image "app:1"', events=(failed,))


def ended(code: int, reason: str = "Error", **more: Any) -> Case:
    return pod({"waiting": {"reason": "CrashLoopBackOff"}}, {"exitCode": code, "reason": reason}, **more)


def logs(line: str) -> Case:
    return ended(1, logs={"app": ("starting", line)})


def unready(message: str) -> Case:
    return pod(events=(warning("Unhealthy", message),))


def unplaced(message: str, **spec: Any) -> Case:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return case("Pod", spec={"containers": [], **spec}, status={"phase": "Pending", "conditions": [condition]})


def refused(message: str, kind: str = "ReplicaSet") -> Case:
    return case(
        kind,
        spec={"replicas": 2},
        events=(warning("FailedCreate", f'Error creating: pods "it-" is forbidden: {message}'),),
    )


def condition(kind: str, type_: str, status: str, reason: str = "", message: str = "", **spec: Any) -> Case:
    listed = [{"type": type_, "status": status, "reason": reason, "message": message}]
    return case(kind, spec=spec, status={"conditions": listed, "observedGeneration": 1}, meta={"generation": 1})


def claim(reason: str, message: str, *, type_: str = "Warning") -> Case:
    return case("PersistentVolumeClaim", status={"phase": "Pending"}, events=(warning(reason, message, type_=type_),))


def backing(*, ready: bool, port: str = "http") -> JSON:
    return {"metadata": {"name": "web-1"}, "spec": {"containers": [{"name": "web", "ports": [{"name": port}]}]},
            "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}  # fmt: skip


def service(**more: Any) -> Case:
    return case("Service", spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}, **more)
