"""Objects as the controllers see them, made from the few facts a test cares about."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from apimachinery.objects.meta import ObjectMeta, OwnerReference, format_time
from apimachinery.objects.taints import Taint, Toleration
from engine.controllers.deployment.views import Deployment, DeploymentSpec, DeploymentStatus, RollingUpdate, Strategy
from engine.controllers.views import (
    Condition,
    Container,
    Node,
    NodeCondition,
    NodeSpec,
    NodeStatus,
    Pod,
    PodSpec,
    PodStatus,
    ReplicaSet,
    ReplicaSetSpec,
    ReplicaSetStatus,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> str:
    return format_time(NOW - timedelta(seconds=seconds))


def template(image: str = "nginx:1", **labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "web", **labels}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def raw(document: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(document))


def owned_by(kind: str, uid: str, name: str = "", *, block: bool = True) -> OwnerReference:
    groups = {"apps/v1": ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"), "batch/v1": ("CronJob", "Job")}
    group = next((group for group, kinds in groups.items() if kind in kinds), "v1")
    return OwnerReference(
        api_version=group, kind=kind, name=name or uid, uid=uid, controller=True, block_owner_deletion=block
    )


def pod(
    name: str = "p",
    *,
    owner: OwnerReference | None = None,
    labels: dict[str, str] | None = None,
    phase: str = "Running",
    ready: bool = True,
    ready_for: float = 60,
    age: float = 60,
    node: str = "m1",
    ip: str = "10.42.0.2",
    deleting: bool = False,
    annotations: dict[str, str] | None = None,
    tolerations: tuple[Toleration, ...] = (),
    containers: tuple[Container, ...] = (),
    conditions: tuple[Condition, ...] = (),
    uid: str = "",
    **spec: Any,
) -> Pod:
    readiness = Condition(type="Ready", status="True" if ready else "False", last_transition_time=ago(ready_for))
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=uid or f"uid-{name}",
            resource_version="7",
            labels={"app": "web"} if labels is None else labels,
            annotations=annotations or {},
            creation_timestamp=ago(age),
            deletion_timestamp=ago(0) if deleting else None,
            owner_references=(owner,) if owner else (),
        ),
        spec=PodSpec(node_name=node, tolerations=tolerations, containers=containers, **spec),
        status=PodStatus(phase=phase, pod_ip=ip, conditions=(readiness, *conditions)),
    )


def replica_set(
    name: str = "web-1",
    *,
    replicas: int = 3,
    available: int | None = None,
    image: str = "nginx:1",
    owner: OwnerReference | None = None,
    annotations: dict[str, str] | None = None,
    age: float = 60,
    min_ready_seconds: int = 0,
    status: ReplicaSetStatus | None = None,
    deleting: bool = False,
    labels: dict[str, str] | None = None,
) -> ReplicaSet:
    """`available` pods are ready and available; by default all are, and the status is settled."""
    up = replicas if available is None else available
    return ReplicaSet(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=f"uid-{name}",
            resource_version="5",
            generation=1,
            labels={"app": "web"} if labels is None else labels,
            annotations=annotations or {},
            creation_timestamp=ago(age),
            deletion_timestamp=ago(0) if deleting else None,
            owner_references=(owner,) if owner else (),
        ),
        spec=ReplicaSetSpec(
            replicas=replicas,
            min_ready_seconds=min_ready_seconds,
            selector={"matchLabels": {"app": "web"}},
            template=raw(template(image, **{"pod-template-hash": name})),
        ),
        status=status
        or ReplicaSetStatus(
            replicas=replicas,
            fully_labeled_replicas=replicas,
            ready_replicas=up,
            available_replicas=up,
            terminating_replicas=0,
            observed_generation=1,
        ),
    )


def deployment(
    name: str = "web",
    *,
    replicas: int = 3,
    image: str = "nginx:1",
    surge: int | str = "25%",
    unavailable: int | str = "25%",
    recreate: bool = False,
    deadline: int | None = 600,
    history: int | None = 10,
    paused: bool = False,
    annotations: dict[str, str] | None = None,
    status: DeploymentStatus | None = None,
    min_ready_seconds: int = 0,
    deleting: bool = False,
) -> Deployment:
    strategy = Strategy(type="Recreate") if recreate else Strategy(rolling_update=RollingUpdate(surge, unavailable))
    return Deployment(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=f"uid-{name}",
            resource_version="9",
            generation=2,
            annotations=annotations or {},
            deletion_timestamp=ago(0) if deleting else None,
        ),
        spec=DeploymentSpec(
            replicas=replicas,
            selector={"matchLabels": {"app": "web"}},
            template=raw(template(image)),
            strategy=strategy,
            min_ready_seconds=min_ready_seconds,
            paused=paused,
            progress_deadline_seconds=deadline,
            revision_history_limit=history,
        ),
        status=status or DeploymentStatus(),
    )


def node(
    name: str = "m1",
    *,
    ready: str | None = "True",
    taints: tuple[Taint, ...] = (),
    unschedulable: bool = False,
    pod_cidr: str = "",
    age: float = 60,
    conditions: tuple[NodeCondition, ...] = (),
    labels: dict[str, str] | None = None,
) -> Node:
    readiness = () if ready is None else (NodeCondition(type="Ready", status=ready, reason="KubeletReady"),)
    return Node(
        metadata=ObjectMeta(
            name=name, uid=f"uid-{name}", resource_version="3", creation_timestamp=ago(age), labels=labels or {}
        ),
        spec=NodeSpec(
            taints=taints,
            unschedulable=unschedulable,
            pod_cidr=pod_cidr,
            pod_cidrs=(pod_cidr,) if pod_cidr else (),
        ),
        status=NodeStatus(conditions=(*readiness, *conditions)),
    )
