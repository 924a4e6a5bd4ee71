"""Pods: defaults, admission, rules, updates, grace, and the columns people read all day."""

import copy
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from apimachinery.objects.errors import Forbidden, Invalid
from engine.apiserver.registry import strategy
from engine.apiserver.registry.core.pod import POD
from engine.apiserver.registry.core.pod_printing import PodRow
from engine.apiserver.registry.kind import Context, DeleteOptions, Since

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT = {"metadata": {"name": "default"}, "imagePullSecrets": [{"name": "registry"}]}


def context(**found: Any) -> Context:
    return Context(
        now=NOW, lookup=lambda _group, plural, _namespace, name: found.get(f"{plural}/{name}".replace("/", "_"))
    )


def pod(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}], **spec},
    }


def created(obj: dict[str, Any], at: Context | None = None) -> dict[str, Any]:
    at = at or context()
    strategy.admit_create(POD, obj, "default", at)
    strategy.prepare_create(POD, obj, at)
    return obj


def updated(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    strategy.admit_update(POD, new, old, "default", context())
    strategy.prepare_update(POD, new, old, context())
    return new


def test_a_tutorial_pod_gets_all_that_upstream_fills_in() -> None:
    obj = created(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "nginx-pod"},
            "spec": {"containers": [{"name": "nginx", "image": "nginx:latest", "ports": [{"containerPort": 80}]}]},
        }
    )
    uid = obj["metadata"].pop("uid")
    assert len(uid) == 36
    access = obj["spec"]["volumes"][0]["name"]
    assert access.startswith("kube-api-access-")
    assert obj == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "nginx-pod",
            "namespace": "default",
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "containers": [
                {
                    "name": "nginx",
                    "image": "nginx:latest",
                    "imagePullPolicy": "Always",
                    "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "volumeMounts": [
                        {
                            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                            "name": access,
                            "readOnly": True,
                        }
                    ],
                }
            ],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 0,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "serviceAccount": "default",
            "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 30,
            "tolerations": [
                {
                    "effect": "NoExecute",
                    "key": f"node.kubernetes.io/{key}",
                    "operator": "Exists",
                    "tolerationSeconds": 300,
                }
                for key in ("not-ready", "unreachable")
            ],
            "volumes": [
                {
                    "name": access,
                    "projected": {
                        "defaultMode": 420,
                        "sources": [
                            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                            {
                                "configMap": {
                                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                                    "name": "kube-root-ca.crt",
                                }
                            },
                            {
                                "downwardAPI": {
                                    "items": [
                                        {
                                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                                            "path": "namespace",
                                        }
                                    ]
                                }
                            },
                        ],
                    },
                }
            ],
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:aa", "IfNotPresent"),
        ("nginx:latest@sha256:aa", "Always"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    obj = created(pod(containers=[{"name": "c", "image": image}]))
    assert obj["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_probes_hooks_volumes_and_references_get_their_defaults() -> None:
    obj = created(
        pod(
            containers=[
                {
                    "name": "c",
                    "image": "i",
                    "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                    "livenessProbe": {"httpGet": {"port": 80}},
                    "readinessProbe": {"grpc": {"port": 9000}, "periodSeconds": 1},
                    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
                }
            ],
            volumes=[
                {"name": "plain"},
                {"name": "files", "configMap": {"name": "c"}},
                {"name": "host", "hostPath": {"path": "/x"}},
            ],
            automountServiceAccountToken=False,
        )
    )
    container = obj["spec"]["containers"][0]
    assert container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert container["livenessProbe"] == {
        "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
        "failureThreshold": 3,
        "periodSeconds": 10,
        "successThreshold": 1,
        "timeoutSeconds": 1,
    }
    assert container["readinessProbe"]["grpc"] == {"port": 9000, "service": ""}
    assert container["readinessProbe"]["periodSeconds"] == 1
    assert container["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    assert obj["spec"]["volumes"] == [
        {"name": "plain", "emptyDir": {}},
        {"name": "files", "configMap": {"name": "c", "defaultMode": 420}},
        {"name": "host", "hostPath": {"path": "/x", "type": ""}},
    ]


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
    ],
)
def test_quality_of_service_follows_from_requests_and_limits(containers: list[Any], expected: str) -> None:
    listed = [{"name": f"c{i}", "image": "i", "resources": resources} for i, resources in enumerate(containers)]
    assert created(pod(containers=listed))["status"]["qosClass"] == expected


def test_the_account_must_exist_unless_it_is_the_default_one() -> None:
    assert created(pod(), context(serviceaccounts_default=ACCOUNT))["spec"]["imagePullSecrets"] == [
        {"name": "registry"}
    ]
    with pytest.raises(Forbidden) as raised:
        created(pod(serviceAccountName="robot"))
    assert raised.value.message == (
        'pods "web" is forbidden: error looking up service account default/robot: serviceaccount "robot" not found'
    )


def test_priority_comes_from_its_class() -> None:
    assert created(pod(priorityClassName="system-node-critical"))["spec"]["priority"] == 2_000_001_000
    found = {"metadata": {"name": "high"}, "value": 7, "preemptionPolicy": "Never"}
    spec = created(pod(priorityClassName="high"), context(priorityclasses_high=found))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (7, "Never")
    with pytest.raises(Forbidden, match="no PriorityClass with name low was found"):
        created(pod(priorityClassName="low"))


def test_a_toleration_of_ones_own_replaces_the_automatic_one() -> None:
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    keys = [toleration["key"] for toleration in created(pod(tolerations=[own]))["spec"]["tolerations"]]
    assert keys == ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    assert len(created(pod(tolerations=[{"operator": "Exists"}]))["spec"]["tolerations"]) == 1


def one(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "c", "image": "i", **fields}])


def mounted(**fields: Any) -> dict[str, Any]:
    mount = {"name": "v", "mountPath": "/x", **fields}
    return pod(
        containers=[{"name": "c", "image": "i", "volumeMounts": [mount]}], volumes=[{"name": "v", "emptyDir": {}}]
    )


def device(source: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    found = {"name": "v", "devicePath": "/dev/xvda", **fields}
    source = source or {"persistentVolumeClaim": {"claimName": "c"}}
    return pod(containers=[{"name": "c", "image": "i", "volumeDevices": [found]}], volumes=[{"name": "v", **source}])


RULES = [
    pytest.param(pod(containers=[]), "spec.containers: Required value", id="no-containers"),
    pytest.param(one(image=""), "spec.containers[0].image: Required value", id="no-image"),
    pytest.param(one(image=" x"), 'spec.containers[0].image: Invalid value: " x": must not have leading or trailing whitespace', id="spaces"),
    pytest.param(pod(restartPolicy="Sometimes"), 'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"', id="restart-policy"),
    pytest.param(one(ports=[{"containerPort": 70000}]), "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive", id="port-range"),
    pytest.param(one(ports=[{"containerPort": 80, "name": "-"}]), "spec.containers[0].ports[0].name: Invalid value: \"-\": must contain at least one letter (a-z)", id="port-name"),
    pytest.param(one(ports=[{"containerPort": 80, "protocol": "ICMP"}]), 'spec.containers[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"', id="protocol"),
    pytest.param(one(ports=[{"containerPort": 1, "hostPort": 8}, {"containerPort": 2, "hostPort": 8}]), 'spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//8"', id="host-port-twice"),
    pytest.param(one(env=[{"name": "A=B"}]), 'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than \'=\'', id="env-name"),
    pytest.param(one(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]), "spec.containers[0].env[0].valueFrom.secretKeyRef.key: Required value", id="secret-key"),
    pytest.param(one(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]), 'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "spec.x"', id="field-ref"),
    pytest.param(mounted(recursiveReadOnly="Enabled"), "spec.containers[0].volumeMounts[0].recursiveReadOnly: Forbidden: may only be specified when readOnly is true", id="recursive-but-writable"),
    pytest.param(mounted(recursiveReadOnly="Enabled", readOnly=True, mountPropagation="HostToContainer"), "spec.containers[0].volumeMounts[0].recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified", id="recursive-and-propagating"),
    pytest.param(mounted(recursiveReadOnly="Deep", readOnly=True), 'spec.containers[0].volumeMounts[0].recursiveReadOnly: Unsupported value: "Deep": supported values: "Disabled", "Enabled", "IfPossible"', id="recursive-unknown"),
    pytest.param(mounted(mountPropagation="Bidirectional"), "spec.containers[0].volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers", id="propagates-out"),
    pytest.param(device(devicePath=""), "spec.containers[0].volumeDevices[0].devicePath: Required value", id="device-nowhere"),
    pytest.param(device(devicePath="/dev/../x"), "spec.containers[0].volumeDevices[0].devicePath: Invalid value: \"/dev/../x\": must not contain '..'", id="device-path"),
    pytest.param(device({"emptyDir": {}}), 'spec.containers[0].volumeDevices[0].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode', id="device-of-a-folder"),
    pytest.param(device(name="w"), 'spec.containers[0].volumeDevices[0].name: Not found: "w"', id="device-without-volume"),
    pytest.param(one(volumeMounts=[{"name": "v", "mountPath": "/x"}]), 'spec.containers[0].volumeMounts[0].name: Not found: "v"', id="mount-without-volume"),
    pytest.param(one(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}), 'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1', id="request-over-limit"),
    pytest.param(one(resources={"limits": {"gold": "1"}}), 'spec.containers[0].resources.limits[gold]: Invalid value: "gold": must be a standard resource for containers', id="unknown-resource"),
    pytest.param(one(livenessProbe={"periodSeconds": 1}), "spec.containers[0].livenessProbe: Required value: must specify a handler type", id="probe-without-handler"),
    pytest.param(one(livenessProbe={"tcpSocket": {"port": 1}, "successThreshold": 2}), "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1", id="success-threshold"),
    pytest.param(one(readinessProbe={"exec": {"command": ["a"]}, "httpGet": {"port": 1}}), "spec.containers[0].readinessProbe.httpGet: Forbidden: may not specify more than 1 handler type", id="two-handlers"),
    pytest.param(one(imagePullPolicy="Often"), 'spec.containers[0].imagePullPolicy: Unsupported value: "Often"', id="pull-policy"),
    pytest.param(pod(containers=[{"name": "c", "image": "i"}] * 2), 'spec.containers[1].name: Duplicate value: "c"', id="name-twice"),
    pytest.param(pod(initContainers=[{"name": "i", "image": "i", "readinessProbe": {"exec": {"command": ["a"]}}}]), "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always", id="init-probe"),
    pytest.param(pod(volumes=[{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]), "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type", id="two-sources"),
    pytest.param(pod(volumes=[{"name": "v", "hostPath": {}}]), "spec.volumes[0].hostPath.path: Required value", id="host-path"),
    pytest.param(pod(volumes=[{"name": "v", "configMap": {"name": "c", "defaultMode": 1000}}]), "spec.volumes[0].configMap.defaultMode: Invalid value: 1000: must be a number between 0 and 0777 (octal), both inclusive", id="mode"),
    pytest.param(pod(nodeSelector={"a b": "c"}), 'spec.nodeSelector: Invalid value: "a b": name part must consist of alphanumeric characters', id="node-selector"),
    pytest.param(pod(tolerations=[{"value": "x"}]), 'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"', id="toleration"),
    pytest.param(pod(dnsPolicy="None"), "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None", id="dns"),
    pytest.param(pod(terminationGracePeriodSeconds=-1), "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0", id="grace"),
    pytest.param(pod(activeDeadlineSeconds=0), "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive", id="deadline"),
    pytest.param(pod(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}), "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty", id="affinity"),
    pytest.param(pod(topologySpreadConstraints=[{"topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway"}]), "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero", id="spread"),
    pytest.param(pod(ephemeralContainers=[{"name": "e", "image": "i"}]), "spec.ephemeralContainers: Forbidden: cannot be set on create", id="ephemeral"),
    pytest.param(pod(hostNetwork=True, containers=[{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 81}]}]), "spec.containers[0].ports[0].containerPort: Invalid value: 80: must match `hostPort` when `hostNetwork` is true", id="host-network"),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "message"), RULES)
def test_broken_rules_are_named_in_upstreams_words(obj: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as raised:
        created(copy.deepcopy(obj))
    assert raised.value.message.startswith('Pod "web" is invalid: ')
    assert message in raised.value.message


def test_an_update_may_change_images_and_little_else() -> None:
    old = created(pod())
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["image"] = "nginx:1.28"
    new["status"] = {"phase": "Running"}
    assert updated(old, new)["metadata"]["generation"] == 2
    assert new["status"] == old["status"]
    new = copy.deepcopy(old)
    new["spec"]["hostname"] = "x"
    with pytest.raises(Invalid, match="pod updates may not change fields other than") as raised:
        updated(old, new)
    assert raised.value.message.endswith('- \tspec.hostname: nil\n+ \tspec.hostname: "x"')
    new = copy.deepcopy(old)
    new["spec"]["containers"].append({"name": "d", "image": "i"})
    with pytest.raises(Invalid, match="spec.containers: Forbidden: pod updates may not add or remove containers"):
        updated(old, new)


def test_a_status_write_changes_only_the_status() -> None:
    old = created(pod())
    new = copy.deepcopy(old)
    new["spec"]["nodeName"] = "m1"
    new["status"] = {"phase": "Running", "qosClass": "Guaranteed"}
    strategy.prepare_subresource(POD, POD.subresources["status"], new, old, context())
    assert new["spec"] == old["spec"]
    assert new["status"] == {"phase": "Running", "qosClass": "BestEffort"}


def test_ephemeral_containers_are_added_and_never_changed() -> None:
    sub = POD.subresources["ephemeralcontainers"]
    old = created(pod())
    new = copy.deepcopy(old)
    new["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "busybox"}]
    strategy.prepare_subresource(POD, sub, new, old, context())
    assert new["spec"]["ephemeralContainers"][0]["imagePullPolicy"] == "Always"
    gone = copy.deepcopy(old)
    with pytest.raises(Invalid, match='existing ephemeral containers "debug" may not be removed'):
        strategy.prepare_subresource(POD, sub, gone, new, context())


@pytest.mark.parametrize(
    ("spec", "phase", "asked", "seconds"),
    [
        pytest.param({"nodeName": "m", "terminationGracePeriodSeconds": 7}, "Running", None, 7, id="its-own"),
        pytest.param({"nodeName": "m"}, "Running", 2, 2, id="as-asked"),
        pytest.param({"nodeName": "m"}, "Running", 0, 0, id="now"),
        pytest.param({}, "Pending", None, 0, id="on-no-machine"),
        pytest.param({"nodeName": "m"}, "Succeeded", 30, 0, id="ended"),
    ],
)
def test_deletion_waits_as_long_as_needed(spec: Any, phase: str, asked: int | None, seconds: int) -> None:
    obj = {"metadata": {}, "spec": spec, "status": {"phase": phase}}
    assert POD.graceful_delete(obj, DeleteOptions(grace_period_seconds=asked)) == seconds


def cells(**obj: Any) -> dict[str, Any]:
    metadata = {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z", **obj.pop("metadata", {})}
    encoded = msgspec.json.encode({"metadata": metadata, "spec": {"containers": [{}]}, **obj})
    view = msgspec.json.decode(encoded, type=PodRow)
    return {column.name: column.cell(view) for column in POD.columns}


def status(*containers: Any, phase: str = "Running", **fields: Any) -> dict[str, Any]:
    return {"phase": phase, "containerStatuses": list(containers), **fields}


RUNNING = {"ready": True, "state": {"running": {}}}
ENDED = {"state": {"terminated": {"reason": "Completed", "exitCode": 0}}}

PRINTED = [
    pytest.param({"status": status(RUNNING)}, ("1/1", "Running"), id="running"),
    pytest.param({"status": {"phase": "Pending"}}, ("0/1", "Pending"), id="pending"),
    pytest.param({"status": status({"state": {"waiting": {"reason": "ContainerCreating"}}}, phase="Pending")}, ("0/1", "ContainerCreating"), id="creating"),
    pytest.param({"status": status({"state": {"waiting": {"reason": "CrashLoopBackOff"}}})}, ("0/1", "CrashLoopBackOff"), id="crash-loop"),
    pytest.param({"status": status(ENDED, phase="Succeeded")}, ("0/1", "Completed"), id="completed"),
    pytest.param({"status": status({"state": {"terminated": {"exitCode": 3}}}, phase="Failed")}, ("0/1", "ExitCode:3"), id="exit-code"),
    pytest.param({"status": status({"state": {"terminated": {"exitCode": 137, "signal": 9}}}, phase="Failed")}, ("0/1", "Signal:9"), id="signal"),
    pytest.param({"status": status(phase="Failed", reason="Evicted")}, ("0/1", "Evicted"), id="evicted"),
    pytest.param({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": status(RUNNING)}, ("1/1", "Terminating"), id="terminating"),
    pytest.param({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": status(ENDED, phase="Succeeded")}, ("0/1", "Completed"), id="deleted-after-its-end"),
    pytest.param({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": status(RUNNING, reason="NodeLost")}, ("1/1", "Unknown"), id="node-lost"),
    pytest.param({"status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}}, ("0/1", "SchedulingGated"), id="gated"),
    pytest.param({"spec": {"containers": [{}, {}]}, "status": status(RUNNING, ENDED, conditions=[{"type": "Ready", "status": "True"}])}, ("1/2", "Running"), id="one-completed-one-running"),
    pytest.param({"spec": {"containers": [{}, {}]}, "status": status({**RUNNING}, ENDED)}, ("1/2", "NotReady"), id="one-completed-pod-not-ready"),
    pytest.param({"spec": {"containers": [{}], "initContainers": [{"name": "a"}, {"name": "b"}]}, "status": {"phase": "Pending", "initContainerStatuses": [{"name": "a", **ENDED}, {"name": "b", "state": {"running": {}}}]}}, ("0/1", "Init:1/2"), id="init-second-of-two"),
    pytest.param({"spec": {"containers": [{}], "initContainers": [{"name": "a"}]}, "status": {"phase": "Pending", "initContainerStatuses": [{"name": "a", "state": {"waiting": {"reason": "PodInitializing"}}}]}}, ("0/1", "Init:0/1"), id="init-waiting"),
    pytest.param({"spec": {"containers": [{}], "initContainers": [{"name": "a"}]}, "status": {"phase": "Pending", "initContainerStatuses": [{"name": "a", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}}, ("0/1", "Init:ImagePullBackOff"), id="init-pull"),
    pytest.param({"spec": {"containers": [{}], "initContainers": [{"name": "a"}]}, "status": {"phase": "Pending", "initContainerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}}, ("0/1", "Init:Error"), id="init-failed"),
    pytest.param({"spec": {"containers": [{}], "initContainers": [{"name": "s", "restartPolicy": "Always"}]}, "status": {**status(RUNNING), "initContainerStatuses": [{"name": "s", "started": True, **RUNNING}]}}, ("2/2", "Running"), id="sidecar"),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "expected"), PRINTED)
def test_ready_and_status_read_as_kubectl_prints_them(obj: dict[str, Any], expected: tuple[str, str]) -> None:
    printed = cells(**copy.deepcopy(obj))
    assert (printed["Ready"], printed["Status"]) == expected


def test_restarts_tell_when_the_last_one_was() -> None:
    ended = {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:00:00Z"}}
    earlier = {"terminated": {"exitCode": 1, "finishedAt": "2025-01-01T00:00:00Z"}}
    both = status(
        {**RUNNING, "restartCount": 2, "lastState": ended}, {**RUNNING, "restartCount": 1, "lastState": earlier}
    )
    assert cells(status=both)["Restarts"] == Since(NOW.timestamp(), before="3 (", after=" ago)")
    assert cells(status=status(RUNNING))["Restarts"] == "0"


def test_init_restarts_are_forgotten_once_the_pod_is_initialized() -> None:
    init = {"name": "a", "restartCount": 4, **ENDED}
    spec = {"containers": [{}], "initContainers": [{"name": "a"}]}
    assert cells(spec=spec, status={**status(RUNNING), "initContainerStatuses": [init]})["Restarts"] == "0"


def test_the_wide_columns_have_something_to_show_before_the_pod_runs() -> None:
    printed = cells(spec={"containers": [{}], "readinessGates": [{"conditionType": "www.example.com/ready"}]})
    assert (printed["IP"], printed["Node"], printed["Nominated Node"], printed["Readiness Gates"]) == (
        "<none>",
        "<none>",
        "<none>",
        "0/1",
    )
    assert printed["Age"] == Since(NOW.timestamp())
