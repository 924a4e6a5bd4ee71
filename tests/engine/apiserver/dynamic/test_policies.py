"""Policies in CEL that change and that judge: what expressions see, what they build, and what is told of failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS, Resource
from engine.apiserver.cel.building import finished
from engine.apiserver.cel.program import Budget, evaluate
from tests.engine.apiserver.dynamic.test_admission import BINDINGS, MUTATING, POLICIES, configuration, patched
from tests.engine.apiserver.hooks import RULE, Hooks
from tests.engine.conftest import RunningEngine, start_engine, stop_engine

Json = dict[str, Any]
GROUP = "admissionregistration.k8s.io"
MUTATIONS = Resource(GROUP, "v1", "mutatingadmissionpolicies", "MutatingAdmissionPolicy", namespaced=False)
MUTATION_BINDINGS = Resource(
    GROUP, "v1", "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", namespaced=False
)
DEPLOYMENT_RULE = {
    "operations": ["CREATE", "UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"],
}  # fmt: skip


def config_map(name: str = "a", **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str = "web", **spec: Any) -> Json:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "x"}]},
            },
            **spec,
        },
    }  # fmt: skip


def apply(expression: str) -> Json:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def patch(expression: str) -> Json:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


async def mutate(engine: RunningEngine, name: str, *mutations: Json, **more: Any) -> None:
    """Make a policy and its binding."""
    binding = more.pop("binding", {})
    rules = more.pop("rules", [{**RULE, "operations": ["CREATE", "UPDATE"]}])
    spec = {
        "matchConstraints": {"resourceRules": rules}, "mutations": list(mutations), "reinvocationPolicy": "Never",
        **more,
    }  # fmt: skip
    policy = {"apiVersion": f"{GROUP}/v1", "kind": MUTATIONS.kind, "metadata": {"name": name}, "spec": spec}
    bound = {
        "apiVersion": f"{GROUP}/v1", "kind": MUTATION_BINDINGS.kind, "metadata": {"name": f"{name}-b"},
        "spec": {"policyName": name, **binding},
    }  # fmt: skip
    await engine.client.create(MUTATIONS, policy)
    await engine.client.create(MUTATION_BINDINGS, bound)


async def judge(
    engine: RunningEngine, name: str, *validations: Json, actions: tuple[str, ...] = ("Deny",), **more: Any
) -> None:
    """Make a policy that judges, and its binding."""
    binding = more.pop("binding", {})
    rules = more.pop("rules", [{**RULE, "operations": ["CREATE", "UPDATE"]}])
    spec = {"matchConstraints": {"resourceRules": rules}, "validations": list(validations), **more}
    policy = {"apiVersion": f"{GROUP}/v1", "kind": POLICIES.kind, "metadata": {"name": name}, "spec": spec}
    bound = {
        "apiVersion": f"{GROUP}/v1", "kind": BINDINGS.kind, "metadata": {"name": f"{name}-b"},
        "spec": {"policyName": name, "validationActions": list(actions), **binding},
    }  # fmt: skip
    await engine.client.create(POLICIES, policy)
    await engine.client.create(BINDINGS, bound)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        pytest.param("Object{spec: Object.spec{replicas: 1 + 2}}", {"spec": {"replicas": 3}}, id="nested"),
        pytest.param("Object{?spec: object.?nothing, metadata: Object.metadata{}}", {"metadata": {}}, id="optional"),
        pytest.param(
            "Object{spec: Object.spec{containers: object.names.map(n, Object.spec.containers{name: n})}}",
            {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}, id="in-lists",
        ),
        pytest.param("{'a/b': 1}", {"a/b": 1}, id="maps-stay-maps"),
    ],
)  # fmt: skip
def test_expressions_build_objects(source: str, value: Any) -> None:
    assert finished(evaluate(source, {"object": {"names": ["a", "b"]}}, Budget())) == value


def test_an_object_in_the_wrong_place_is_refused() -> None:
    built = evaluate("Object{spec: Object.spec{selector: Object.spec.wrong{}}}", {}, Budget())
    with pytest.raises(ValueError, match='unexpected type name "Object.spec.wrong", expected "Object.spec.selector"'):
        finished(built)


async def test_configuration_is_merged_as_an_apply_would(engine: RunningEngine) -> None:
    side = "Object.spec.template.spec.containers{name: 'proxy', image: 'proxy:' + variables.tag}"
    tagged = "Object.spec.template.spec.containers{name: 'main', env: [Object.spec.template.spec.containers.env{name: 'A', value: 'b'}]}"
    await mutate(
        engine, "sidecar",
        apply(f"Object{{spec: Object.spec{{template: Object.spec.template{{spec: Object.spec.template.spec{{containers: [{side}, {tagged}]}}}}}}}}"),
        apply("Object{metadata: Object.metadata{labels: {'count': string(size(object.spec.template.spec.containers))}}}"),
        rules=[DEPLOYMENT_RULE],
        variables=[{"name": "tag", "expression": "namespaceObject.metadata.name"}],
        matchConditions=[{"name": "own", "expression": "object.metadata.name != 'left-alone'"}],
    )  # fmt: skip
    made = await engine.client.create(DEPLOYMENTS, deployment(), "default")
    containers = made["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["image"] for one in containers} == {"main": "x", "proxy": "proxy:default"}
    proxy = next(one for one in containers if one["name"] == "proxy")
    assert proxy["imagePullPolicy"] == "IfNotPresent", "what a policy adds gets its defaults"
    assert made["metadata"]["labels"] == {"count": "2"}, "a later mutation sees what an earlier one did"
    again = await engine.client.update(DEPLOYMENTS, made)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"], "nothing is changed twice"
    alone = await engine.client.create(DEPLOYMENTS, deployment("left-alone"), "default")
    assert len(alone["spec"]["template"]["spec"]["containers"]) == 1


async def test_patches_are_built_with_escaped_keys_parameters_and_tests(engine: RunningEngine) -> None:
    await engine.client.create(CONFIGMAPS, config_map("values", color="red"), "default")
    await mutate(
        engine, "patching",
        patch("[JSONPatch{op: 'test', path: '/data/kind', value: 'old'}, JSONPatch{op: 'replace', path: '/data/kind', value: 'new'}]"),
        patch("[JSONPatch{op: 'add', path: '/metadata/labels', value: {}},"
              " JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('example.com/color'), value: params.data.color}]"),
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        matchConditions=[{"name": "not-params", "expression": "object.metadata.name != 'values'"}],
        binding={"paramRef": {"name": "values", "namespace": "default", "parameterNotFoundAction": "Deny"}},
    )  # fmt: skip
    old = await engine.client.create(CONFIGMAPS, config_map("old", kind="old"), "default")
    other = await engine.client.create(CONFIGMAPS, config_map("other", kind="x"), "default")
    assert (old["data"]["kind"], other["data"]["kind"]) == ("new", "x"), "a test that does not hold changes nothing"
    assert old["metadata"]["labels"] == other["metadata"]["labels"] == {"example.com/color": "red"}
    await engine.client.delete(CONFIGMAPS, "values", "default")
    with pytest.raises(StatusError) as refused:
        await engine.client.create(CONFIGMAPS, config_map("b"), "default")
    assert refused.value.message == (
        "policy 'patching' with binding 'patching-b' denied request: failed to configure binding:"
        " no params found for policy binding with `Deny` parameterNotFoundAction"
    )
    assert refused.value.code == 403


@pytest.mark.parametrize(
    ("mutation", "text"),
    [
        pytest.param(
            apply("Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'b'}}}}"),
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector",
            id="atomic",
        ),
        pytest.param(
            apply("Object{spec: Object.spec{replica: 1}}"),
            "error applying patch: failed to convert patch object to typed object: .spec.replica: field not declared in schema",
            id="unknown-field",
        ),
        pytest.param(
            apply("Object{spec: Object.wrong{}}"), 'type mismatch: unexpected type name "Object.wrong", expected "Object.spec"',
            id="wrong-type",
        ),
        pytest.param(patch("[JSONPatch{op: 'remove', path: '/metadata/labels/a'}]"), "JSONPath: ", id="no-such-path"),
        pytest.param(apply("Object{spec: Object.spec{replicas: object.nothing}}"), "resulted in error: no such key: nothing", id="cel"),
    ],
)  # fmt: skip
async def test_failed_mutations_refuse_or_are_left_out(engine: RunningEngine, mutation: Json, text: str) -> None:
    await mutate(engine, "bad", mutation, rules=[DEPLOYMENT_RULE])
    with pytest.raises(StatusError) as refused:
        await engine.client.create(DEPLOYMENTS, deployment(), "default")
    assert refused.value.message.startswith("policy 'bad' with binding 'bad-b' denied request: ")
    assert text in refused.value.message
    assert (refused.value.code, refused.value.reason) == (403, "Invalid")
    await engine.client.patch(MUTATIONS, "bad", {"spec": {"failurePolicy": "Ignore"}}, kind="merge")
    await engine.client.create(DEPLOYMENTS, deployment(), "default")


async def test_policies_change_before_webhooks_and_look_again_when_they_asked_to(
    engine: RunningEngine, hooks: Hooks
) -> None:
    count = "Object{data: {'seen': string(size(object.data))}}"
    await mutate(engine, "again", apply(count), reinvocationPolicy="IfNeeded")
    await mutate(engine, "once", apply("Object{data: {'once': string(size(object.data))}}"))
    hooks.answers["/add"] = lambda _: patched({"op": "add", "path": "/data/hook", "value": "yes"})
    await engine.client.create(
        MUTATING, configuration(MUTATING, "m", hooks.webhook("add", rules=[{**RULE, "operations": ["CREATE"]}]))
    )
    made = await engine.client.create(CONFIGMAPS, config_map(x="1"), "default")
    assert made["data"] == {"x": "1", "seen": "4", "once": "2", "hook": "yes"}
    assert hooks.asked[0][1]["object"]["data"] == {"x": "1", "seen": "1", "once": "2"}


async def test_kubectl_creates_through_a_mutating_policy(engine: RunningEngine) -> None:
    manifest = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: labels.example.com}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  failurePolicy: Fail
  reinvocationPolicy: IfNeeded
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: >
        Object{
          metadata: Object.metadata{ labels: {"by": request.userInfo.username} },
          spec: Object.spec{ terminationGracePeriodSeconds: 1 }
        }
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: labels}
spec: {policyName: labels.example.com}
"""
    await engine.kubectl("apply", "-f", "-", stdin=manifest)
    await engine.kubectl("run", "p", "--image=x")
    made = await engine.client.get(PODS, "p", "default")
    assert made["metadata"]["labels"] == {"run": "p", "by": "pilothouse-admin"}
    assert made["spec"]["terminationGracePeriodSeconds"] == 1
    shown = await engine.kubectl("get", "mutatingadmissionpolicies")
    assert shown.out.split()[:7] == ["NAME", "MUTATIONS", "PARAMKIND", "AGE", "labels.example.com", "1", "<unset>"]


async def test_judges_may_ask_the_authorizer(engine: RunningEngine) -> None:
    await judge(
        engine, "rights",
        {"expression": "authorizer.requestResource.check('approve').allowed()", "message": "approvers only"},
        {"expression": "!authorizer.serviceAccount('default', 'x').group('').resource('secrets').namespace('default').check('get').allowed()"},
        {"expression": "authorizer.path('/healthz').check('get').allowed()"},
    )  # fmt: skip
    await engine.client.create(CONFIGMAPS, config_map(), "default")
    await engine.kubectl("create", "role", "r", "--verb=create", "--resource=configmaps")
    await engine.kubectl("create", "rolebinding", "r", "--role=r", "--user=jane")
    ran = await engine.kubectl("create", "configmap", "b", "--as=jane", check=False)
    assert ran.err == (
        "error: failed to create configmap: configmaps \"b\" is forbidden: ValidatingAdmissionPolicy 'rights' with"
        " binding 'rights-b' denied request: approvers only\n"
    )


async def test_parameters_may_be_chosen_by_labels_and_each_counts(engine: RunningEngine) -> None:
    for name, most in (("one", "5"), ("two", "2")):
        made = config_map(name, most=most)
        made["metadata"]["labels"] = {"limit": "yes"}
        await engine.client.create(CONFIGMAPS, made, "default")
    await judge(
        engine, "few", {"expression": "size(object.data) <= int(params.data.most)", "messageExpression": "'more than ' + params.data.most"},
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        matchConditions=[{"name": "m", "expression": "request.name != 'two'"}],
        binding={"paramRef": {"selector": {"matchLabels": {"limit": "yes"}}, "parameterNotFoundAction": "Allow"}},
    )  # fmt: skip
    with pytest.raises(StatusError, match="more than 2"):
        await engine.client.create(CONFIGMAPS, config_map(a="1", b="2", c="3"), "default")
    await engine.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    await engine.client.create(CONFIGMAPS, config_map(a="1", b="2", c="3"), "n")


async def test_unknown_parameters_are_a_fault_of_the_policy(engine: RunningEngine) -> None:
    await judge(
        engine, "p", {"expression": "true"}, paramKind={"apiVersion": "rules.example.com/v1", "kind": "Limit"},
        binding={"paramRef": {"name": "x", "parameterNotFoundAction": "Allow"}},
    )  # fmt: skip
    with pytest.raises(StatusError) as refused:
        await engine.client.create(CONFIGMAPS, config_map(), "default")
    assert refused.value.message.endswith(
        "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced"
        " by paramKind: 'rules.example.com/v1, Kind=Limit'"
    )


async def test_findings_and_annotations_are_noted_in_the_audit_log(tmp_path: Path) -> None:
    engine, task = await start_engine(tmp_path / "data", controllers=False, audit_log=True)
    try:
        await judge(
            engine, "noting", {"expression": "size(object.data) < 2", "message": "too much"}, actions=("Audit", "Warn"),
            auditAnnotations=[
                {"key": "size", "valueExpression": "string(size(object.data))"},
                {"key": "none", "valueExpression": "null"},
            ],
        )  # fmt: skip
        ran = await engine.kubectl("create", "configmap", "x", "--from-literal=a=1", "--from-literal=b=2")
        assert "Validation failed for ValidatingAdmissionPolicy 'noting' with binding 'noting-b': too much" in ran.err
    finally:
        await stop_engine(engine, task)
    events = [json.loads(line) for line in (tmp_path / "data/audit.log").read_text().splitlines()]
    notes = next(
        event["annotations"]
        for event in events
        if event.get("objectRef", {}).get("resource") == "configmaps" and event["verb"] == "create"
    )
    assert notes["noting/size"] == "2"
    assert "noting/none" not in notes
    assert json.loads(notes["validation.policy.admission.k8s.io/validation_failure"]) == [
        {
            "message": "too much", "policy": "noting", "binding": "noting-b", "expressionIndex": 0,
            "validationActions": ["Audit", "Warn"],
        }
    ]  # fmt: skip


async def test_broken_variables_are_the_fault_of_who_uses_them(engine: RunningEngine) -> None:
    await judge(
        engine, "v", {"expression": "variables.x == 1 || variables.fine"},
        variables=[{"name": "x", "expression": "object.nothing"}, {"name": "fine", "expression": "true"}],
    )  # fmt: skip
    with pytest.raises(StatusError, match='composited variable "x" fails to evaluate: no such key: nothing'):
        await engine.client.create(CONFIGMAPS, config_map(), "default")


async def test_policies_see_objects_of_other_versions_as_the_version_they_name(engine: RunningEngine) -> None:
    rule = {
        "operations": ["CREATE"],
        "apiGroups": ["autoscaling"],
        "apiVersions": ["v1"],
        "resources": ["horizontalpodautoscalers"],
    }
    await judge(
        engine,
        "old",
        {"expression": "object.spec.targetCPUUtilizationPercentage < 60 && request.requestKind.version == 'v2'"},
        rules=[rule],
    )
    await engine.client.create(SCALERS, scaler("a", 50), "default")
    with pytest.raises(StatusError, match="'old' with binding 'old-b' denied request: failed expression"):
        await engine.client.create(SCALERS, scaler("b", 70), "default")
    await engine.client.patch(POLICIES, "old", {"spec": {"matchConstraints": {"matchPolicy": "Exact"}}}, kind="merge")
    await engine.client.create(SCALERS, scaler("b", 70), "default")


SCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", namespaced=True)


def scaler(name: str, utilization: int) -> Json:
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }  # fmt: skip


async def test_policies_that_do_not_compile_are_refused(engine: RunningEngine) -> None:
    with pytest.raises(StatusError) as refused:
        await judge(
            engine, "bad", {"expression": "object.", "messageExpression": "'a' +"},
            variables=[{"name": "v", "expression": "1 +"}],
            matchConditions=[{"name": "c", "expression": ")"}],
            auditAnnotations=[{"key": "k", "valueExpression": "["}],
        )  # fmt: skip
    causes = {cause["field"]: cause["message"] for cause in (refused.value.details or {})["causes"]}
    assert set(causes) == {
        "spec.matchConditions[0].expression", "spec.variables[0].expression", "spec.validations[0].expression",
        "spec.validations[0].messageExpression", "spec.auditAnnotations[0].valueExpression",
    }  # fmt: skip
    assert causes["spec.validations[0].expression"].startswith('Invalid value: "object.": compilation failed: ERROR: ')
    with pytest.raises(StatusError) as refused:
        await mutate(engine, "bad", apply("Object{"), {"patchType": "JSONPatch"}, {"patchType": "Merge"})
    causes = {cause["field"]: cause["message"] for cause in (refused.value.details or {})["causes"]}
    assert causes["spec.mutations[0].applyConfiguration.expression"].startswith('Invalid value: "Object{": compilation')
    assert causes["spec.mutations[1].jsonPatch"].startswith("Required value")
    assert causes["spec.mutations[2].patchType"].startswith('Unsupported value: "Merge"')
