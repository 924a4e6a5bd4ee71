"""Deployments and ReplicaSets: defaults, rules, generations, scale."""

import copy
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from apimachinery.objects.errors import Invalid
from engine.apiserver.registry import strategy
from engine.apiserver.registry.apps.deployment import DEPLOYMENT, DeploymentRow
from engine.apiserver.registry.apps.replicaset import REPLICA_SET
from engine.apiserver.registry.kind import Context, Kind

CONTEXT = Context(now=datetime(2026, 1, 1, tzinfo=UTC))


def workload(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]},
            },
            **spec,
        },
    }


def created(kind: Kind, obj: dict[str, Any]) -> dict[str, Any]:
    strategy.admit_create(kind, obj, "default", CONTEXT)
    strategy.prepare_create(kind, obj, CONTEXT)
    return obj


def updated(kind: Kind, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    strategy.admit_update(kind, new, old, "default", CONTEXT)
    strategy.prepare_update(kind, new, old, CONTEXT)
    return new


def test_a_deployment_gets_upstreams_defaults() -> None:
    spec = created(DEPLOYMENT, workload())["spec"]
    assert spec.pop("template")["spec"]["restartPolicy"] == "Always"
    assert spec == {
        "progressDeadlineSeconds": 600,
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
    }


def rolling(**shares: Any) -> dict[str, Any]:
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": shares}}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"selector": None}, "spec.selector: Required value", id="no-selector"),
        pytest.param({"selector": {}}, "spec.selector: Invalid value: {}: empty selector is invalid for deployment", id="empty-selector"),
        pytest.param({"selector": {"matchLabels": {"app": "x"}}}, 'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`', id="selector-does-not-match"),
        pytest.param({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0", id="replicas"),
        pytest.param({"minReadySeconds": 600}, "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds", id="deadline"),
        pytest.param(rolling(maxSurge=0, maxUnavailable="0%"), 'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0', id="both-zero"),
        pytest.param(rolling(maxUnavailable="101%"), 'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%', id="more-than-all"),
        pytest.param(rolling(maxSurge="some"), "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"some\": a valid percent string must be a numeric string followed by an ending '%'", id="no-percentage"),
        pytest.param({"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}}, "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'", id="recreate"),
        pytest.param({"strategy": {"type": "Canary"}}, 'spec.strategy.type: Unsupported value: "Canary": supported values: "Recreate", "RollingUpdate"', id="strategy"),
        pytest.param({"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}, 'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"', id="restart-policy"),
        pytest.param({"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c"}]}}}, "spec.template.spec.containers[0].image: Required value", id="template-rules"),
    ],
)  # fmt: skip
def test_broken_rules_are_named_in_upstreams_words(spec: dict[str, Any], message: str) -> None:
    obj = workload(**copy.deepcopy(spec))
    if obj["spec"]["selector"] is None:
        del obj["spec"]["selector"]
    with pytest.raises(Invalid) as raised:
        created(DEPLOYMENT, obj)
    assert raised.value.message.startswith('Deployment.apps "web" is invalid: ')
    assert message in raised.value.message


@pytest.mark.parametrize("kind", [DEPLOYMENT, REPLICA_SET], ids=lambda kind: kind.plural)
def test_the_selector_stays(kind: Kind) -> None:
    old = created(kind, workload())
    new = copy.deepcopy(old)
    new["spec"]["selector"] = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    with pytest.raises(Invalid, match="spec.selector: Invalid value: .*: field is immutable"):
        updated(kind, old, new)


@pytest.mark.parametrize(
    ("kind", "change", "generation"),
    [
        pytest.param(DEPLOYMENT, {"spec": {"replicas": 3}}, 2, id="spec"),
        pytest.param(DEPLOYMENT, {"annotations": {"a": "b"}}, 2, id="deployment-annotations"),
        pytest.param(REPLICA_SET, {"annotations": {"a": "b"}}, 1, id="replicaset-annotations"),
        pytest.param(DEPLOYMENT, {"labels": {"a": "b"}}, 1, id="labels"),
        pytest.param(DEPLOYMENT, {"status": {"replicas": 9}}, 1, id="status-by-the-wrong-way"),
    ],
)
def test_the_generation_counts_what_the_controller_must_see(kind: Kind, change: Any, generation: int) -> None:
    old = created(kind, workload())
    new = copy.deepcopy(old)
    new["spec"] |= change.get("spec", {})
    new["status"] |= change.get("status", {})
    new["metadata"] |= {name: value for name, value in change.items() if name in {"labels", "annotations"}}
    assert updated(kind, old, new)["metadata"]["generation"] == generation
    assert new["status"] == old["status"]


def test_a_status_write_keeps_spec_and_labels() -> None:
    old = created(DEPLOYMENT, workload())
    new = copy.deepcopy(old)
    new["spec"]["replicas"], new["metadata"]["labels"], new["status"] = 7, {"a": "b"}, {"replicas": 1}
    strategy.prepare_subresource(DEPLOYMENT, DEPLOYMENT.subresources["status"], new, old, CONTEXT)
    assert (new["spec"], new["status"]) == (old["spec"], {"replicas": 1})
    assert "labels" not in new["metadata"]


def test_scale_shows_and_sets_the_number_of_pods() -> None:
    scale = DEPLOYMENT.subresources["scale"]
    assert scale.project is not None
    assert scale.absorb is not None
    obj = created(DEPLOYMENT, workload(replicas=2)) | {"status": {"replicas": 1}}
    shown = scale.project(obj)
    assert (shown["kind"], shown["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert shown["spec"] == {"replicas": 2}
    assert shown["status"] == {"replicas": 1, "selector": "app=web"}
    scale.absorb(obj, {"spec": {"replicas": 5}})
    assert obj["spec"]["replicas"] == 5
    scale.absorb(obj, {"spec": {}})
    assert obj["spec"]["replicas"] == 0
    with pytest.raises(Invalid, match="spec.replicas: Invalid value: -1: must be greater than or equal to 0"):
        scale.absorb(obj, {"spec": {"replicas": -1}})


def test_columns_read_as_kubectl_prints_them() -> None:
    obj = created(DEPLOYMENT, workload(replicas=3)) | {
        "status": {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}
    }
    view = msgspec.json.decode(msgspec.json.encode(obj), type=DeploymentRow)
    printed = {column.name: column.cell(view) for column in DEPLOYMENT.columns}
    assert (printed["Ready"], printed["Up-to-date"], printed["Available"]) == ("1/3", 2, 1)
    assert (printed["Containers"], printed["Images"], printed["Selector"]) == ("c", "nginx:1.27", "app=web")
