"""All kinds that the API serves, in the order of discovery, and the ways to look one up."""

from __future__ import annotations

from engine.apiserver.registry.admissionregistration.policy import (
    MUTATING_ADMISSION_POLICY,
    VALIDATING_ADMISSION_POLICY,
)
from engine.apiserver.registry.admissionregistration.policybinding import (
    MUTATING_ADMISSION_POLICY_BINDING,
    VALIDATING_ADMISSION_POLICY_BINDING,
)
from engine.apiserver.registry.admissionregistration.webhookconfiguration import (
    MUTATING_WEBHOOK_CONFIGURATION,
    VALIDATING_WEBHOOK_CONFIGURATION,
)
from engine.apiserver.registry.apiextensions.customresourcedefinition import CUSTOM_RESOURCE_DEFINITION
from engine.apiserver.registry.apiregistration.apiservice import API_SERVICE
from engine.apiserver.registry.apps.controllerrevision import CONTROLLER_REVISION
from engine.apiserver.registry.apps.daemonset import DAEMON_SET
from engine.apiserver.registry.apps.deployment import DEPLOYMENT
from engine.apiserver.registry.apps.replicaset import REPLICA_SET
from engine.apiserver.registry.apps.statefulset import STATEFUL_SET
from engine.apiserver.registry.authentication.reviews import SELF_SUBJECT_REVIEW, TOKEN_REVIEW
from engine.apiserver.registry.authorization.reviews import (
    LOCAL_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_RULES_REVIEW,
    SUBJECT_ACCESS_REVIEW,
)
from engine.apiserver.registry.autoscaling.horizontalpodautoscaler import HORIZONTAL_POD_AUTOSCALER
from engine.apiserver.registry.autoscaling.v1 import HORIZONTAL_POD_AUTOSCALER_V1
from engine.apiserver.registry.batch.cronjob import CRON_JOB
from engine.apiserver.registry.batch.job import JOB
from engine.apiserver.registry.certificates.signingrequest import CERTIFICATE_SIGNING_REQUEST
from engine.apiserver.registry.coordination.lease import LEASE
from engine.apiserver.registry.core.binding import BINDING
from engine.apiserver.registry.core.componentstatus import COMPONENT_STATUS
from engine.apiserver.registry.core.configmap import CONFIG_MAP
from engine.apiserver.registry.core.endpoints import ENDPOINTS
from engine.apiserver.registry.core.event import EVENT
from engine.apiserver.registry.core.limitrange import LIMIT_RANGE
from engine.apiserver.registry.core.namespace import NAMESPACE
from engine.apiserver.registry.core.node import NODE
from engine.apiserver.registry.core.persistentvolume import PERSISTENT_VOLUME
from engine.apiserver.registry.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from engine.apiserver.registry.core.pod import POD
from engine.apiserver.registry.core.podtemplate import POD_TEMPLATE
from engine.apiserver.registry.core.replicationcontroller import REPLICATION_CONTROLLER
from engine.apiserver.registry.core.resourcequota import RESOURCE_QUOTA
from engine.apiserver.registry.core.secret import SECRET
from engine.apiserver.registry.core.service import SERVICE
from engine.apiserver.registry.core.serviceaccount import SERVICE_ACCOUNT
from engine.apiserver.registry.discovery.endpointslice import ENDPOINT_SLICE
from engine.apiserver.registry.events.event import EVENTS_EVENT
from engine.apiserver.registry.flowcontrol.flowschema import FLOW_SCHEMA
from engine.apiserver.registry.flowcontrol.prioritylevel import PRIORITY_LEVEL_CONFIGURATION
from engine.apiserver.registry.kind import Kind
from engine.apiserver.registry.metrics.measured import NODE_METRICS, POD_METRICS
from engine.apiserver.registry.networking.ingress import INGRESS
from engine.apiserver.registry.networking.ingressclass import INGRESS_CLASS
from engine.apiserver.registry.networking.ipaddress import IP_ADDRESS
from engine.apiserver.registry.networking.networkpolicy import NETWORK_POLICY
from engine.apiserver.registry.networking.servicecidr import SERVICE_CIDR
from engine.apiserver.registry.node.runtimeclass import RUNTIME_CLASS
from engine.apiserver.registry.policy.poddisruptionbudget import POD_DISRUPTION_BUDGET
from engine.apiserver.registry.rbac.binding import CLUSTER_ROLE_BINDING, ROLE_BINDING
from engine.apiserver.registry.rbac.role import CLUSTER_ROLE, ROLE
from engine.apiserver.registry.resource.claim import RESOURCE_CLAIM, RESOURCE_CLAIM_TEMPLATE
from engine.apiserver.registry.resource.deviceclass import DEVICE_CLASS
from engine.apiserver.registry.resource.slice import RESOURCE_SLICE
from engine.apiserver.registry.scheduling.priorityclass import PRIORITY_CLASS
from engine.apiserver.registry.storage.csidriver import CSI_DRIVER
from engine.apiserver.registry.storage.csinode import CSI_NODE
from engine.apiserver.registry.storage.csistoragecapacity import CSI_STORAGE_CAPACITY
from engine.apiserver.registry.storage.storageclass import STORAGE_CLASS
from engine.apiserver.registry.storage.volumeattachment import VOLUME_ATTACHMENT
from engine.apiserver.registry.storage.volumeattributesclass import VOLUME_ATTRIBUTES_CLASS

KINDS: tuple[Kind, ...] = (
    BINDING,
    COMPONENT_STATUS,
    CONFIG_MAP,
    ENDPOINTS,
    EVENT,
    LIMIT_RANGE,
    NAMESPACE,
    NODE,
    PERSISTENT_VOLUME_CLAIM,
    PERSISTENT_VOLUME,
    POD,
    POD_TEMPLATE,
    REPLICATION_CONTROLLER,
    RESOURCE_QUOTA,
    SECRET,
    SERVICE_ACCOUNT,
    SERVICE,
    API_SERVICE,
    CONTROLLER_REVISION,
    DAEMON_SET,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    EVENTS_EVENT,
    SELF_SUBJECT_REVIEW,
    TOKEN_REVIEW,
    LOCAL_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_RULES_REVIEW,
    SUBJECT_ACCESS_REVIEW,
    HORIZONTAL_POD_AUTOSCALER,
    HORIZONTAL_POD_AUTOSCALER_V1,
    CRON_JOB,
    JOB,
    CERTIFICATE_SIGNING_REQUEST,
    INGRESS_CLASS,
    INGRESS,
    IP_ADDRESS,
    NETWORK_POLICY,
    SERVICE_CIDR,
    POD_DISRUPTION_BUDGET,
    CLUSTER_ROLE_BINDING,
    CLUSTER_ROLE,
    ROLE_BINDING,
    ROLE,
    CSI_DRIVER,
    CSI_NODE,
    CSI_STORAGE_CAPACITY,
    STORAGE_CLASS,
    VOLUME_ATTACHMENT,
    VOLUME_ATTRIBUTES_CLASS,
    MUTATING_ADMISSION_POLICY,
    MUTATING_ADMISSION_POLICY_BINDING,
    MUTATING_WEBHOOK_CONFIGURATION,
    VALIDATING_ADMISSION_POLICY,
    VALIDATING_ADMISSION_POLICY_BINDING,
    VALIDATING_WEBHOOK_CONFIGURATION,
    CUSTOM_RESOURCE_DEFINITION,
    PRIORITY_CLASS,
    LEASE,
    RUNTIME_CLASS,
    ENDPOINT_SLICE,
    FLOW_SCHEMA,
    PRIORITY_LEVEL_CONFIGURATION,
    DEVICE_CLASS,
    RESOURCE_CLAIM,
    RESOURCE_CLAIM_TEMPLATE,
    RESOURCE_SLICE,
    NODE_METRICS,
    POD_METRICS,
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
