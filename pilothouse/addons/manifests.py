"""What an add-on consists of, and bringing it into a cluster and out of it."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

from apimachinery.client.client import Client
from apimachinery.objects.errors import NotFound
from apimachinery.objects.meta import Object
from apimachinery.objects.resources import Resource

JSON = dict[str, Any]
MANAGER = "pilothouse-addon"
ADDONS = {"ingress": "Traefik as ingress controller: HTTP and HTTPS by host and path."}
"""Name to the one line that is said of it; each has its manifests in NAME.yaml."""

_RESOURCES = {
    ("v1", "Namespace"): Resource("", "v1", "namespaces", "Namespace", False),
    ("v1", "Service"): Resource("", "v1", "services", "Service", True),
    ("v1", "ServiceAccount"): Resource("", "v1", "serviceaccounts", "ServiceAccount", True),
    ("apps/v1", "DaemonSet"): Resource("apps", "v1", "daemonsets", "DaemonSet", True),
    ("networking.k8s.io/v1", "IngressClass"): Resource(
        "networking.k8s.io", "v1", "ingressclasses", "IngressClass", False
    ),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): Resource(
        "rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", False
    ),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): Resource(
        "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", False
    ),
}


_BY_SERVICE = "--providers.kubernetesingress.ingressendpoint.publishedservice=traefik/traefik"


def documents(addon: str, address: str = "") -> list[JSON]:
    """The add-on's objects, those that others need first. `address`: what Ingresses are to tell as theirs, where
    there is no pool of addresses to take one from."""
    text = files("pilothouse.addons").joinpath(f"{addon}.yaml").read_text(encoding="utf-8")
    if address:
        text = text.replace(_BY_SERVICE, f"--providers.kubernetesingress.ingressendpoint.ip={address}")
    return [document for document in yaml.safe_load_all(text) if document]


def resource_of(document: JSON) -> Resource:
    return _RESOURCES[document["apiVersion"], document["kind"]]


async def enable(client: Client, addon: str, address: str = "") -> None:
    """Bring it in, or bring it up to date; what users changed of it besides our fields stays. Raises StatusError."""
    for document in documents(addon, address):
        meta = document["metadata"]
        await client.patch(
            resource_of(document), meta["name"], document, meta.get("namespace"),
            kind="apply", field_manager=MANAGER, force=True, view=Object,
        )  # fmt: skip


async def disable(client: Client, addon: str) -> None:
    """Take it out, the last first; fine where it is not in. Raises StatusError."""
    for document in reversed(documents(addon)):
        meta = document["metadata"]
        try:
            await client.delete(resource_of(document), meta["name"], meta.get("namespace"))
        except NotFound:
            continue


async def is_enabled(client: Client, addon: str) -> bool:
    """Whether all of it is there."""
    for document in documents(addon):
        meta = document["metadata"]
        try:
            await client.get(resource_of(document), meta["name"], meta.get("namespace"), view=Object)
        except NotFound:
            return False
    return True
