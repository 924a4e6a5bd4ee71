"""Roles, bindings and certificate requests: defaults and refusals, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from apimachinery.objects.errors import Invalid
from engine.apiserver.registry import strategy
from engine.apiserver.registry.certificates.signingrequest import CERTIFICATE_SIGNING_REQUEST
from engine.apiserver.registry.kind import Kind
from engine.apiserver.registry.rbac.binding import CLUSTER_ROLE_BINDING, ROLE_BINDING
from engine.apiserver.registry.rbac.role import CLUSTER_ROLE, ROLE
from tests.engine.apiserver.registry.test_kinds import CONTEXT, created, refusal, updated

GROUP = "rbac.authorization.k8s.io"
TO_ROLE = {"apiGroup": GROUP, "kind": "Role", "name": "r"}


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        pytest.param(
            ROLE, {"rules": [{"apiGroups": [""], "resources": ["pods"]}]},
            "rules[0].verbs: Required value: verbs must contain at least one value", id="no-verbs",
        ),
        pytest.param(
            ROLE, {"rules": [{"verbs": ["get"], "resources": ["pods"]}]},
            "rules[0].apiGroups: Required value: resource rules must supply at least one api group", id="no-group",
        ),
        pytest.param(
            CLUSTER_ROLE, {"rules": [{"verbs": ["get"], "apiGroups": [""]}]},
            "rules[0].resources: Required value: resource rules must supply at least one resource", id="no-resource",
        ),
        pytest.param(
            ROLE, {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]},
            'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
            id="path-in-a-namespace",
        ),
        pytest.param(
            CLUSTER_ROLE, {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"], "resources": ["pods"]}]},
            "rules cannot apply to both regular resources and non-resource URLs", id="both",
        ),
        pytest.param(
            CLUSTER_ROLE, {"aggregationRule": {}},
            "at least one clusterRoleSelector required if aggregationRule is non-nil", id="aggregates-nothing",
        ),
        pytest.param(
            ROLE_BINDING, {"roleRef": {"kind": "Rule", "name": "r"}},
            'roleRef.kind: Unsupported value: "Rule": supported values: "ClusterRole", "Role"', id="kind-of-role",
        ),
        pytest.param(
            CLUSTER_ROLE_BINDING, {"roleRef": TO_ROLE},
            'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"', id="cluster-wide-role",
        ),
        pytest.param(ROLE_BINDING, {"roleRef": {"kind": "Role"}}, "roleRef.name: Required value", id="nameless-role"),
        pytest.param(
            ROLE_BINDING, {"roleRef": TO_ROLE, "subjects": [{"kind": "Robot", "name": "x"}]},
            'subjects[0].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"',
            id="kind-of-subject",
        ),
        pytest.param(
            CLUSTER_ROLE_BINDING,
            {"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "x"}]},
            "subjects[0].namespace: Required value", id="account-of-no-namespace",
        ),
        pytest.param(
            CERTIFICATE_SIGNING_REQUEST, {"spec": {"request": "bm8=", "usages": ["client auth"]}},
            "PEM block type must be CERTIFICATE REQUEST", id="no-request",
        ),
        pytest.param(
            CERTIFICATE_SIGNING_REQUEST, {"spec": {"signerName": "me", "usages": ["fun"], "expirationSeconds": 60}},
            "must be a fully qualified domain and path of the form 'example.com/signer-name'", id="signer",
        ),
        pytest.param(
            CERTIFICATE_SIGNING_REQUEST, {"spec": {"expirationSeconds": 60}},
            "may not specify a duration less than 600 seconds (10 minutes)", id="too-short",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(kind: Kind, fields: dict[str, Any], expected: str) -> None:
    assert expected in refusal(kind, fields)


def test_groups_of_roles_and_subjects_are_filled_in() -> None:
    subjects = [{"kind": "User", "name": "jane"}, {"kind": "ServiceAccount", "name": "x"}]
    binding = created(ROLE_BINDING, {"roleRef": {"kind": "Role", "name": "r"}, "subjects": subjects})
    assert binding["roleRef"]["apiGroup"] == GROUP
    assert [subject.get("apiGroup") for subject in binding["subjects"]] == [GROUP, None]


def test_binding_keeps_its_role() -> None:
    binding = created(ROLE_BINDING, {"roleRef": dict(TO_ROLE)})
    with pytest.raises(Invalid, match="cannot change roleRef"):
        updated(ROLE_BINDING, binding, {**binding, "roleRef": {**TO_ROLE, "name": "other"}})


def approval(before: list[str], after: list[str], path: str) -> None:
    def request(types: list[str]) -> dict[str, Any]:
        conditions = [{"type": name, "status": "True"} for name in types]
        return {"metadata": {"name": "x"}, "spec": {}, "status": {"conditions": conditions}}

    kind = CERTIFICATE_SIGNING_REQUEST
    strategy.prepare_subresource(kind, kind.subresources[path], request(after), request(before), CONTEXT)


def test_verdicts_are_passed_by_approval_alone_and_stay() -> None:
    approval([], ["Approved"], "approval")
    with pytest.raises(Invalid, match='may not add a condition of type "Approved"'):
        approval([], ["Approved"], "status")
    with pytest.raises(Invalid, match='may not remove a condition of type "Denied"'):
        approval(["Denied"], [], "approval")
    with pytest.raises(Invalid, match="mutually exclusive"):
        approval(["Approved"], ["Approved", "Denied"], "approval")
