"""Static pods: manifests in a folder of the machine, which run whatever the API says, and their images in it. Pure
but for reading files.

Names, hashes and annotations are those of upstream's pkg/kubelet/config/common.go and pkg/kubelet/pod/mirror_client.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from nodeagent.pods.env import env_references
from nodeagent.pods.view import Pod
from nodeagent.volumes.payload import references as volume_references

JSON = dict[str, Any]
SOURCE, HASH, SEEN = "kubernetes.io/config.source", "kubernetes.io/config.hash", "kubernetes.io/config.seen"
MIRROR = "kubernetes.io/config.mirror"


class ManifestRefused(Exception):
    """A file that describes no pod that could run here; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A static pod: as it runs here, and the whole document that its mirror is made of."""

    pod: Pod
    document: JSON


@dataclass(frozen=True, slots=True)
class CreateMirror:
    """Show a static pod in the API."""

    uid: str
    document: JSON


@dataclass(frozen=True, slots=True)
class DeleteMirror:
    """Remove a mirror of what no longer is, or has changed."""

    name: str
    namespace: str
    uid: str


def is_manifest(file: Path) -> bool:
    """Files that editors leave behind begin with a dot."""
    return not file.name.startswith(".") and file.is_file()


def parse(content: bytes, file: Path, node_name: str, seen_at: str) -> Manifest:
    """The pod that a file, in YAML or JSON, describes. Raises ManifestRefused."""
    document = _decoded(content)
    if document.get("kind") != "Pod" or document.get("apiVersion") != "v1":
        raise ManifestRefused("not a Pod of v1")
    metadata, spec = document.get("metadata") or {}, document.get("spec") or {}
    if not metadata.get("name") or not spec.get("containers"):
        raise ManifestRefused("a pod needs a name and containers")
    uid = _hash(document, file, node_name)
    annotations = {**(metadata.get("annotations") or {}), SOURCE: "file", HASH: uid, SEEN: seen_at}
    tolerations = [*(spec.get("tolerations") or ()), {"operator": "Exists", "effect": "NoExecute"}]
    identity: JSON = {
        **metadata,
        "name": f"{metadata['name']}-{node_name.lower()}",
        "namespace": metadata.get("namespace") or "default",
        "annotations": annotations,
    }
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": identity,
        "spec": {**spec, "nodeName": node_name, "tolerations": tolerations},
    }
    try:
        pod = msgspec.convert({**document, "metadata": identity | {"uid": uid}}, Pod)
    except msgspec.ValidationError as error:
        raise ManifestRefused(str(error)) from error
    if _refers(pod):
        raise ManifestRefused("static pods may not reference API objects")
    return Manifest(pod=pod, document=document)


def is_static(pod: Pod) -> bool:
    """Whether a pod came from a file; no one in the API can know its uid beforehand."""
    return pod.metadata.annotations.get(HASH) == pod.uid


def is_mirror(pod: Pod) -> bool:
    return MIRROR in pod.metadata.annotations


def align(manifests: Mapping[str, Manifest], known: Iterable[Pod]) -> list[CreateMirror | DeleteMirror]:
    """From the pods that the API has of this machine to one mirror for each static pod. `manifests` by uid."""
    steps: list[CreateMirror | DeleteMirror] = []
    shown: set[str] = set()
    for pod in known:
        if not is_mirror(pod):
            continue
        uid = pod.metadata.annotations[MIRROR]
        manifest = manifests.get(uid)
        # One that is being deleted would wait for an agent that ends it; its pod here goes on, and gets another.
        if manifest is None or pod.deleting or not _same_name(pod, manifest.pod):
            steps.append(DeleteMirror(pod.metadata.name, pod.metadata.namespace, pod.uid))
        else:
            shown.add(uid)
    return steps + [CreateMirror(uid, mirror(m.document, uid)) for uid, m in manifests.items() if uid not in shown]


def mirror(document: JSON, uid: str) -> JSON:
    metadata = document["metadata"]
    return {**document, "metadata": {**metadata, "annotations": {**metadata["annotations"], MIRROR: uid}}}


def owned(document: JSON, node_name: str, node_uid: str) -> JSON:
    """A mirror that goes with its machine."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": node_name, "uid": node_uid, "controller": True}
    return {**document, "metadata": {**document["metadata"], "ownerReferences": [owner]}}


def _decoded(content: bytes) -> JSON:
    if content.lstrip().startswith(b"{"):
        try:
            return msgspec.json.decode(content, type=JSON)
        except msgspec.MsgspecError as error:
            raise ManifestRefused(str(error)) from error
    import yaml  # only machines with static pods pay for it

    try:
        document = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise ManifestRefused(str(error)) from error
    if not isinstance(document, dict):
        raise ManifestRefused("not an object")
    return msgspec.convert(msgspec.to_builtins(document), JSON)


def _hash(document: JSON, file: Path, node_name: str) -> str:
    told = msgspec.json.encode([node_name, str(file), document], order="deterministic")
    return hashlib.md5(told, usedforsecurity=False).hexdigest()


def _refers(pod: Pod) -> bool:
    spec = pod.spec
    claims = any(volume.persistent_volume_claim or volume.ephemeral for volume in spec.volumes)
    named = volume_references(spec.volumes) | env_references(pod.all_containers())
    return bool(spec.service_account_name or spec.image_pull_secrets or claims or named)


def _same_name(one: Pod, other: Pod) -> bool:
    return (one.metadata.name, one.metadata.namespace) == (other.metadata.name, other.metadata.namespace)
