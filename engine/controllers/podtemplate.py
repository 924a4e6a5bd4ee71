"""Pods made from a workload's template."""

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import Resource
from engine.controllers.actions import Json
from engine.controllers.ownership import owner_reference


def decode_template(template: msgspec.Raw) -> Json:
    """The template with `metadata` and `spec` present."""
    decoded: Json = msgspec.json.decode(template)
    return {**decoded, "metadata": decoded.get("metadata") or {}, "spec": decoded.get("spec") or {}}


def pod_of(template: Json, resource: Resource, owner: Object) -> Json:
    """A pod without a name, managed by `owner`. Metadata is copied, so that the caller may add to it."""
    source: Json = template["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": owner.metadata.namespace,
            "labels": dict(source.get("labels") or {}),
            "annotations": dict(source.get("annotations") or {}),
            "finalizers": list(source.get("finalizers") or ()),
            "ownerReferences": [owner_reference(resource, owner)],
        },
        "spec": template["spec"],
    }
