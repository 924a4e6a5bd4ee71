"""What is refused, in upstream's words and with its paths."""

from __future__ import annotations

from typing import Any

import pytest

from apimachinery.objects.errors import Forbidden, Invalid
from engine.apiserver.registry.kind import Context
from tests.engine.apiserver.registry.steps import (
    LABELS,
    NOW,
    POD,
    SELECTOR,
    TEMPLATE,
    created,
    kind_of,
    refusal,
    updated,
)

NEVER = {**POD, "restartPolicy": "Never"}
JOB = {"template": {"spec": NEVER}}
CRON = {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}
SET = {"selector": SELECTOR, "template": TEMPLATE}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
VOLUME = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}}
HPA = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3}
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
RULES = {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}
HOOK = {"name": "a.b.c", "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://x"}}


def path(**entry: Any) -> dict[str, Any]:
    return {"rules": [{"http": {"paths": [{"pathType": "Prefix", "path": "/", "backend": BACKEND, **entry}]}}]}


def policy(**rule: Any) -> dict[str, Any]:
    return {**JOB, "podFailurePolicy": {"rules": [rule]}}


@pytest.mark.parametrize(
    ("group", "kind", "spec", "message"),
    [
        pytest.param("apps", "DaemonSet", {"template": TEMPLATE}, "spec.selector: Required value", id="daemonset-selector"),
        pytest.param("apps", "DaemonSet", {**SET, "selector": {}}, "spec.selector: Invalid value: {}: empty selector is invalid for daemonset", id="daemonset-empty-selector"),
        pytest.param("apps", "DaemonSet", {**SET, "selector": {"matchLabels": {"a": "b"}}}, "`selector` does not match template `labels`", id="daemonset-selector-match"),
        pytest.param("apps", "DaemonSet", {**SET, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}}, "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero", id="daemonset-surge"),
        pytest.param("apps", "DaemonSet", {**SET, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}}, "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0", id="daemonset-nothing"),
        pytest.param("apps", "StatefulSet", {**SET, "podManagementPolicy": "Fast"}, "spec.podManagementPolicy: Invalid value: \"Fast\": must be 'OrderedReady' or 'Parallel'", id="statefulset-management"),
        pytest.param("apps", "StatefulSet", {**SET, "updateStrategy": {"type": "OnDelete", "rollingUpdate": {}}}, "spec.updateStrategy.rollingUpdate: Invalid value: {}: only allowed for updateStrategy 'RollingUpdate'", id="statefulset-ondelete"),
        pytest.param("apps", "StatefulSet", {**SET, "replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0", id="statefulset-replicas"),
        pytest.param("apps", "StatefulSet", {**SET, "persistentVolumeClaimRetentionPolicy": {"whenScaled": "x"}}, 'whenScaled: Unsupported value: "x": supported values: "Delete", "Retain"', id="statefulset-retention"),
        pytest.param("batch", "Job", {"template": {"spec": POD}}, 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"', id="job-restart-policy"),
        pytest.param("batch", "Job", {**JOB, "parallelism": -1}, "spec.parallelism: Invalid value: -1: must be greater than or equal to 0", id="job-parallelism"),
        pytest.param("batch", "Job", {**JOB, "completionMode": "Indexed", "parallelism": 2}, "spec.completions: Required value: when completion mode is Indexed", id="job-indexed"),
        pytest.param("batch", "Job", {**JOB, "backoffLimitPerIndex": 1}, "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode", id="job-per-index"),
        pytest.param("batch", "Job", {**JOB, "selector": {"matchLabels": {"a": "b"}}}, "spec.selector: Invalid value: ", id="job-selector"),
        pytest.param("batch", "Job", policy(action="FailJob"), "specifying one of OnExitCodes and OnPodConditions is required", id="job-failure-rule"),
        pytest.param("batch", "Job", policy(action="FailJob", onExitCodes={"operator": "In", "values": [0]}), "onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator", id="job-exit-code"),
        pytest.param("batch", "Job", {**JOB, "successPolicy": {"rules": [{"succeededCount": 1}]}}, "requires indexed completion mode", id="job-success-policy"),
        pytest.param("batch", "CronJob", {**CRON, "schedule": ""}, "spec.schedule: Required value", id="cronjob-schedule"),
        pytest.param("batch", "CronJob", {**CRON, "schedule": "60 * * * *"}, 'spec.schedule: Invalid value: "60 * * * *": end of range (60) above maximum (59): 60', id="cronjob-minute"),
        pytest.param("batch", "CronJob", {**CRON, "schedule": "TZ=UTC * * * * *"}, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead", id="cronjob-tz"),
        pytest.param("batch", "CronJob", {**CRON, "timeZone": "Mars/Base"}, 'spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base', id="cronjob-zone"),
        pytest.param("batch", "CronJob", {**CRON, "concurrencyPolicy": "x"}, 'spec.concurrencyPolicy: Unsupported value: "x": supported values: "Allow", "Forbid", "Replace"', id="cronjob-policy"),
        pytest.param("batch", "CronJob", {**CRON, "jobTemplate": {"spec": {"template": {"spec": POD}}}}, 'spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"', id="cronjob-template"),
        pytest.param("policy", "PodDisruptionBudget", {"minAvailable": 1, "maxUnavailable": 1}, "minAvailable and maxUnavailable cannot be both set", id="budget-both"),
        pytest.param("policy", "PodDisruptionBudget", {"minAvailable": "101%"}, 'spec.minAvailable: Invalid value: "101%": must not be greater than 100%', id="budget-share"),
        pytest.param("", "ReplicationController", {"replicas": 1, "template": {"spec": POD}}, "spec.selector: Required value", id="replicationcontroller-selector"),
        pytest.param("", "ResourceQuota", {"hard": {"bananas": "1"}}, 'spec.hard[bananas]: Invalid value: "bananas": must be a standard resource for quota', id="quota-resource"),
        pytest.param("", "ResourceQuota", {"hard": {"pods": "1500m"}}, 'spec.hard[pods]: Invalid value: "1500m": must be an integer', id="quota-integer"),
        pytest.param("", "ResourceQuota", {"hard": {"services": "1"}, "scopes": ["BestEffort"]}, "unsupported scope applied to resource", id="quota-scope"),
        pytest.param("", "ResourceQuota", {"hard": {"pods": "1"}, "scopes": ["Terminating", "NotTerminating"]}, "conflicting scopes", id="quota-conflict"),
        pytest.param("", "LimitRange", {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]}, 'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1', id="limitrange-min"),
        pytest.param("", "LimitRange", {"limits": [{"type": "Pod", "default": {"cpu": "1"}}]}, "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'", id="limitrange-pod"),
        pytest.param("", "PersistentVolumeClaim", {"accessModes": []}, "spec.accessModes: Required value: at least 1 access mode is required", id="claim-modes"),
        pytest.param("", "PersistentVolumeClaim", {"accessModes": ["ReadWriteOnce"]}, "spec.resources[storage]: Required value", id="claim-size"),
        pytest.param("", "PersistentVolumeClaim", {**CLAIM, "accessModes": ["RWO"]}, 'spec.accessModes: Unsupported value: "RWO"', id="claim-mode"),
        pytest.param("", "PersistentVolume", {key: VOLUME[key] for key in ("accessModes", "capacity")}, "spec: Required value: must specify a volume type", id="volume-source"),
        pytest.param("", "PersistentVolume", {**VOLUME, "nfs": {"server": "s", "path": "/"}}, "spec.nfs: Forbidden: may not specify more than 1 volume type", id="volume-sources"),
        pytest.param("", "PersistentVolume", {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "local": {"path": "/x"}}, "spec.nodeAffinity: Required value: Local volume requires node affinity", id="volume-local"),
        pytest.param("networking.k8s.io", "Ingress", {}, "either `defaultBackend` or `rules` must be specified", id="ingress-empty"),
        pytest.param("networking.k8s.io", "Ingress", path(pathType=None), "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified", id="ingress-path-type"),
        pytest.param("networking.k8s.io", "Ingress", path(path="x"), 'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path', id="ingress-path"),
        pytest.param("networking.k8s.io", "Ingress", path(backend={"service": {"name": "s"}}), "spec.rules[0].http.paths[0].backend: Required value: port name or number is required", id="ingress-port"),
        pytest.param("networking.k8s.io", "Ingress", {"rules": [{"host": "1.2.3.4"}]}, 'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address', id="ingress-host"),
        pytest.param("networking.k8s.io", "IngressClass", {"controller": "nginx"}, 'must be a domain-prefixed path (such as "acme.io/foo")', id="ingressclass"),
        pytest.param("networking.k8s.io", "NetworkPolicy", {"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/9"]}}]}]}, "must be a strict subset of `cidr`", id="networkpolicy-except"),
        pytest.param("networking.k8s.io", "NetworkPolicy", {"ingress": [{"from": [{}]}]}, "spec.ingress[0].from[0]: Required value: must specify a peer", id="networkpolicy-peer"),
        pytest.param("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", {"validations": [{"expression": "true"}]}, "spec.matchConstraints: Required value", id="policy-match"),
        pytest.param("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", {"matchConstraints": RULES}, "spec.validations: Required value: validations or auditAnnotations must be specified", id="policy-empty"),
        pytest.param("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", {"policyName": "p"}, "spec.validationActions: Required value: at least one validation action is required", id="binding-actions"),
    ],
)  # fmt: skip
def test_a_broken_spec_is_named_in_upstreams_words(group: str, kind: str, spec: dict[str, Any], message: str) -> None:
    given = {"spec": _without_none(spec)}
    assert message in refusal(kind_of(group, kind), given)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(part) for key, part in value.items() if part is not None}
    return [_without_none(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("group", "kind", "obj", "message"),
    [
        pytest.param("apps", "ControllerRevision", {"revision": 1}, "data: Required value: data is mandatory", id="revision-data"),
        pytest.param("storage.k8s.io", "StorageClass", {}, "provisioner: Required value", id="storageclass"),
        pytest.param("storage.k8s.io", "StorageClass", {"provisioner": "a", "reclaimPolicy": "Recycle"}, 'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"', id="reclaim-policy"),
        pytest.param("scheduling.k8s.io", "PriorityClass", {"value": 1_000_000_001}, "value: Forbidden: maximum allowed value of a user defined priority is 1000000000", id="priority"),
        pytest.param("node.k8s.io", "RuntimeClass", {"handler": "A"}, 'handler: Invalid value: "A": a lowercase RFC 1123 label', id="handler"),
        pytest.param("", "Endpoints", {"subsets": [{}]}, "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`", id="subset"),
        pytest.param("", "Endpoints", {"subsets": [{"addresses": [{"ip": "x"}]}]}, 'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address', id="address"),
        pytest.param("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", {"webhooks": [{**HOOK, "name": "a"}]}, 'webhooks[0].name: Invalid value: "a": should be a domain with at least three segments separated by dots', id="webhook-name"),
        pytest.param("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", {"webhooks": [{**HOOK, "sideEffects": None}]}, "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun", id="webhook-effects"),
        pytest.param("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", {"webhooks": [{**HOOK, "timeoutSeconds": 31}]}, "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds", id="webhook-timeout"),
        pytest.param("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", {"webhooks": [{**HOOK, "clientConfig": {}}]}, "webhooks[0].clientConfig: Required value: exactly one of url or service is required", id="webhook-client"),
    ],
)  # fmt: skip
def test_a_broken_object_is_named_in_upstreams_words(group: str, kind: str, obj: dict[str, Any], message: str) -> None:
    assert message in refusal(kind_of(group, kind), _without_none(obj))


@pytest.mark.parametrize("metric", [{"type": "Resource"}, {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}], ids=["no-source", "no-target"])  # fmt: skip
def test_an_autoscaler_needs_whole_metrics(metric: dict[str, Any]) -> None:
    assert "spec.metrics[0].resource" in refusal(
        kind_of("autoscaling", "HorizontalPodAutoscaler", "v2"), {"spec": {**HPA, "metrics": [metric]}}
    )


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_autoscaler_needs_sensible_bounds(version: str) -> None:
    kind = kind_of("autoscaling", "HorizontalPodAutoscaler", version)
    assert "must be greater than or equal to `minReplicas`" in refusal(kind, {"spec": {**HPA, "minReplicas": 4}})
    assert "spec.scaleTargetRef.name: Required value" in refusal(
        kind, {"spec": {**HPA, "scaleTargetRef": {"kind": "Deployment"}}}
    )


def test_a_cronjobs_name_leaves_room_for_its_jobs() -> None:
    cronjob = {"metadata": {"name": "a" * 53}, "spec": CRON}
    assert "must be no more than 52 characters" in refusal(kind_of("batch", "CronJob"), cronjob)


@pytest.mark.parametrize(
    ("group", "kind", "obj", "change", "message"),
    [
        pytest.param("apps", "DaemonSet", {"spec": SET}, {"selector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}, "spec.selector: Invalid value: .*field is immutable", id="daemonset-selector"),
        pytest.param("apps", "StatefulSet", {"spec": SET}, {"serviceName": "other"}, "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden", id="statefulset"),
        pytest.param("batch", "Job", {"spec": JOB}, {"completions": 5}, "spec.completions: Invalid value: 5: field is immutable", id="job-completions"),
        pytest.param("batch", "Job", {"spec": {**JOB, "completionMode": "Indexed", "completions": 2, "parallelism": 2}}, {"completions": 3}, "can only be modified in tandem with spec.parallelism", id="elastic-job"),
        pytest.param("apps", "ControllerRevision", {"data": {}, "revision": 1}, {"data": {"a": 1}}, "data: Invalid value: .*field is immutable", id="revision"),
        pytest.param("", "PersistentVolumeClaim", {"spec": CLAIM}, {"accessModes": ["ReadWriteMany"]}, "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims", id="claim"),
        pytest.param("", "PersistentVolume", {"spec": VOLUME}, {"hostPath": {"path": "/y"}}, "spec.persistentvolumesource is immutable after creation", id="volume"),
        pytest.param("", "ResourceQuota", {"spec": {"hard": {"pods": "1"}}}, {"scopes": ["BestEffort"]}, "spec.scopes: Invalid value: .*field is immutable", id="quota"),
        pytest.param("storage.k8s.io", "StorageClass", {"provisioner": "a"}, {"provisioner": "b"}, "provisioner: Forbidden: updates to provisioner are forbidden.", id="storageclass"),
        pytest.param("scheduling.k8s.io", "PriorityClass", {"value": 1}, {"value": 2}, "value: Forbidden: may not be changed in an update.", id="priorityclass"),
        pytest.param("node.k8s.io", "RuntimeClass", {"handler": "a"}, {"handler": "b"}, 'handler: Invalid value: "b": field is immutable', id="runtimeclass"),
        pytest.param("networking.k8s.io", "IngressClass", {"spec": {"controller": "a.b/c"}}, {"controller": "a.b/d"}, "spec.controller: Invalid value: .*field is immutable", id="ingressclass"),
    ],
)  # fmt: skip
def test_what_may_not_change_does_not(
    group: str, kind: str, obj: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    found = kind_of(group, kind)
    old = created(found, obj)
    with pytest.raises(Invalid, match=message):
        updated(found, old, change)


def test_the_pods_of_a_job_may_be_placed_anew_until_it_starts() -> None:
    job = kind_of("batch", "Job")
    waiting = created(job, {"spec": {**JOB, "suspend": True}})
    template = {**waiting["spec"]["template"], "spec": {**waiting["spec"]["template"]["spec"], "nodeSelector": LABELS}}
    assert updated(job, waiting, {"template": template})["spec"]["template"]["spec"]["nodeSelector"] == LABELS
    started = {**waiting, "status": {"startTime": "2026-01-01T00:00:00Z"}}
    with pytest.raises(Invalid, match="spec.template: Invalid value: .*field is immutable"):
        updated(job, started, {"template": template})


def test_a_bound_claim_may_grow_but_not_shrink() -> None:
    kind = kind_of("", "PersistentVolumeClaim")
    bound = {**created(kind, {"spec": CLAIM}), "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
    bound["spec"]["volumeName"] = "v"
    grown = updated(kind, bound, {"resources": {"requests": {"storage": "2Gi"}}})
    assert grown["spec"]["resources"]["requests"] == {"storage": "2Gi"}
    with pytest.raises(Invalid, match="field can not be less than status.capacity"):
        updated(kind, bound, {"resources": {"requests": {"storage": "1Mi"}}})


def test_only_one_priority_class_is_the_default() -> None:
    kind = kind_of("scheduling.k8s.io", "PriorityClass")
    other = {"metadata": {"name": "other"}, "globalDefault": True}
    context = Context(now=NOW, find=lambda *_: [other])
    with pytest.raises(Forbidden, match="PriorityClass other is already marked as default. Only one default can exist"):
        created(kind, {"value": 1, "globalDefault": True}, context)


def test_claims_and_ingresses_get_the_newest_default_class() -> None:
    def marked(name: str, created_at: str, mark: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "creationTimestamp": created_at, "annotations": {mark: "true"}}}

    classes = {
        "storageclasses": "storageclass.kubernetes.io/is-default-class",
        "ingressclasses": "ingressclass.kubernetes.io/is-default-class",
    }

    def find(_group: str, plural: str, _namespace: str) -> list[dict[str, Any]]:
        mark = classes[plural]
        return [marked("old", "2026-01-01T00:00:00Z", mark), marked("new", "2026-01-02T00:00:00Z", mark)]

    context = Context(now=NOW, find=find)
    claim = kind_of("", "PersistentVolumeClaim")
    assert created(claim, {"spec": CLAIM}, context)["spec"]["storageClassName"] == "new"
    assert created(claim, {"spec": {**CLAIM, "storageClassName": ""}}, context)["spec"]["storageClassName"] == ""
    ingress = created(kind_of("networking.k8s.io", "Ingress"), {"spec": {"defaultBackend": BACKEND}}, context)
    assert ingress["spec"]["ingressClassName"] == "new"
