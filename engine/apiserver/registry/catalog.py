"""All kinds that the API serves, in the order of discovery, and the ways to look one up."""

from __future__ import annotations

from engine.apiserver.registry.apps.deployment import DEPLOYMENT
from engine.apiserver.registry.apps.replicaset import REPLICA_SET
from engine.apiserver.registry.certificates.signingrequest import CERTIFICATE_SIGNING_REQUEST
from engine.apiserver.registry.coordination.lease import LEASE
from engine.apiserver.registry.core.configmap import CONFIG_MAP
from engine.apiserver.registry.core.event import EVENT
from engine.apiserver.registry.core.namespace import NAMESPACE
from engine.apiserver.registry.core.node import NODE
from engine.apiserver.registry.core.pod import POD
from engine.apiserver.registry.core.secret import SECRET
from engine.apiserver.registry.core.service import SERVICE
from engine.apiserver.registry.core.serviceaccount import SERVICE_ACCOUNT
from engine.apiserver.registry.discovery.endpointslice import ENDPOINT_SLICE
from engine.apiserver.registry.events.event import EVENTS_EVENT
from engine.apiserver.registry.kind import Kind
from engine.apiserver.registry.rbac.binding import CLUSTER_ROLE_BINDING, ROLE_BINDING
from engine.apiserver.registry.rbac.role import CLUSTER_ROLE, ROLE

KINDS: tuple[Kind, ...] = (
    CONFIG_MAP,
    EVENT,
    NAMESPACE,
    NODE,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
    SERVICE,
    DEPLOYMENT,
    REPLICA_SET,
    EVENTS_EVENT,
    CERTIFICATE_SIGNING_REQUEST,
    CLUSTER_ROLE_BINDING,
    CLUSTER_ROLE,
    ROLE_BINDING,
    ROLE,
    LEASE,
    ENDPOINT_SLICE,
)

_BY_RESOURCE = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}
_BY_KIND = {(kind.group, kind.version, kind.kind): kind for kind in KINDS}
_BY_GROUP_RESOURCE = {(kind.group, kind.plural): kind for kind in reversed(KINDS)}


def by_resource(group: str, version: str, plural: str) -> Kind | None:
    """Find the kind behind a path."""
    return _BY_RESOURCE.get((group, version, plural))


def by_kind(group: str, version: str, kind: str) -> Kind | None:
    """Find a kind by what an object says of itself."""
    return _BY_KIND.get((group, version, kind))


def by_group_resource(group: str, plural: str) -> Kind | None:
    """Find a kind whatever its version: the first one served."""
    return _BY_GROUP_RESOURCE.get((group, plural))


def group_versions() -> tuple[tuple[str, str], ...]:
    """All (group, version) pairs served, in the order of discovery."""
    return tuple(dict.fromkeys((kind.group, kind.version) for kind in KINDS))
