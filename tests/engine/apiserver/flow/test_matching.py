"""Which FlowSchema a request belongs to."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.apiserver.flow.matching import Asked, FlowSchema
from engine.apiserver.registry.flowcontrol.bootstrap import FLOW_SCHEMAS, SUGGESTED_SCHEMAS
from engine.apiserver.request import ANONYMOUS, User

EVERYBODY = "system:authenticated"
SCHEMAS = sorted(
    (
        msgspec.convert({"metadata": {"name": name}, "spec": spec}, FlowSchema)
        for name, spec in {**FLOW_SCHEMAS, **SUGGESTED_SCHEMAS}.items()
    ),
    key=lambda schema: schema.rank,
)
NODE = User("system:node:m1", ("system:nodes", EVERYBODY))
MANAGER = User("system:kube-controller-manager", (EVERYBODY,))


def account(namespace: str, name: str = "a") -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", EVERYBODY)
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(Asked(User("root", ("system:masters",)), "get", resource="pods"), "exempt", id="masters"),
        pytest.param(Asked(ANONYMOUS, "get", "/readyz"), "probes", id="probe"),
        pytest.param(Asked(ANONYMOUS, "get", "/healthz/etcd"), "probes", id="one check of a probe"),
        pytest.param(Asked(ANONYMOUS, "get", "/version"), "global-default", id="anonymous"),
        pytest.param(Asked(User("jane", (EVERYBODY,)), "list", resource="pods"), "global-default", id="a person"),
        pytest.param(
            Asked(MANAGER, "update", "", "coordination.k8s.io", "leases", "kube-system"),
            "system-leader-election",
            id="an election",
        ),
        pytest.param(Asked(MANAGER, "update", "", "", "endpoints", "x"), "endpoint-controller", id="endpoints"),
        pytest.param(Asked(MANAGER, "list", "", "", "endpoints"), "kube-controller-manager", id="in all namespaces"),
        pytest.param(
            Asked(account("kube-system"), "get", "", "", "configmaps", "x"),
            "workload-leader-election",
            id="old election",
        ),
        pytest.param(Asked(NODE, "patch", "", "", "nodes/status"), "system-node-high", id="a machine's report"),
        pytest.param(Asked(NODE, "get", "", "", "nodes/proxy"), "system-nodes", id="another subresource"),
        pytest.param(Asked(NODE, "get", "", "", "pods", "x"), "system-nodes", id="a machine"),
        pytest.param(
            Asked(account("kube-system"), "list", "", "apps", "deployments", "x"),
            "kube-system-service-accounts",
            id="a part in a pod",
        ),
        pytest.param(Asked(account("shop"), "list", "", "", "pods", "shop"), "service-accounts", id="an account"),
        pytest.param(
            Asked(User("system:serviceaccount:kube-system2:a", (EVERYBODY,)), "get", resource="pods"),
            "global-default",
            id="a namespace that begins alike",
        ),
    ],
)
def test_the_schemas_of_every_cluster_sort_its_requests(asked: Asked, expected: str) -> None:
    assert next(schema.name for schema in SCHEMAS if schema.fits(asked)) == expected


def schema(**spec: Any) -> FlowSchema:
    return msgspec.convert({"spec": spec}, FlowSchema)


def test_flows_are_told_apart_by_user_or_namespace_or_not_at_all() -> None:
    asked = Asked(User("jane"), "get", resource="pods", namespace="shop")
    by = {kind: schema(distinguisherMethod={"type": kind}).distinguisher(asked) for kind in ("ByUser", "ByNamespace")}
    assert by == {"ByUser": "jane", "ByNamespace": "shop"}
    assert schema().distinguisher(asked) == ""
