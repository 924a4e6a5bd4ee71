"""Every rule of the table finds its own ill, first; what is well has none."""

import re

import pytest

from tests.tui.kinds.why.cases import (
    LONG_AGO,
    NOW,
    backing,
    case,
    claim,
    condition,
    ended,
    logs,
    pod,
    pulls,
    refused,
    service,
    unplaced,
    unready,
    waits,
    warning,
)  # fmt: skip
from tui.document import plain
from tui.kinds.why.case import Case
from tui.kinds.why.rules import RULES, explain
from tui.kinds.why.view import lines, summary

REGISTRY = "failed to resolve reference: "
NODE_DOWN = {"status": {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]}}
NONE_OF = "0/3 nodes are available: "

ILLS: list[tuple[str, Case]] = [
    # images
    ("image-name-invalid", waits("InvalidImageName", 'Failed to apply default image tag "A": couldn\'t parse')),
    ("image-never-pulled", waits("ErrImageNeverPull", 'Container image "x" is not present with pull policy of Never')),
    ("image-rate-limit", pulls("429 Too Many Requests - toomanyrequests: You have reached your pull rate limit")),
    ("image-unauthorized", pulls("pull access denied, repository does not exist or may require authorization")),
    ("image-unauthorized", pulls(f"{REGISTRY}unexpected status: 401 Unauthorized")),
    ("image-platform", pulls("no match for platform in manifest: not found")),
    ("image-not-found", pulls("rpc error: code = NotFound desc = docker.io/library/app:1: not found")),
    ("image-certificate", pulls("tls: failed to verify certificate: x509: certificate signed by unknown authority")),
    ("image-http", pulls("http: server gave HTTP response to HTTPS client")),
    ("image-name-resolution", pulls("dial tcp: lookup registry.example: no such host")),
    ("image-no-route", pulls("dial tcp 10.0.0.9:443: connect: no route to host")),
    ("image-no-route", waits("ErrImagePull", "dial tcp 10.0.0.9:443: i/o timeout")),
    ("image-disk-full", pulls("write /var/lib/x: no space left on device")),
    # how containers begin and end
    ("start-executable-missing", waits("RunContainerError", 'exec: "serve": executable file not found in $PATH')),
    ("start-wrong-format", waits("RunContainerError", "exec /bin/app: exec format error")),
    ("start-permission", ended(128, "StartError", meta={})),
    ("start-nonroot", waits("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
    ("start-mount", waits("CreateContainerError", "error mounting a to rootfs: not a directory")),
    ("start-workdir", waits("RunContainerError", "chdir to cwd /work failed: no such file or directory")),
    ("oom-killed", ended(137, "OOMKilled", spec={"containers": [{"name": "app", "resources": {"limits": {"memory": "64Mi"}}}]})),
    ("exit-completed", ended(0, "Completed")),
    ("exit-not-executable", ended(126)),
    ("exit-not-found", ended(127)),
    ("exit-illegal-instruction", ended(132)),
    ("exit-abort", ended(134)),
    ("exit-killed", ended(137)),
    ("exit-segfault", ended(139)),
    ("exit-terminated", ended(143)),
    ("exit-error", ended(1)),
    ("init-running", case("Pod", spec={"nodeName": "m1", "initContainers": [{"name": "wait"}]}, status={
        "phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}],
        "initContainerStatuses": [{"name": "wait", "state": {"running": {"startedAt": LONG_AGO}}}]})),
    ("log-address-in-use", logs("bind: address already in use")),
    ("log-name-lookup", logs("lookup db on 10.43.0.10:53: no such host")),
    ("log-connection-refused", logs("dial tcp 10.43.2.1:5432: connect: connection refused")),
    ("log-login", logs('FATAL: password authentication failed for user "shop"')),
    ("log-missing-module", logs("ModuleNotFoundError: No module named 'flask'")),
    ("log-missing-setting", logs("KeyError: 'DATABASE_URL'")),
    ("log-read-only", logs("open /data/x: read-only file system")),
    ("log-no-space", logs("write /data/x: no space left on device")),
    ("log-permission", logs("open /data/x: permission denied")),
    ("log-heap", logs("FATAL ERROR: JavaScript heap out of memory")),
    ("probe-startup", unready("Startup probe failed: connection refused")),
    ("probe-liveness", unready("Liveness probe failed: HTTP probe failed with statuscode: 500")),
    ("probe-readiness-status", unready("Readiness probe failed: HTTP probe failed with statuscode: 404")),
    ("probe-readiness-refused", unready("Readiness probe failed: dial tcp 10.42.0.7:80: connect: connection refused")),
    ("probe-readiness-slow", unready("Readiness probe failed: context deadline exceeded")),
    ("probe-readiness", unready("Readiness probe failed: cat: /ready: No such file")),
    # what is referred to
    ("key-missing", waits("CreateContainerConfigError", "couldn't find key color in ConfigMap shop/paint")),
    ("volume-key-missing", waits("ContainerCreating", events=(
        warning("FailedMount", 'MountVolume.SetUp failed for volume "v": references non-existent config key: color'),))),
    ("configmap-missing", waits("CreateContainerConfigError", 'configmap "paint" not found')),
    ("secret-missing", waits("ContainerCreating", events=(
        warning("FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "login" not found'),))),
    ("hostpath-missing", waits("ContainerCreating", events=(
        warning("FailedMount", 'MountVolume.SetUp failed for volume "v" : hostPath type check failed: /srv is not a directory'),))),
    ("volume-attached-elsewhere", waits("ContainerCreating", events=(
        warning("FailedAttachVolume", "Multi-Attach error for volume pvc-1: already exclusively attached to one node"),))),
    ("volume-timeout", waits("ContainerCreating", events=(
        warning("FailedMount", "Unable to attach or mount volumes: unmounted volumes=[data]"),))),
    ("mount-failed", waits("ContainerCreating", events=(
        warning("FailedMount", 'MountVolume.SetUp failed for volume "data" : mount failed: exit status 32'),))),
    ("reference-missing", waits("ContainerCreating", spec={"serviceAccountName": "robot"}, related={"ServiceAccount/robot": None})),
    ("reference-missing", case("Deployment", spec={"template": {"spec": {"volumes": [{"configMap": {"name": "paint"}}]}}},
                               related={"ConfigMap/paint": None})),
    ("network-not-ready", waits("ContainerCreating", events=(
        warning("NetworkNotReady", "network is not ready: container runtime network not ready: cni plugin not initialized"),))),
    ("network-addresses", waits("ContainerCreating", events=(
        warning("FailedCreatePodSandBox", "failed to allocate for range 0: no IP addresses available in range set"),))),
    ("sandbox-failed", waits("ContainerCreating", events=(warning("FailedCreatePodSandBox", "runc did not terminate"),))),
    # placement
    ("schedule-no-nodes", unplaced("no nodes available to schedule pods")),
    ("schedule-cpu", unplaced(f"{NONE_OF}3 Insufficient cpu.")),
    ("schedule-memory", unplaced(f"{NONE_OF}3 Insufficient memory.")),
    ("schedule-resource", unplaced(f"{NONE_OF}3 Insufficient nvidia.com/gpu.")),
    ("schedule-pods", unplaced(f"{NONE_OF}3 Too many pods.")),
    ("schedule-not-ready-taint", unplaced(f"{NONE_OF}1 node(s) had untolerated taint {{node.kubernetes.io/not-ready: }}.")),
    ("schedule-taint", unplaced(f"{NONE_OF}1 node(s) had untolerated taint {{dedicated: gpu}}.")),
    ("schedule-cordoned", unplaced(f"{NONE_OF}3 node(s) were unschedulable.")),
    ("schedule-selector", unplaced(f"{NONE_OF}3 node(s) didn't match Pod's node affinity/selector.")),
    ("schedule-port", unplaced(f"{NONE_OF}3 node(s) didn't have free ports for the requested pod ports.")),
    ("schedule-anti-affinity", unplaced(f"{NONE_OF}3 node(s) didn't match pod anti-affinity rules.")),
    ("schedule-affinity", unplaced(f"{NONE_OF}3 node(s) didn't match pod affinity rules.")),
    ("schedule-spread", unplaced(f"{NONE_OF}3 node(s) didn't match pod topology spread constraints.")),
    ("schedule-claim-missing", unplaced('persistentvolumeclaim "data" not found')),
    ("schedule-claim-unbound", unplaced(f"{NONE_OF}pod has unbound immediate PersistentVolumeClaims.")),
    ("schedule-volume-place", unplaced(f"{NONE_OF}3 node(s) had volume node affinity conflict.")),
    ("schedule-gated", case("Pod", spec={"schedulingGates": [{"name": "example.com/hold"}]}, status={"phase": "Pending"})),
    ("schedule-ignored", case("Pod", spec={"schedulerName": "mine"}, status={"phase": "Pending"})),
    # ends
    ("evicted", case("Pod", status={"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."})),
    ("pod-deadline", case("Pod", status={"phase": "Failed", "reason": "DeadlineExceeded"})),
    ("refused-by-machine", case("Pod", status={"phase": "Failed", "reason": "UnexpectedAdmissionError"})),
    ("machine-gone", case("Pod", spec={"nodeName": "m9"}, status={"phase": "Running"}, related={"Node/m9": None})),
    ("machine-not-ready", case("Pod", spec={"nodeName": "m1"}, status={"phase": "Running"}, related={"Node/m1": NODE_DOWN})),
    ("stuck-finalizers", case("Boat", meta={"deletionTimestamp": LONG_AGO, "finalizers": ["example.com/anchor"]})),
    ("stuck-terminating", case("Pod", spec={"nodeName": "m1"}, status={"phase": "Running"}, meta={"deletionTimestamp": LONG_AGO})),
    ("namespace-not-empty", condition("Namespace", "NamespaceContentRemaining", "True", "SomeResourcesRemain", "pods. has 1")),
    # workloads
    ("quota-exceeded", refused("exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2")),
    ("quota-needs-requests", refused("failed quota: small: must specify requests.cpu for: app")),
    ("limit-range", refused("maximum memory usage per Container is 64Mi, but limit is 1Gi")),
    ("account-missing", refused('error looking up service account shop/robot: serviceaccount "robot" not found')),
    ("pod-security", refused('violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false')),
    ("webhook-failed", refused('failed calling webhook "check.example.com": connect: connection refused', "Job")),
    ("webhook-denied", refused('admission webhook "check.example.com" denied the request: no')),
    ("priority-missing", refused("no PriorityClass with name urgent was found")),
    ("create-refused", refused("something new", "StatefulSet")),
    ("rollout-paused", case("Deployment", spec={"paused": True})),
    ("progress-deadline", condition("Deployment", "Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "it-1" has timed out progressing.')),
    ("scaled-to-zero", case("Deployment", spec={"replicas": 0})),
    ("not-observed", case("StatefulSet", spec={"replicas": 1}, meta={"generation": 3}, status={"observedGeneration": 2})),
    ("pods-not-ready", case("Deployment", spec={"replicas": 3}, status={"readyReplicas": 1})),
    ("daemonset-nowhere", case("DaemonSet", status={"desiredNumberScheduled": 0})),
    ("job-failed", condition("Job", "Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")),
    ("job-deadline", condition("Job", "Failed", "True", "DeadlineExceeded")),
    ("suspended", case("CronJob", spec={"suspend": True})),
    ("cron-schedule", case("CronJob", events=(warning("UnparseableSchedule", "unparseable schedule: x"),))),
    ("cron-missed", case("CronJob", events=(warning("TooManyMissedTimes", "too many missed start times: 101"),))),
    ("hpa-no-request", condition("HorizontalPodAutoscaler", "ScalingActive", "False", "FailedGetResourceMetric", "missing request for cpu in container app")),
    ("hpa-no-metrics", condition("HorizontalPodAutoscaler", "ScalingActive", "False", "FailedGetResourceMetric",
                                 "unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)")),
    ("hpa-no-target", condition("HorizontalPodAutoscaler", "AbleToScale", "False", "FailedGetScale", "the HPA controller was unable to get the target's current scale")),
    ("hpa-at-limit", condition("HorizontalPodAutoscaler", "ScalingLimited", "True", "TooManyReplicas", maxReplicas=5)),
    # services, claims, machines
    ("service-selects-nothing", service(pods=())),
    ("service-pods-not-ready", service(pods=(backing(ready=False),))),
    ("service-port-name", service(pods=(backing(ready=True, port="web"),))),
    ("service-no-selector", case("Service", spec={"ports": []}, related={"EndpointSlice/it": None})),
    ("service-no-address", case("Service", spec={"type": "LoadBalancer", "selector": {"app": "web"}})),
    ("ingress-no-service", case("Ingress", spec={"rules": [{"http": {"paths": [{"backend": {"service": {"name": "web"}}}]}}]}, related={"Service/web": None})),
    ("claim-class-missing", claim("ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found')),
    ("claim-first-consumer", claim("WaitForFirstConsumer", "waiting for first consumer to be created before binding", type_="Normal")),
    ("claim-no-volume", claim("FailedBinding", "no persistent volumes available for this claim and no storage class is set", type_="Normal")),
    ("claim-provisioner", claim("ExternalProvisioning", "waiting for a volume to be created", type_="Normal")),
    ("claim-failed", claim("ProvisioningFailed", "disk quota")),
    ("claim-lost", case("PersistentVolumeClaim", status={"phase": "Lost"})),
    ("node-silent", condition("Node", "Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")),
    ("node-network", condition("Node", "Ready", "False", "KubeletNotReady", "container runtime network not ready: NetworkReady=false")),
    ("node-runtime", condition("Node", "Ready", "False", "KubeletNotReady", "PLEG is not healthy")),
    ("node-not-ready", condition("Node", "Ready", "False", "KubeletNotReady", "something new")),
    ("node-disk", condition("Node", "DiskPressure", "True")),
    ("node-memory", condition("Node", "MemoryPressure", "True")),
    ("node-pids", condition("Node", "PIDPressure", "True")),
    ("node-no-network", condition("Node", "NetworkUnavailable", "True")),
    ("node-cordoned", case("Node", spec={"unschedulable": True})),
]  # fmt: skip
for _name, ill in ILLS:
    if _name == "start-permission":
        last = ill.obj["status"]["containerStatuses"][0]["lastState"]["terminated"]
        last["message"] = 'exec: "/run.sh": permission denied'


@pytest.mark.parametrize(
    ("rule", "ill"), [pytest.param(rule, ill, id=f"{n}-{rule}") for n, (rule, ill) in enumerate(ILLS)]
)
def test_the_first_verdict_names_the_ill(rule: str, ill: Case) -> None:
    found = explain(ill)
    assert [one.rule for one in found][:1] == [rule], found


@pytest.mark.parametrize(
    ("rule", "ill"), [pytest.param(rule, ill, id=f"{n}-{rule}") for n, (rule, ill) in enumerate(ILLS)]
)
def test_every_finding_is_one_sentence_with_a_next_step_and_no_holes(rule: str, ill: Case) -> None:
    for one in explain(ill):
        assert one.verdict[0].isupper() or one.verdict.startswith("app")
        assert one.verdict.endswith((".", ")"))
        assert one.step
        for text in (one.verdict, one.step, one.command):
            assert not re.search(r"\{(?!dedicated)[a-z]+\}", text), text


def test_every_rule_has_its_example() -> None:
    shown = {rule for rule, _ in ILLS}
    # One rule may give several names to what it finds.
    assert {rule.name for rule in RULES} - shown - {"node-pressure"} == set()
    assert len(RULES) >= 40


@pytest.mark.parametrize(
    "well",
    [
        pytest.param(case("Pod", spec={"nodeName": "m1", "containers": [{"name": "app"}]}, status={
            "phase": "Running", "containerStatuses": [{"name": "app", "ready": True, "restartCount": 4, "state": {"running": {}},
                                                       "lastState": {"terminated": {"exitCode": 1}}}],
            "conditions": [{"type": "Ready", "status": "True"}]},
            events=(warning("Unhealthy", "Readiness probe failed: connection refused"),)), id="recovered pod"),
        pytest.param(case("Pod", status={"phase": "Succeeded", "containerStatuses": [
            {"name": "app", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}, spec={"nodeName": "m1"}), id="finished pod"),
        pytest.param(case("Deployment", spec={"replicas": 2}, status={"readyReplicas": 2}), id="deployment"),
        pytest.param(service(pods=(backing(ready=True),)), id="service"),
        pytest.param(condition("Node", "Ready", "True"), id="node"),
        pytest.param(case("PersistentVolumeClaim", status={"phase": "Bound"}), id="claim"),
        pytest.param(case("ConfigMap"), id="configmap"),
    ],
)  # fmt: skip
def test_what_is_well_has_no_findings(well: Case) -> None:
    assert explain(well) == []
    assert "Nothing is known to be wrong." in "\n".join(plain(line) for line in lines(well, []))


def test_a_workload_tells_the_ill_of_its_pods_once_with_how_many_have_it() -> None:
    ill = [ended(137, "OOMKilled").obj | {"metadata": {"name": f"web-{n}"}} for n in (1, 2)]
    found = explain(case("Deployment", spec={"replicas": 2}, pods=tuple(ill)))
    assert [one.rule for one in found] == ["oom-killed"]
    assert found[0].verdict.startswith("2 pods (web-1, …): app was killed")


def test_the_events_of_one_pod_do_not_explain_another() -> None:
    other = unready("Readiness probe failed: x").obj | {"metadata": {"name": "web-1"}}
    told = warning("Unhealthy", "Readiness probe failed: x") | {"involvedObject": {"name": "web-2"}}
    assert [one.rule for one in explain(case("Deployment", spec={"replicas": 2}, pods=(other,), events=(told,)))] == [
        "pods-not-ready"
    ]


def test_a_message_that_lists_several_reasons_gives_several_verdicts() -> None:
    found = explain(unplaced(f"{NONE_OF}1 Insufficient cpu, 1 node(s) were unschedulable, 1 Insufficient memory."))
    assert [one.rule for one in found] == ["schedule-cpu", "schedule-memory", "schedule-cordoned"]


def test_the_panel_shows_verdict_evidence_step_and_command() -> None:
    ill = waits("CreateContainerConfigError", 'configmap "paint" not found')
    text = "\n".join(plain(line) for line in lines(ill, explain(ill)))
    assert "It needs the ConfigMap paint, and there is none of that name." in text
    assert 'because CreateContainerConfigError: configmap "paint" not found' in text
    assert "kubectl create configmap paint -n shop" in text
    assert plain(summary(explain(ill))[0]).startswith("Why?  It needs the ConfigMap paint")
    assert summary([]) == []


def test_a_memory_kill_names_the_limit() -> None:
    ill = ended(137, "OOMKilled", spec={"containers": [{"name": "app", "resources": {"limits": {"memory": "64Mi"}}}]})
    assert explain(ill)[0].verdict == "app was killed: it took more memory than its limit of 64Mi."
    assert explain(ended(137, "OOMKilled"))[0].verdict == "app was killed: the machine had no memory left for it."


def test_an_unready_pod_with_nothing_said_has_no_verdict() -> None:
    assert explain(pod(restarts=0)) == []
    assert NOW > 0
