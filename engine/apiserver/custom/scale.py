"""The scale subresource of custom objects: where replicas stand is said by JSONPath. Pure.

Source: apiextensions-apiserver/pkg/registry/customresource/etcd.go.
"""

from __future__ import annotations

from apimachinery.objects.errors import Invalid, StatusError
from apimachinery.objects.field import invalid
from apimachinery.objects.jsonpath import first
from engine.apiserver.registry.kind import Json, Subresource

_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale(paths: Json) -> Subresource:
    """The subresource for the paths that a version names."""
    spec_path: str = paths["specReplicasPath"]
    status_path: str = paths["statusReplicasPath"]
    selector_path: str = paths.get("labelSelectorPath") or ""

    def project(obj: Json) -> Json:
        replicas = first(spec_path, obj)
        if not isinstance(replicas, int):
            text = f"Internal error occurred: the spec replicas field {spec_path!r} does not exist".replace("'", '"')
            raise StatusError(text, code=500, reason="InternalError")
        status: Json = {"replicas": first(status_path, obj) or 0}
        selector = first(selector_path, obj) if selector_path else None
        if selector:
            status["selector"] = selector
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {field: obj["metadata"][field] for field in _KEPT if field in obj["metadata"]},
            "spec": {"replicas": replicas} if replicas else {},
            "status": status,
        }

    def absorb(obj: Json, view: Json) -> None:
        replicas = view.get("spec", {}).get("replicas", 0)
        if replicas < 0:
            error = invalid("spec.replicas", replicas, "should be a non-negative integer")
            raise Invalid.of("Scale", "autoscaling", obj["metadata"]["name"], [error])
        *parents, last = spec_path.strip(".").split(".")
        at = obj
        for name in parents:
            at = at.setdefault(name, {})
        at[last] = replicas

    return Subresource(
        name="scale",
        verbs=("get", "patch", "update"),
        kind="Scale",
        group="autoscaling",
        version="v1",
        project=project,
        absorb=absorb,
    )
