"""What machines may do: the work of a node's agent, and of secrets and their like only what its pods use.

Source: plugin/pkg/auth/authorizer/node. Unlike the kubelet, our agent carries Services and network rules, too, so it
reads what these need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from engine.apiserver.authz.attributes import ALLOWED, NO_OPINION, Attributes, Decision
from engine.apiserver.authz.nodevolumes import NodeVolumes
from engine.apiserver.authz.views import view
from engine.apiserver.registry.core.pod import POD
from engine.apiserver.request import User
from engine.store.protocol import Change, Record, Store, Subscription

GROUP = "system:nodes"
PREFIX = "system:node:"

_READ = frozenset({"get", "list", "watch"})
_WRITE = _READ | {"create", "update", "patch"}
_GET = frozenset({"get"})
_CREATE = frozenset({"create"})
_PATCH = frozenset({"get", "update", "patch"})

_RULES: Mapping[tuple[str, str], frozenset[str]] = {
    ("", "nodes"): _WRITE,
    ("", "nodes/status"): _PATCH,
    ("", "pods"): _READ | {"create", "delete"},
    ("", "pods/status"): _PATCH,
    ("", "pods/eviction"): _CREATE,
    ("", "services"): _READ,
    ("", "endpoints"): _READ,
    ("", "namespaces"): _READ,
    ("", "events"): frozenset({"create", "patch", "update"}),
    ("authentication.k8s.io", "tokenreviews"): _CREATE,
    ("authorization.k8s.io", "subjectaccessreviews"): _CREATE,
    ("authorization.k8s.io", "localsubjectaccessreviews"): _CREATE,
    ("events.k8s.io", "events"): frozenset({"create", "patch", "update"}),
    ("discovery.k8s.io", "endpointslices"): _READ,
    ("networking.k8s.io", "networkpolicies"): _READ,
    ("node.k8s.io", "runtimeclasses"): _READ,
    ("storage.k8s.io", "csidrivers"): _READ,
    ("certificates.k8s.io", "certificatesigningrequests"): _READ | {"create"},
}
_OWN_LEASES = _WRITE | {"delete"}
_OWN_CSI_NODE = frozenset({"get", "create", "update", "patch", "delete"})
# What a node may do with objects that its pods refer to.
_BY_PODS: Mapping[str, frozenset[str]] = {
    "configmaps": _READ,
    "secrets": _READ,
    "serviceaccounts": _GET,
    "serviceaccounts/token": _CREATE,
    "persistentvolumeclaims": _GET,
    "persistentvolumeclaims/status": _PATCH,
}
_EPHEMERAL = b'"ephemeralContainers"'
Reference = tuple[str, str, str]
"""(resource, namespace, name)."""


class _Named(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    secret_name: str = ""
    claim_name: str = ""


class _KeyRefs(msgspec.Struct, frozen=True, rename="camel"):
    config_map_key_ref: _Named | None = None
    secret_key_ref: _Named | None = None


class _Env(msgspec.Struct, frozen=True, rename="camel"):
    value_from: _KeyRefs | None = None


class _EnvFrom(msgspec.Struct, frozen=True, rename="camel"):
    config_map_ref: _Named | None = None
    secret_ref: _Named | None = None


class _Container(msgspec.Struct, frozen=True, rename="camel"):
    env: tuple[_Env, ...] = ()
    env_from: tuple[_EnvFrom, ...] = ()


class _Source(msgspec.Struct, frozen=True, rename="camel"):
    config_map: _Named | None = None
    secret: _Named | None = None


class _Projected(msgspec.Struct, frozen=True):
    sources: tuple[_Source, ...] = ()


class _Present(msgspec.Struct, frozen=True):
    """That it is there is all that counts."""


class _Inline(msgspec.Struct, frozen=True, rename="camel"):
    node_publish_secret_ref: _Named | None = None


class _Volume(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    config_map: _Named | None = None
    secret: _Named | None = None
    projected: _Projected | None = None
    persistent_volume_claim: _Named | None = None
    ephemeral: _Present | None = None
    csi: _Inline | None = None


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""
    service_account_name: str = ""
    image_pull_secrets: tuple[_Named, ...] = ()
    volumes: tuple[_Volume, ...] = ()
    containers: tuple[_Container, ...] = ()
    init_containers: tuple[_Container, ...] = ()
    ephemeral_containers: tuple[_Container, ...] = ()


class _Metadata(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""


class _Pod(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    spec: _Spec = _Spec()


class _PlacedSpec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""


class _Placed(msgspec.Struct, frozen=True):
    """What tells whether a pod has a node: most changes need not be read any further."""

    spec: _PlacedSpec = _PlacedSpec()


class NodeAuthorizer:
    """Knows which objects the pods of each node refer to. Feed it a store with `follow`."""

    def __init__(self) -> None:
        self._pods: dict[str, tuple[str, tuple[Reference, ...]]] = {}
        self._needed: dict[str, Counter[Reference]] = {}
        self._volumes = NodeVolumes()

    def follow(self, store: Store) -> list[Subscription]:
        """Take in what is there and what changes from now on."""
        for record in store.list(POD.storage_prefix).records:
            self._take(record)
        return [store.watch(POD.storage_prefix, 0, self._changed), *self._volumes.follow(store)]

    def decide(self, asked: Attributes) -> Decision:
        node = node_of(asked.user)
        if not node or not asked.resource:
            return NO_OPINION
        resource = asked.full_resource
        if asked.group == "" and resource in _BY_PODS:
            return self._decide_by_pods(node, asked, resource)
        if asked.group == "" and resource == "persistentvolumes":
            return self._decide_volume(node, asked)
        if asked.group == "storage.k8s.io" and resource == "volumeattachments":
            return self._decide_attachment(node, asked)
        if asked.group == "storage.k8s.io" and resource == "csinodes":
            return _decide_csi_node(node, asked)
        if resource == "leases" and asked.group == "coordination.k8s.io":
            return _decide_lease(node, asked)
        if asked.verb in _RULES.get((asked.group, resource), ()):
            return ALLOWED
        return NO_OPINION

    def needs(self, node: str, reference: Reference) -> bool:
        """Whether a pod of the node refers to the object."""
        needed = self._needed.get(node)
        return needed is not None and reference in needed

    def _decide_by_pods(self, node: str, asked: Attributes, resource: str) -> Decision:
        allowed = _BY_PODS[resource]
        if asked.verb not in allowed:
            return Decision(False, f"can only {'/'.join(sorted(allowed))} resources of this type")
        if not asked.name:
            return Decision(False, "No Object name found")
        if not asked.namespace:
            return Decision(False, "can only read namespaced object of this type")
        if not self._is_needed(node, asked):
            return Decision(False, f"no relationship found between node '{node}' and this object")
        return ALLOWED

    def _is_needed(self, node: str, asked: Attributes) -> bool:
        if self.needs(node, (asked.resource, asked.namespace, asked.name)):
            return True
        claims = self._volumes.claims_needing(asked.namespace, asked.name) if asked.resource == "secrets" else ()
        return any(self.needs(node, ("persistentvolumeclaims", *claim)) for claim in claims)

    def _decide_attachment(self, node: str, asked: Attributes) -> Decision:
        if asked.verb != "get":
            return Decision(False, "can only get individual resources of this type")
        if not self._volumes.is_attached_to(asked.name, node):
            return Decision(False, f"no relationship found between node '{node}' and this object")
        return ALLOWED

    def _decide_volume(self, node: str, asked: Attributes) -> Decision:
        own = self._volumes.decide_own(node, asked)
        if own is not None:
            return own
        if asked.verb != "get":
            return Decision(False, "can only get individual resources of this type")
        claim = self._volumes.claim_of(asked.name)
        if claim is None or not self.needs(node, ("persistentvolumeclaims", *claim)):
            return Decision(False, f"no relationship found between node '{node}' and this object")
        return ALLOWED

    def _changed(self, change: Change) -> None:
        if change.after is None:
            self._forget(change.key)
        elif change.before is None or change.key not in self._pods or _EPHEMERAL in change.after.value:
            self._forget(change.key)
            self._take(change.after)

    def _take(self, record: Record) -> None:
        if not view(record.value, _Placed).spec.node_name:
            return
        pod = view(record.value, _Pod)
        node = pod.spec.node_name
        references = tuple(set(_references(pod)))
        self._pods[record.key] = (node, references)
        self._needed.setdefault(node, Counter()).update(references)

    def _forget(self, key: str) -> None:
        known = self._pods.pop(key, None)
        if known is None:
            return
        node, references = known
        needed = self._needed[node]
        for reference in references:
            needed[reference] -= 1
            if not needed[reference]:
                del needed[reference]
        if not needed:
            del self._needed[node]


def node_of(user: User) -> str:
    """The name of the node that the user is; empty for everybody else."""
    if GROUP not in user.groups or not user.name.startswith(PREFIX):
        return ""
    return user.name.removeprefix(PREFIX)


SHARED_LEASES = "loadbalancer-"
"""Leases by which machines agree on who of them answers for a Service's address; on one network any of them could."""


def _decide_lease(node: str, asked: Attributes) -> Decision:
    if asked.verb not in _OWN_LEASES:
        return NO_OPINION
    if asked.verb in ("list", "watch"):
        return ALLOWED
    if asked.namespace != "kube-node-lease":
        return Decision(False, 'can only access leases in the "kube-node-lease" system namespace')
    if asked.verb != "create" and asked.name != node and not asked.name.startswith(SHARED_LEASES):
        return Decision(False, "can only access node lease with the same name as the requesting node")
    return ALLOWED


def _decide_csi_node(node: str, asked: Attributes) -> Decision:
    if asked.verb not in _OWN_CSI_NODE:
        return Decision(False, "can only get, create, update, patch, or delete a CSINode")
    if asked.verb != "create" and asked.name != node:
        return Decision(False, "can only access CSINode with the same name as the requesting node")
    return ALLOWED


def _references(pod: _Pod) -> Iterator[Reference]:
    """The objects that the pod refers to."""
    spec, namespace = pod.spec, pod.metadata.namespace
    if spec.service_account_name:
        yield "serviceaccounts", namespace, spec.service_account_name
    for secret in spec.image_pull_secrets:
        yield "secrets", namespace, secret.name
    for container in (*spec.init_containers, *spec.containers, *spec.ephemeral_containers):
        for resource, name in _container_references(container):
            yield resource, namespace, name
    for volume in spec.volumes:
        for resource, name in _volume_references(volume, pod.metadata.name):
            yield resource, namespace, name


def _container_references(container: _Container) -> Iterator[tuple[str, str]]:
    for source in container.env_from:
        if source.config_map_ref is not None:
            yield "configmaps", source.config_map_ref.name
        if source.secret_ref is not None:
            yield "secrets", source.secret_ref.name
    for variable in container.env:
        chosen = variable.value_from
        if chosen is not None and chosen.config_map_key_ref is not None:
            yield "configmaps", chosen.config_map_key_ref.name
        if chosen is not None and chosen.secret_key_ref is not None:
            yield "secrets", chosen.secret_key_ref.name


def _volume_references(volume: _Volume, pod: str) -> Iterator[tuple[str, str]]:
    if volume.config_map is not None:
        yield "configmaps", volume.config_map.name
    if volume.secret is not None:
        yield "secrets", volume.secret.secret_name
    if volume.persistent_volume_claim is not None:
        yield "persistentvolumeclaims", volume.persistent_volume_claim.claim_name
    if volume.csi is not None and volume.csi.node_publish_secret_ref is not None:
        yield "secrets", volume.csi.node_publish_secret_ref.name
    if volume.ephemeral is not None:
        yield "persistentvolumeclaims", f"{pod}-{volume.name}"
    for source in volume.projected.sources if volume.projected is not None else ():
        if source.config_map is not None:
            yield "configmaps", source.config_map.name
        if source.secret is not None:
            yield "secrets", source.secret.name
