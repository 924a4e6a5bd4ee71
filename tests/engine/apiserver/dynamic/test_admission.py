"""Webhooks over real HTTPS, and policies in CEL: who is asked, what they change, and what is said when they refuse."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import CONFIGMAPS, NAMESPACES, Resource
from tests.engine.apiserver.custom.test_conversion import V2, defined, point
from tests.engine.apiserver.hooks import RULE, Hooks
from tests.engine.conftest import RunningEngine

Json = dict[str, Any]
GROUP = "admissionregistration.k8s.io"
MUTATING = Resource(GROUP, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", namespaced=False)
VALIDATING = Resource(
    GROUP, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", namespaced=False
)
POLICIES = Resource(GROUP, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False)
BINDINGS = Resource(
    GROUP, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", namespaced=False
)


def configuration(resource: Resource, name: str, *webhooks: Json) -> Json:
    return {
        "apiVersion": f"{GROUP}/v1", "kind": resource.kind, "metadata": {"name": name}, "webhooks": list(webhooks),
    }  # fmt: skip


def config_map(name: str = "a", **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def patched(*operations: Json) -> Json:
    return {
        "allowed": True,
        "patchType": "JSONPatch",
        "patch": base64.b64encode(json.dumps(operations).encode()).decode(),
    }


async def test_mutating_webhooks_change_in_order_and_look_again_when_they_asked_to(
    engine: RunningEngine, hooks: Hooks
) -> None:
    def seal(asked: Json) -> Json:
        count = str(len(asked["object"]["data"]))
        return patched({"op": "add", "path": "/data/sealed", "value": count})

    hooks.answers["/seal"] = seal
    hooks.answers["/add"] = lambda _: patched({"op": "add", "path": "/data/added", "value": "yes"})
    webhooks = (hooks.webhook("seal", reinvocationPolicy="IfNeeded"), hooks.webhook("add"))
    await engine.client.create(MUTATING, configuration(MUTATING, "m", *webhooks))
    made = await engine.client.create(CONFIGMAPS, config_map(x="1"), "default")
    assert made["data"] == {"x": "1", "added": "yes", "sealed": "3"}
    assert [path for path, _ in hooks.asked] == ["/seal", "/add", "/seal"]
    asked = hooks.asked[0][1]
    assert (asked["operation"], asked["namespace"], asked["dryRun"]) == ("CREATE", "default", False)
    assert asked["userInfo"]["username"] == "pilothouse-admin"


async def test_validating_webhook_refuses_in_upstreams_words_and_warns(engine: RunningEngine, hooks: Hooks) -> None:
    hooks.answers["/judge"] = lambda asked: {
        "allowed": (asked["object"] or {}).get("data", {}).get("x") != "bad",
        "status": {"code": 403, "message": "x is bad"},
        "warnings": ["mind the gap"],
    }
    await engine.client.create(VALIDATING, configuration(VALIDATING, "v", hooks.webhook("judge")))
    with pytest.raises(StatusError) as refused:
        await engine.client.create(CONFIGMAPS, config_map(x="bad"), "default")
    assert refused.value.message == 'admission webhook "judge.hooks.example.com" denied the request: x is bad'
    assert refused.value.code == 403
    await engine.client.create(CONFIGMAPS, config_map(x="good"), "default")
    ran = await engine.kubectl("label", "configmap", "a", "k=v")
    assert "Warning: mind the gap" in ran.err
    await engine.client.delete(CONFIGMAPS, "a", "default")
    operations = [asked["operation"] for _, asked in hooks.asked]
    assert operations == ["CREATE", "CREATE", "UPDATE", "DELETE"]


async def test_webhook_that_does_not_answer_fails_or_is_ignored(engine: RunningEngine, hooks: Hooks) -> None:
    hooks.answers["/slow"] = lambda _: {"allowed": True, "slow": True}
    hook = hooks.webhook("slow", timeoutSeconds=1)
    made = await engine.client.create(VALIDATING, configuration(VALIDATING, "v", hook))
    with pytest.raises(StatusError, match='failed calling webhook "slow.hooks.example.com".*context deadline exceeded'):
        await engine.client.create(CONFIGMAPS, config_map(), "default")
    made["webhooks"][0]["failurePolicy"] = "Ignore"
    await engine.client.update(VALIDATING, made)
    await engine.client.create(CONFIGMAPS, config_map(), "default")


async def test_selectors_and_conditions_choose_who_is_asked(engine: RunningEngine, hooks: Hooks) -> None:
    hooks.answers["/no"] = lambda _: {"allowed": False}
    hook = hooks.webhook(
        "no",
        namespaceSelector={"matchLabels": {"guarded": "yes"}},
        matchConditions=[{"name": "not-system", "expression": "!object.metadata.name.startsWith('free-')"}],
    )
    await engine.client.create(VALIDATING, configuration(VALIDATING, "v", hook))
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "g", "labels": {"guarded": "yes"}}}
    await engine.client.create(NAMESPACES, namespace)
    await engine.client.create(CONFIGMAPS, config_map(), "default")
    await engine.client.create(CONFIGMAPS, config_map("free-a"), "g")
    with pytest.raises(StatusError, match="denied the request without explanation"):
        await engine.client.create(CONFIGMAPS, config_map(), "g")
    with pytest.raises(StatusError):
        await engine.client.create(CONFIGMAPS, config_map(), "g", dry_run=True)
    assert hooks.asked[-1][1]["dryRun"] is True


def policy(name: str, *validations: Json, **more: Any) -> Json:
    return {
        "apiVersion": f"{GROUP}/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [{**RULE, "operations": ["CREATE", "UPDATE"]}]},
            "validations": list(validations), **more,
        },
    }  # fmt: skip


def binding(name: str, *actions: str, **more: Any) -> Json:
    return {
        "apiVersion": f"{GROUP}/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": f"{name}-b"},
        "spec": {"policyName": name, "validationActions": list(actions), **more},
    }  # fmt: skip


async def test_policy_denies_what_its_rule_does_not_allow(engine: RunningEngine) -> None:
    rule = {"expression": "variables.count <= int(params.data.most)"}
    await engine.client.create(CONFIGMAPS, config_map("limits", most="2"), "default")
    await engine.client.create(
        POLICIES,
        policy(
            "few", rule,
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
            variables=[{"name": "count", "expression": "has(object.data) ? size(object.data) : 0"}],
        ),
    )  # fmt: skip
    await engine.client.create(CONFIGMAPS, config_map("before", a="1", b="2", c="3"), "default")
    reference = {"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"}
    await engine.client.create(BINDINGS, binding("few", "Deny", paramRef=reference))
    with pytest.raises(StatusError) as refused:
        await engine.client.create(CONFIGMAPS, config_map(a="1", b="2", c="3"), "default")
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    assert refused.value.message == (
        "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'few' with binding 'few-b' denied request: "
        "failed expression: variables.count <= int(params.data.most)"
    )
    await engine.client.create(CONFIGMAPS, config_map(a="1", b="2"), "default")


async def test_policy_may_only_warn(engine: RunningEngine) -> None:
    await engine.client.create(POLICIES, policy("w", {"expression": "false", "messageExpression": "'not ' + 'nice'"}))
    await engine.client.create(BINDINGS, binding("w", "Warn"))
    ran = await engine.kubectl("create", "configmap", "x", "--from-literal=a=b")
    assert "Warning: Validation failed for ValidatingAdmissionPolicy 'w' with binding 'w-b': not nice" in ran.err


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param({"uid": "other", "allowed": True}, 'expected response.uid="', id="uid"),
        pytest.param(
            {"allowed": True, "patch": "W10="}, "webhook returned response.patch but not response.patchType", id="type"
        ),
        pytest.param(
            {"allowed": True, "patchType": "JSONPatch"},
            "webhook returned response.patchType but not response.patch", id="patch",
        ),
    ],
)  # fmt: skip
async def test_answers_that_are_none_are_refused(engine: RunningEngine, hooks: Hooks, answer: Json, text: str) -> None:
    hooks.answers["/odd"] = lambda _: answer
    await engine.client.create(MUTATING, configuration(MUTATING, "m", hooks.webhook("odd")))
    with pytest.raises(StatusError) as refused:
        await engine.client.create(CONFIGMAPS, config_map(), "default")
    start = (
        'Internal error occurred: failed calling webhook "odd.hooks.example.com": received invalid webhook response: '
    )
    assert refused.value.message.startswith(start + text)


async def test_dry_run_asks_only_webhooks_without_side_effects(engine: RunningEngine, hooks: Hooks) -> None:
    hooks.answers["/some"] = lambda _: {"allowed": True}
    for resource in (MUTATING, VALIDATING):
        hook = hooks.webhook("some", sideEffects="NoneOnDryRun")
        await engine.client.create(resource, configuration(resource, "none", hook))
    await engine.client.create(CONFIGMAPS, config_map(), "default", dry_run=True)
    assert [asked["dryRun"] for _, asked in hooks.asked] == [True, True]


async def test_conditions_that_cannot_be_judged_refuse_or_leave_the_webhook_out(
    engine: RunningEngine, hooks: Hooks
) -> None:
    hooks.answers["/no"] = lambda _: {"allowed": False}
    conditions = [{"name": "c", "expression": "object.data.missing == 'x'"}]
    made = await engine.client.create(
        VALIDATING, configuration(VALIDATING, "v", hooks.webhook("no", matchConditions=conditions))
    )
    with pytest.raises(StatusError) as refused:
        await engine.client.create(CONFIGMAPS, config_map(), "default")
    assert refused.value.code == 403
    assert refused.value.message == (
        "configmaps \"a\" is forbidden: expression 'object.data.missing == 'x'' resulted in error: no such key: missing"
    )
    made["webhooks"][0]["failurePolicy"] = "Ignore"
    await engine.client.update(VALIDATING, made)
    await engine.client.create(CONFIGMAPS, config_map(), "default")
    assert not hooks.asked


async def test_webhook_is_asked_in_the_version_that_it_names(engine: RunningEngine, hooks: Hooks) -> None:
    await defined(engine.client, hooks)
    rule = {"operations": ["CREATE"], "apiGroups": ["geo.example.com"], "apiVersions": ["v1"], "resources": ["points"]}
    hooks.answers["/move"] = lambda asked: patched(
        {"op": "replace", "path": "/spec/at", "value": asked["object"]["spec"]["at"] + "0"}
    )
    await engine.client.create(MUTATING, configuration(MUTATING, "m", hooks.webhook("move", rules=[rule])))
    made = await engine.client.create(V2, point(), "default")
    assert made["spec"] == {"x": 1, "y": 20, "unit": "m"}
    asked = next(asked for path, asked in hooks.asked if path == "/move")
    assert (asked["resource"]["version"], asked["requestResource"]["version"]) == ("v1", "v2")
    assert asked["object"]["apiVersion"] == "geo.example.com/v1"
    exact = hooks.webhook("move", rules=[rule], matchPolicy="Exact")
    await engine.client.patch(MUTATING, "m", {"webhooks": [exact]}, kind="merge")
    assert (await engine.client.create(V2, point("b"), "default"))["spec"]["y"] == 2


async def test_hooks_see_what_is_sent_to_paths_below_an_object(engine: RunningEngine, hooks: Hooks) -> None:
    rule = {
        "operations": ["*"],
        "apiGroups": ["", "apps"],
        "apiVersions": ["v1"],
        "resources": ["pods/*", "deployments/*"],
    }
    hooks.answers["/look"] = lambda _: {"allowed": True}
    hooks.answers["/more"] = lambda asked: (
        patched({"op": "replace", "path": "/spec/replicas", "value": 5})
        if asked["kind"]["kind"] == "Scale"
        else {"allowed": True}
    )
    await engine.kubectl("create", "deployment", "web", "--image=x")
    await engine.kubectl("run", "p", "--image=x")
    await engine.client.create(MUTATING, configuration(MUTATING, "m", hooks.webhook("more", rules=[rule])))
    await engine.client.create(VALIDATING, configuration(VALIDATING, "v", hooks.webhook("look", rules=[rule])))
    await engine.kubectl("scale", "deployment", "web", "--replicas=2")
    shown = await engine.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}")
    assert shown.out == "5"
    asked = {path: asked for path, asked in hooks.asked if asked["resource"]["resource"] == "deployments"}
    assert asked["/more"]["object"]["spec"] == {"replicas": 2}
    assert asked["/look"]["object"]["spec"] == {"replicas": 5}
    assert asked["/look"]["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert (asked["/look"]["subResource"], asked["/look"]["operation"]) == ("scale", "UPDATE")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    path, headers = "/api/v1/namespaces/default/pods/p/eviction", {"content-type": "application/json"}
    hooks.answers["/look"] = lambda _: {"allowed": False}
    with pytest.raises(StatusError, match="denied the request without explanation"):
        await engine.client.call("POST", path, headers=headers, body=json.dumps(eviction).encode())
    seen = hooks.asked[-1][1]
    assert seen["kind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}
    assert (seen["resource"]["resource"], seen["subResource"], seen["operation"]) == ("pods", "eviction", "CREATE")


async def test_webhook_with_a_broken_bundle_is_not_taken(engine: RunningEngine, hooks: Hooks) -> None:
    hook = hooks.webhook("x")
    hook["clientConfig"]["caBundle"] = "eA=="
    with pytest.raises(StatusError, match="unable to load root certificates: unable to parse bytes as PEM block"):
        await engine.client.create(MUTATING, configuration(MUTATING, "m", hook))
