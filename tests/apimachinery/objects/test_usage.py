"""What objects count for in quotas."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apimachinery.objects import podresources, usage


def container(
    name: str = "c", *, requests: dict[str, str] | None = None, limits: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    return {"name": name, "resources": {"requests": requests or {}, "limits": limits or {}}, **more}


def numbers(found: dict[str, Decimal]) -> dict[str, float]:
    return {name: float(amount) for name, amount in found.items()}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        pytest.param({"containers": [container(requests={"cpu": "1"}), container(requests={"cpu": "500m"})]}, 1.5, id="containers-add-up"),
        pytest.param({"containers": [container(requests={"cpu": "1"})], "initContainers": [container(requests={"cpu": "3"})]}, 3, id="a-greedy-init-container"),
        pytest.param({"containers": [container(requests={"cpu": "1"})], "initContainers": [container(requests={"cpu": "1"}, restartPolicy="Always"), container(requests={"cpu": "1500m"})]}, 2.5, id="an-init-container-beside-a-sidecar"),
        pytest.param({"containers": [container(requests={"cpu": "1"})], "overhead": {"cpu": "250m"}}, 1.25, id="overhead"),
        pytest.param({"containers": [container(requests={"cpu": "1"})], "resources": {"requests": {"cpu": "2"}}}, 2, id="said-for-the-pod"),
    ],
)  # fmt: skip
def test_a_pod_asks_for_what_it_needs_at_its_worst(spec: dict[str, Any], cpu: float) -> None:
    assert float(podresources.of_pod(spec, "requests")["cpu"]) == cpu


@pytest.mark.parametrize(
    ("resource", "obj", "found"),
    [
        pytest.param(usage.PODS, {"spec": {"containers": [container(requests={"cpu": "1", "x.io/gpu": "2"}, limits={"memory": "1Ki"})]}}, {"count/pods": 1, "pods": 1, "cpu": 1, "requests.cpu": 1, "requests.x.io/gpu": 2, "limits.memory": 1024}, id="pod"),
        pytest.param(usage.PODS, {"spec": {"containers": [container(requests={"cpu": "1"})]}, "status": {"phase": "Succeeded"}}, {"count/pods": 1}, id="pod-that-ended"),
        pytest.param(usage.SERVICES, {"spec": {"type": "NodePort", "ports": [{}, {}]}}, {"count/services": 1, "services": 1, "services.nodeports": 2, "services.loadbalancers": 0}, id="nodeport"),
        pytest.param(usage.SERVICES, {"spec": {"type": "LoadBalancer", "ports": [{}], "allocateLoadBalancerNodePorts": False}}, {"count/services": 1, "services": 1, "services.nodeports": 0, "services.loadbalancers": 1}, id="loadbalancer"),
        pytest.param(usage.CLAIMS, {"metadata": {}, "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Ki"}}}}, {"count/persistentvolumeclaims": 1, "persistentvolumeclaims": 1, "requests.storage": 1024, "fast.storageclass.storage.k8s.io/persistentvolumeclaims": 1, "fast.storageclass.storage.k8s.io/requests.storage": 1024}, id="claim"),
        pytest.param(("apps", "deployments"), {}, {"count/deployments.apps": 1}, id="anything-else"),
    ],
)  # fmt: skip
def test_an_object_counts_for(resource: tuple[str, str], obj: dict[str, Any], found: dict[str, float]) -> None:
    assert numbers(usage.usage_of(resource, obj)) == found


@pytest.mark.parametrize(
    ("scope", "pod", "counted"),
    [
        pytest.param({"scopes": ["Terminating"]}, {"activeDeadlineSeconds": 5}, True, id="terminating"),
        pytest.param({"scopes": ["NotTerminating"]}, {"activeDeadlineSeconds": 5}, False, id="not-terminating"),
        pytest.param({"scopes": ["BestEffort"]}, {"containers": [container()]}, True, id="best-effort"),
        pytest.param({"scopes": ["NotBestEffort"]}, {"containers": [container(limits={"cpu": "1"})]}, True, id="not-best-effort"),
        pytest.param({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}}, {"priorityClassName": "high"}, True, id="priority"),
        pytest.param({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "NotIn", "values": ["high"]}]}}, {"priorityClassName": "high"}, False, id="other-priority"),
    ],
)  # fmt: skip
def test_a_quotas_scopes_say_which_pods_it_counts(scope: dict[str, Any], pod: dict[str, Any], counted: bool) -> None:
    assert usage.in_scope(scope, usage.PODS, {"spec": pod}) is counted


def test_a_scoped_quota_counts_nothing_but_pods() -> None:
    assert not usage.in_scope({"scopes": ["BestEffort"]}, usage.SERVICES, {"spec": {}})


def test_a_quota_on_cpu_wants_every_container_to_say_its_own() -> None:
    pod = {"spec": {"containers": [container("a", requests={"cpu": "1"}), container("b"), container("c")]}}
    assert usage.unspecified({"requests.cpu": "1", "pods": "1"}, pod) == "must specify requests.cpu for: b,c"
    assert usage.unspecified({"pods": "1"}, pod) == ""


def test_the_names_in_a_quota_say_what_must_be_counted() -> None:
    hard = dict.fromkeys(("pods", "requests.cpu", "count/jobs.batch", "services.nodeports", "requests.storage"), "1")
    assert usage.counted_resources(hard) == {usage.PODS, ("batch", "jobs"), usage.SERVICES, usage.CLAIMS}
