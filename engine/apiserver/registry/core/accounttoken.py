"""What every pod is given to speak with the API: its account's token, the cluster's CA and its namespace.

Source: plugin/pkg/admission/serviceaccount/admission.go.
"""

from __future__ import annotations

from engine.apiserver.registry.kind import Json
from engine.apiserver.registry.metadata import generate_name

PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_PREFIX = "kube-api-access-"
_ROOT_CA = "kube-root-ca.crt"
# An odd number: by it the API server knows tokens that were injected from those that somebody asked for.
_SECONDS = 3607
_CONTAINERS = ("initContainers", "containers")


def mount_account_token(pod: Json, account: Json) -> None:
    """Add the volume to the pod, and mount it in containers that have nothing else at its place."""
    spec: Json = pod["spec"]
    wanted = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    if wanted is False:
        return
    volumes: list[Json] = spec.get("volumes") or []
    present = next((volume["name"] for volume in volumes if volume.get("name", "").startswith(_PREFIX)), "")
    name = present or generate_name(_PREFIX)
    bare = [
        container
        for field in _CONTAINERS
        for container in spec.get(field) or ()
        if all(mount.get("mountPath") != PATH for mount in container.get("volumeMounts") or ())
    ]
    for container in bare:
        mount = {"name": name, "readOnly": True, "mountPath": PATH}
        container["volumeMounts"] = [*(container.get("volumeMounts") or ()), mount]
    if bare and not present:
        spec["volumes"] = [*volumes, _volume(name)]


def _volume(name: str) -> Json:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "name": name,
        "projected": {
            "defaultMode": 0o644,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": _SECONDS, "path": "token"}},
                {"configMap": {"name": _ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [namespace]}},
            ],
        },
    }
