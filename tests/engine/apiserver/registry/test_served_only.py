"""Kinds that are kept and judged while nothing acts on them: flow control, service ranges, devices."""

from __future__ import annotations

from typing import Any

import pytest

from apimachinery.objects.errors import Invalid
from engine.apiserver.registry.flowcontrol.bootstrap import FLOW_SCHEMAS, PRIORITY_LEVELS
from tests.engine.apiserver.registry.steps import created, kind_of, updated

Json = dict[str, Any]
FLOW = "flowcontrol.apiserver.k8s.io"
NET = "networking.k8s.io"
DEVICES = "resource.k8s.io"
SUBJECT: Json = {"kind": "Group", "group": {"name": "g"}}
ANY: Json = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}


def flow_schema(**rule: Any) -> Json:
    rules = [{"subjects": [SUBJECT], "resourceRules": [ANY], **rule}]
    return {"priorityLevelConfiguration": {"name": "catch-all"}, "matchingPrecedence": 100, "rules": rules}


@pytest.mark.parametrize(("name", "spec"), FLOW_SCHEMAS.items())
def test_the_flow_schemas_of_every_cluster_are_in_order_and_stay(name: str, spec: Json) -> None:
    kind = kind_of(FLOW, "FlowSchema")
    assert created(kind, {"metadata": {"name": name}, "spec": spec})["spec"] == spec
    with pytest.raises(Invalid, match=f"spec of '{name}' must equal the fixed value"):
        created(kind, {"metadata": {"name": name}, "spec": {**spec, "rules": []}})


@pytest.mark.parametrize(("name", "spec"), PRIORITY_LEVELS.items())
def test_the_priority_levels_of_every_cluster_are_in_order(name: str, spec: Json) -> None:
    kind = kind_of(FLOW, "PriorityLevelConfiguration")
    assert created(kind, {"metadata": {"name": name}, "spec": spec})["spec"] == spec


def test_a_level_that_queues_gets_upstreams_defaults() -> None:
    spec: Json = {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}}
    made = created(kind_of(FLOW, "PriorityLevelConfiguration"), {"metadata": {"name": "a"}, "spec": spec})
    assert made["spec"]["limited"] == {
        "nominalConcurrencyShares": 30,
        "lendablePercent": 0,
        "limitResponse": {"type": "Queue", "queuing": {"queues": 64, "handSize": 8, "queueLengthLimit": 50}},
    }


@pytest.mark.parametrize(
    ("where", "kind", "spec", "problem"),
    [
        pytest.param(
            FLOW,
            "FlowSchema",
            {**flow_schema(), "matchingPrecedence": 1},
            "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
            id="precedence",
        ),
        pytest.param(
            FLOW,
            "FlowSchema",
            {**flow_schema(), "priorityLevelConfiguration": {}},
            "spec.priorityLevelConfiguration.name: Required value: must reference a priority level",
            id="level",
        ),
        pytest.param(
            FLOW,
            "FlowSchema",
            flow_schema(subjects=[{"kind": "Robot"}]),
            'spec.rules[0].subjects[0].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", '
            '"User"',
            id="subject",
        ),
        pytest.param(
            FLOW,
            "FlowSchema",
            flow_schema(resourceRules=[{**ANY, "namespaces": []}]),
            "spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must "
            "supply at least one namespace",
            id="namespaces",
        ),
        pytest.param(
            FLOW,
            "FlowSchema",
            flow_schema(nonResourceRules=[{"verbs": ["get"], "nonResourceURLs": ["x"]}]),
            'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "x": must start with slash',
            id="url",
        ),
        pytest.param(
            FLOW,
            "PriorityLevelConfiguration",
            {"type": "Exempt"},
            "spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'",
            id="exempt",
        ),
        pytest.param(
            FLOW,
            "PriorityLevelConfiguration",
            {"type": "Limited", "limited": {"limitResponse": {"type": "Reject", "queuing": {}}}},
            "spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited",
            id="queuing",
        ),
        pytest.param(
            NET, "ServiceCIDR", {"cidrs": []}, "spec.cidrs: Required value: at least one CIDR required", id="no-range"
        ),
        pytest.param(
            NET,
            "ServiceCIDR",
            {"cidrs": ["10.0.0.0"]},
            'spec.cidrs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
            id="range",
        ),
        pytest.param(
            NET,
            "ServiceCIDR",
            {"cidrs": ["10.0.0.0/16", "10.1.0.0/16"]},
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
            id="families",
        ),
        pytest.param(
            DEVICES,
            "ResourceClaim",
            {"devices": {"requests": [{"name": "a", "exactly": {}}]}},
            "spec.devices.requests[0].exactly.deviceClassName: Required value",
            id="claim",
        ),
        pytest.param(
            DEVICES,
            "ResourceClaimTemplate",
            {"spec": {"devices": {"requests": [{"name": "a"}]}}},
            "spec.spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required",
            id="template",
        ),
        pytest.param(
            DEVICES,
            "DeviceClass",
            {"selectors": [{"cel": {}}]},
            "spec.selectors[0].cel.expression: Required value",
            id="class",
        ),
        pytest.param(
            DEVICES,
            "ResourceSlice",
            {"driver": "d.example.com", "pool": {"name": "p", "resourceSliceCount": 1}},
            "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is "
            "required",
            id="slice",
        ),
    ],
)
def test_broken_rules_are_named_in_upstreams_words(where: str, kind: str, spec: Json, problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        created(kind_of(where, kind), {"metadata": {"name": "a"}, "spec": spec})
    assert problem in refused.value.message


@pytest.mark.parametrize(
    ("name", "parent", "problem"),
    [
        ("10.0.0.1", None, "spec.parentRef: Required value"),
        ("10.0.0.1", {"resource": "services"}, "spec.parentRef.name: Required value"),
        ("10.0.0.256", {"resource": "services", "name": "a"}, "unable to parse IP"),
        ("2001:DB8::1", {"resource": "services", "name": "a"}, "must be a canonical format IP address"),
    ],
)
def test_an_address_needs_its_name_and_its_holder(name: str, parent: Json | None, problem: str) -> None:
    spec: Json = {} if parent is None else {"parentRef": parent}
    with pytest.raises(Invalid) as refused:
        created(kind_of(NET, "IPAddress"), {"metadata": {"name": name}, "spec": spec})
    assert problem in refused.value.message


def test_a_range_may_get_a_second_family_and_an_address_keeps_its_holder() -> None:
    ranges, addresses = kind_of(NET, "ServiceCIDR"), kind_of(NET, "IPAddress")
    old = created(ranges, {"metadata": {"name": "a"}, "spec": {"cidrs": ["10.0.0.0/16"]}})
    both = ["10.0.0.0/16", "fd00::/112"]
    assert updated(ranges, old, {"cidrs": both})["spec"]["cidrs"] == both
    with pytest.raises(Invalid, match=r"spec.cidrs\[0\]: Invalid value: \"10.1.0.0/16\": field is immutable"):
        updated(ranges, old, {"cidrs": ["10.1.0.0/16"]})
    parent = {"parentRef": {"resource": "services", "namespace": "default", "name": "a"}}
    held = created(addresses, {"metadata": {"name": "10.0.0.1"}, "spec": parent})
    with pytest.raises(Invalid, match=r"spec.parentRef: Invalid value: .*: field is immutable"):
        updated(addresses, held, {"parentRef": {**parent["parentRef"], "name": "b"}})
