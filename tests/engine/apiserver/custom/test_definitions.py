"""What definitions may say of rules, paths, webhooks and groups, and what becomes of embedded objects."""

from __future__ import annotations

from typing import Any

import pytest

from apimachinery.client.client import Client
from apimachinery.objects.errors import Invalid, StatusError
from apimachinery.objects.resources import Resource
from engine.apiserver.custom.embedded import errors_of
from engine.apiserver.custom.structural import compile_schema
from engine.apiserver.registry.apiextensions.definition_rules import approval
from tests.engine.apiserver.custom.test_lifecycle import DEFINITIONS, established
from tests.engine.conftest import RunningEngine

Json = dict[str, Any]
WIDGETS = Resource("w.example.com", "v1", "widgets", "Widget", namespaced=True)


def definition(properties: Json, group: str = "w.example.com", **version: Any) -> Json:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **version}
            ],
        },
    }  # fmt: skip


async def causes(client: Client, made: Json) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        await client.create(DEFINITIONS, made)
    start = "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties"
    found = (refused.value.details or {})["causes"]
    return {cause["field"].removeprefix(start): cause["message"] for cause in found}


async def test_rules_are_judged_before_they_are_taken(engine: RunningEngine) -> None:
    text: Json = {"type": "string"}
    rules: dict[str, Json] = {
        "reason": {"rule": "true", "reason": "Because"},
        "path": {"rule": "true", "fieldPath": ".nowhere"},
        "lines": {"rule": "true &&\ntrue"},
        "blank": {"rule": "true", "message": " "},
        "old": {"rule": "true", "optionalOldSelf": True},
        "syntax": {"rule": "self."},
    }
    properties = {
        name: {"type": "object", "properties": {"a": text}, "x-kubernetes-validations": [rule]}
        for name, rule in rules.items()
    }
    item = {"type": "object", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}
    properties["list"] = {"type": "array", "items": item}
    found = await causes(engine.client, definition(properties))
    at = "x-kubernetes-validations[0]"
    assert found[f"[reason].{at}.reason"].startswith('Unsupported value: "Because": supported values:')
    assert found[f"[path].{at}.fieldPath"] == 'Invalid value: ".nowhere": must be a valid path'
    assert found[f"[lines].{at}.message"] == "Required value: message must be specified if rule contains line breaks"
    assert found[f"[blank].{at}.message"] == 'Invalid value: " ": must be non-empty if specified'
    assert found[f"[old].{at}.optionalOldSelf"].endswith("may not be set if oldSelf is not used in rule")
    assert "compilation failed: ERROR:" in found[f"[syntax].{at}.rule"]
    assert (
        "oldSelf cannot be used on the uncorrelatable portion of the schema within" in found[f"[list].items.{at}.rule"]
    )


async def test_selectable_fields_lead_to_plain_values(engine: RunningEngine) -> None:
    properties = {"color": {"type": "string"}, "parts": {"type": "array", "items": {"type": "string"}}}
    paths = [".spec.color", ".spec.parts", ".spec.nothing", ".metadata.name", ".spec.color"]
    made = definition(properties, selectableFields=[{"jsonPath": path} for path in paths])
    found = await causes(engine.client, made)
    where = "spec.versions[0].selectableFields"
    assert "must point to a field of type string, boolean or integer" in found[f"{where}[1].jsonPath"]
    assert "is an invalid path" in found[f"{where}[2].jsonPath"]
    assert "must not point to fields in metadata" in found[f"{where}[3].jsonPath"]
    assert found[f"{where}[4].jsonPath"] == 'Duplicate value: ".spec.color"'


async def test_conversion_webhooks_are_judged(engine: RunningEngine) -> None:
    made = definition({})
    client = {"url": "http://x/y", "caBundle": ""}
    made["spec"]["conversion"] = {
        "strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v9", "v9"]},
    }  # fmt: skip
    found = await causes(engine.client, made)
    path = "spec.conversion"
    assert "'https' is the only allowed URL scheme" in found[f"{path}.webhookClientConfig.url"]
    assert found[f"{path}.conversionReviewVersions[1]"] == 'Invalid value: "v9": duplicate version'
    assert found[f"{path}.conversionReviewVersions"].endswith("must include at least one of v1, v1beta1")


@pytest.mark.parametrize(
    ("annotation", "state"),
    [
        ("", "Missing"), ("unapproved, experiment", "Unapproved"), ("yes", "Invalid"),
        ("https://github.com/kubernetes/kubernetes/pull/1", "Approved"),
    ],
)  # fmt: skip
def test_approval_is_read_from_the_annotation(annotation: str, state: str) -> None:
    assert approval({"metadata": {"annotations": {"api-approved.kubernetes.io": annotation}}})[0] == state


async def test_kubernetes_own_groups_need_approval(engine: RunningEngine) -> None:
    made = definition({}, "widgets.k8s.io")
    found = await causes(engine.client, made)
    assert found["metadata.annotations[api-approved.kubernetes.io]"] == (
        'Required value: protected groups must have approval annotation "api-approved.kubernetes.io",'
        " see https://github.com/kubernetes/enhancements/pull/1111"
    )
    made["metadata"]["annotations"] = {"api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes/pull/1"}
    await engine.client.create(DEFINITIONS, made)
    conditions = (await established(engine.client, "widgets.widgets.k8s.io"))["status"]["conditions"]
    assert next(one for one in conditions if one["type"] == "KubernetesAPIApprovalPolicyConformant")["reason"] == (
        "ApprovedAnnotation"
    )


EMBEDDED = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}


@pytest.mark.parametrize(
    ("obj", "texts"),
    [
        pytest.param({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"a": "b"}}}, [], id="fine"),
        pytest.param({}, ["t.apiVersion: Required value", "t.kind: Required value"], id="bare"),
        pytest.param(
            {"apiVersion": "a/b/c", "kind": "A_b"},
            ["t.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c", "t.kind: Invalid value"],
            id="odd-type",
        ),
        pytest.param(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a/b", "namespace": "A", "labels": {"x": "y z"}}},
            ["t.metadata.name: Invalid value: \"a/b\": may not contain '/'", "t.metadata.namespace: Invalid value",
             "t.metadata.labels: Invalid value"], id="odd-metadata",
        ),
    ],
)  # fmt: skip
def test_embedded_objects_are_judged(obj: Json, texts: list[str]) -> None:
    found = [str(error) for error in errors_of({"t": obj}, compile_schema({"properties": {"t": EMBEDDED}}))]
    assert len(found) == len(texts)
    assert all(error.startswith(text) for error, text in zip(found, texts, strict=True))


async def test_embedded_metadata_is_pruned_and_typed(engine: RunningEngine) -> None:
    await engine.client.create(DEFINITIONS, definition({"template": EMBEDDED, "other": {"type": "string"}}))
    await established(engine.client, "widgets.w.example.com")
    template: Json = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "unheard": 1, "labels": {"a": "b"}}, "spec": {"x": 1},
    }  # fmt: skip
    widget = {
        "apiVersion": "w.example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"template": template},
    }  # fmt: skip
    made = await engine.client.create(WIDGETS, widget, "default")
    assert made["spec"]["template"] == {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"a": "b"}}, "spec": {"x": 1},
    }  # fmt: skip
    template["metadata"] = {"labels": "x"}
    widget["metadata"] = {"name": "v"}
    with pytest.raises(StatusError, match="cannot unmarshal string into Go struct field"):
        await engine.client.create(WIDGETS, widget, "default")
    shown = await engine.kubectl("explain", "widgets.spec.template")
    assert "template" in shown.out
    assert "<Object>" in shown.out or "<object>" in shown.out.lower()
