"""What objects mean where they say nothing: golden pairs, one for every kind that has defaults."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.apiserver.registry.steps import LABELS, POD, SELECTOR, TEMPLATE, created, kind_of

JOB_POD = {"metadata": {"labels": LABELS}, "spec": {**POD, "restartPolicy": "Never"}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
TARGET = {"kind": "Deployment", "name": "web"}
RULE = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
HOOK = {"name": "a.b.c", "sideEffects": "None", "admissionReviewVersions": ["v1"]}


@pytest.mark.parametrize(
    ("group", "version", "kind", "given", "defaulted"),
    [
        pytest.param(
            "apps", "v1", "DaemonSet",
            {"selector": SELECTOR, "template": TEMPLATE},
            {"revisionHistoryLimit": 10, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}},
            id="daemonset",
        ),
        pytest.param(
            "apps", "v1", "StatefulSet",
            {"selector": SELECTOR, "template": TEMPLATE},
            {
                "podManagementPolicy": "OrderedReady", "replicas": 1, "revisionHistoryLimit": 10,
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "partition": 0}},
            },
            id="statefulset",
        ),
        pytest.param(
            "apps", "v1", "StatefulSet",
            {"selector": SELECTOR, "template": TEMPLATE, "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": CLAIM}]},
            {"volumeClaimTemplates": [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "d"}, "spec": {**CLAIM, "volumeMode": "Filesystem"}, "status": {"phase": "Pending"}}]},
            id="claims-of-a-statefulset",
        ),
        pytest.param(
            "batch", "v1", "Job", {"template": JOB_POD},
            {"backoffLimit": 6, "completionMode": "NonIndexed", "completions": 1, "parallelism": 1, "podReplacementPolicy": "TerminatingOrFailed", "suspend": False},
            id="job",
        ),
        pytest.param("batch", "v1", "Job", {"template": JOB_POD, "parallelism": 3}, {"parallelism": 3, "completions": None}, id="work-queue-job"),
        pytest.param(
            "batch", "v1", "Job",
            {"template": JOB_POD, "completions": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 1},
            {"backoffLimit": 2147483647, "parallelism": 1},
            id="job-with-a-limit-per-index",
        ),
        pytest.param(
            "batch", "v1", "Job",
            {"template": JOB_POD, "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}},
            {"podReplacementPolicy": "Failed", "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}},
            id="job-with-a-failure-policy",
        ),
        pytest.param(
            "batch", "v1", "CronJob", {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": JOB_POD}}},
            {"concurrencyPolicy": "Allow", "failedJobsHistoryLimit": 1, "successfulJobsHistoryLimit": 3, "suspend": False},
            id="cronjob",
        ),
        pytest.param("", "v1", "ReplicationController", {"template": TEMPLATE}, {"replicas": 1, "selector": LABELS}, id="replicationcontroller"),
        pytest.param("", "v1", "PersistentVolumeClaim", CLAIM, {"volumeMode": "Filesystem"}, id="claim"),
        pytest.param(
            "", "v1", "PersistentVolume",
            {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}},
            {"hostPath": {"path": "/x", "type": ""}, "persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"},
            id="volume",
        ),
        pytest.param(
            "", "v1", "LimitRange",
            {"limits": [{"type": "Container", "max": {"cpu": "1"}, "min": {"memory": "1Mi"}}]},
            {"limits": [{"type": "Container", "max": {"cpu": "1"}, "min": {"memory": "1Mi"}, "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1", "memory": "1Mi"}}]},
            id="limitrange",
        ),
        pytest.param(
            "autoscaling", "v2", "HorizontalPodAutoscaler", {"scaleTargetRef": TARGET, "maxReplicas": 3},
            {"minReplicas": 1, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]},
            id="autoscaler",
        ),
        pytest.param(
            "autoscaling", "v2", "HorizontalPodAutoscaler",
            {"scaleTargetRef": TARGET, "maxReplicas": 3, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 9}}},
            {"behavior": {
                "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]},
                "scaleDown": {"stabilizationWindowSeconds": 9, "selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
            }},
            id="autoscaler-behavior",
        ),
        pytest.param("networking.k8s.io", "v1", "NetworkPolicy", {"podSelector": {}}, {"policyTypes": ["Ingress"]}, id="networkpolicy"),
        pytest.param(
            "networking.k8s.io", "v1", "NetworkPolicy", {"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]},
            {"policyTypes": ["Ingress", "Egress"], "egress": [{"ports": [{"port": 53, "protocol": "TCP"}]}]},
            id="networkpolicy-with-egress",
        ),
        pytest.param(
            "storage.k8s.io", "v1", "CSIDriver", {},
            {"attachRequired": True, "fsGroupPolicy": "ReadWriteOnceWithFSType", "podInfoOnMount": False, "requiresRepublish": False, "seLinuxMount": False, "storageCapacity": False, "volumeLifecycleModes": ["Persistent"]},
            id="csidriver",
        ),
        pytest.param(
            "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy",
            {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}]},
            {"failurePolicy": "Fail", "matchConstraints": {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}, "resourceRules": [{**RULE, "scope": "*"}]}},
            id="admission-policy",
        ),
    ],
)  # fmt: skip
def test_a_spec_gets_upstreams_defaults(
    group: str, version: str, kind: str, given: dict[str, Any], defaulted: dict[str, Any]
) -> None:
    spec = created(kind_of(group, kind, version), {"spec": given})["spec"]
    assert {field: spec.get(field) for field in defaulted} == defaulted


@pytest.mark.parametrize(
    ("group", "kind", "given", "defaulted"),
    [
        pytest.param("storage.k8s.io", "StorageClass", {"provisioner": "x.io/y"}, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}, id="storageclass"),
        pytest.param("scheduling.k8s.io", "PriorityClass", {"value": 5}, {"preemptionPolicy": "PreemptLowerPriority"}, id="priorityclass"),
        pytest.param(
            "admissionregistration.k8s.io", "MutatingWebhookConfiguration",
            {"webhooks": [{**HOOK, "clientConfig": {"service": {"name": "s", "namespace": "n"}}, "rules": [RULE]}]},
            {"webhooks": [{
                **HOOK, "clientConfig": {"service": {"name": "s", "namespace": "n", "port": 443}}, "rules": [{**RULE, "scope": "*"}],
                "failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}, "reinvocationPolicy": "Never", "timeoutSeconds": 10,
            }]},
            id="webhook",
        ),
        pytest.param("", "Endpoints", {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]}, {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80, "protocol": "TCP"}]}]}, id="endpoints"),
    ],
)  # fmt: skip
def test_a_kind_without_a_spec_gets_upstreams_defaults(
    group: str, kind: str, given: dict[str, Any], defaulted: dict[str, Any]
) -> None:
    obj = created(kind_of(group, kind), given)
    assert {field: obj[field] for field in defaulted} == defaulted


def test_a_job_owns_its_pods_by_a_selector_of_its_own() -> None:
    job = created(kind_of("batch", "Job"), {"spec": {"template": JOB_POD}})
    uid = job["metadata"]["uid"]
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert job["spec"]["template"]["metadata"]["labels"] == {
        **LABELS,
        "job-name": "x",
        "batch.kubernetes.io/job-name": "x",
        "controller-uid": uid,
        "batch.kubernetes.io/controller-uid": uid,
    }
    assert job["metadata"]["labels"] == LABELS


def test_no_status_comes_in_by_a_create() -> None:
    for group, kind, spec in (
        ("apps", "DaemonSet", {"selector": SELECTOR, "template": TEMPLATE}),
        ("batch", "Job", {"template": JOB_POD}),
        ("policy", "PodDisruptionBudget", {}),
        ("", "ResourceQuota", {}),
    ):
        obj = created(kind_of(group, kind), {"spec": spec, "status": {"conditions": [{"type": "Mine"}]}})
        assert "conditions" not in obj["status"]
