"""The StorageClass that a new cluster starts with: made once, and then the user's to change or to remove."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from apimachinery.client.client import Client
from apimachinery.objects import localpath
from apimachinery.objects.errors import AlreadyExists
from apimachinery.objects.meta import Object
from apimachinery.objects.resources import NAMESPACES, STORAGECLASSES

_MADE = "pilothouse.dev/default-storage-class"
"""Annotation of the namespace kube-system, which lives as long as the cluster: the class was made."""
_KEEPER = "kube-system"


async def ensure_first_class(client: Client) -> None:
    """Make the class unless it was made before, whatever has become of it. Expects kube-system."""
    keeper = await client.get(NAMESPACES, _KEEPER, view=Object)
    if _MADE in keeper.metadata.annotations:
        return
    # It may be there: made by a user, by another engine, or by ourselves before we could write it down.
    with suppress(AlreadyExists):
        await client.create(STORAGECLASSES, local_path_class(), view=msgspec.Raw)
    await client.patch(NAMESPACES, _KEEPER, {"metadata": {"annotations": {_MADE: localpath.CLASS}}}, view=msgspec.Raw)


def local_path_class() -> dict[str, Any]:
    return {
        "apiVersion": STORAGECLASSES.api_version,
        "kind": STORAGECLASSES.kind,
        "metadata": {
            "name": localpath.CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": localpath.PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }
