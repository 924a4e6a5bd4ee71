"""Every published kind of a stable group is served, as upstream's discovery has it.

The table is upstream's own for 1.36 (api/discovery in kubernetes/kubernetes), one resource a line.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from engine.apiserver.registry.catalog import KINDS
from engine.apiserver.schema import discovery
from engine.apiserver.schema.definitions import slices

STABLE = re.compile(r"v\d+")
# What every group has, and no resource of its own.
SHARED = {"APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "DeleteOptions", "Status", "WatchEvent"}

ALL = "create,delete,deletecollection,get,list,patch,update,watch"
SUB = "get,patch,update"
PROXY = "create,delete,get,patch,update"
# groupVersion resource kind scope(N or C) shortNames categories verbs [group/version of the answer]
TABLE = f"""
v1 bindings Binding N - - create
v1 componentstatuses ComponentStatus C cs - get,list
v1 configmaps ConfigMap N cm - {ALL}
v1 endpoints Endpoints N ep - {ALL}
v1 events Event N ev - {ALL}
v1 limitranges LimitRange N limits - {ALL}
v1 namespaces Namespace C ns - create,delete,get,list,patch,update,watch
v1 namespaces/finalize Namespace C - - update
v1 namespaces/status Namespace C - - {SUB}
v1 nodes Node C no - {ALL}
v1 nodes/proxy NodeProxyOptions C - - {PROXY}
v1 nodes/status Node C - - {SUB}
v1 persistentvolumeclaims PersistentVolumeClaim N pvc - {ALL}
v1 persistentvolumeclaims/status PersistentVolumeClaim N - - {SUB}
v1 persistentvolumes PersistentVolume C pv - {ALL}
v1 persistentvolumes/status PersistentVolume C - - {SUB}
v1 pods Pod N po all {ALL}
v1 pods/attach PodAttachOptions N - - create,get
v1 pods/binding Binding N - - create
v1 pods/ephemeralcontainers Pod N - - {SUB}
v1 pods/eviction Eviction N - - create policy/v1
v1 pods/exec PodExecOptions N - - create,get
v1 pods/log Pod N - - get
v1 pods/portforward PodPortForwardOptions N - - create,get
v1 pods/proxy PodProxyOptions N - - {PROXY}
v1 pods/resize Pod N - - {SUB}
v1 pods/status Pod N - - {SUB}
v1 podtemplates PodTemplate N - - {ALL}
v1 replicationcontrollers ReplicationController N rc all {ALL}
v1 replicationcontrollers/scale Scale N - - {SUB} autoscaling/v1
v1 replicationcontrollers/status ReplicationController N - - {SUB}
v1 resourcequotas ResourceQuota N quota - {ALL}
v1 resourcequotas/status ResourceQuota N - - {SUB}
v1 secrets Secret N - - {ALL}
v1 serviceaccounts ServiceAccount N sa - {ALL}
v1 serviceaccounts/token TokenRequest N - - create authentication.k8s.io/v1
v1 services Service N svc all {ALL}
v1 services/proxy ServiceProxyOptions N - - {PROXY}
v1 services/status Service N - - {SUB}
apiregistration.k8s.io/v1 apiservices APIService C - api-extensions {ALL}
apiregistration.k8s.io/v1 apiservices/status APIService C - - {SUB}
apps/v1 controllerrevisions ControllerRevision N - - {ALL}
apps/v1 daemonsets DaemonSet N ds all {ALL}
apps/v1 daemonsets/status DaemonSet N - - {SUB}
apps/v1 deployments Deployment N deploy all {ALL}
apps/v1 deployments/scale Scale N - - {SUB} autoscaling/v1
apps/v1 deployments/status Deployment N - - {SUB}
apps/v1 replicasets ReplicaSet N rs all {ALL}
apps/v1 replicasets/scale Scale N - - {SUB} autoscaling/v1
apps/v1 replicasets/status ReplicaSet N - - {SUB}
apps/v1 statefulsets StatefulSet N sts all {ALL}
apps/v1 statefulsets/scale Scale N - - {SUB} autoscaling/v1
apps/v1 statefulsets/status StatefulSet N - - {SUB}
events.k8s.io/v1 events Event N ev - {ALL}
authentication.k8s.io/v1 selfsubjectreviews SelfSubjectReview C - - create
authentication.k8s.io/v1 tokenreviews TokenReview C - - create
authorization.k8s.io/v1 localsubjectaccessreviews LocalSubjectAccessReview N - - create
authorization.k8s.io/v1 selfsubjectaccessreviews SelfSubjectAccessReview C - - create
authorization.k8s.io/v1 selfsubjectrulesreviews SelfSubjectRulesReview C - - create
authorization.k8s.io/v1 subjectaccessreviews SubjectAccessReview C - - create
autoscaling/v2 horizontalpodautoscalers HorizontalPodAutoscaler N hpa all {ALL}
autoscaling/v2 horizontalpodautoscalers/status HorizontalPodAutoscaler N - - {SUB}
autoscaling/v1 horizontalpodautoscalers HorizontalPodAutoscaler N hpa all {ALL}
autoscaling/v1 horizontalpodautoscalers/status HorizontalPodAutoscaler N - - {SUB}
batch/v1 cronjobs CronJob N cj all {ALL}
batch/v1 cronjobs/status CronJob N - - {SUB}
batch/v1 jobs Job N - all {ALL}
batch/v1 jobs/status Job N - - {SUB}
certificates.k8s.io/v1 certificatesigningrequests CertificateSigningRequest C csr - {ALL}
certificates.k8s.io/v1 certificatesigningrequests/approval CertificateSigningRequest C - - {SUB}
certificates.k8s.io/v1 certificatesigningrequests/status CertificateSigningRequest C - - {SUB}
networking.k8s.io/v1 ingressclasses IngressClass C - - {ALL}
networking.k8s.io/v1 ingresses Ingress N ing - {ALL}
networking.k8s.io/v1 ingresses/status Ingress N - - {SUB}
networking.k8s.io/v1 ipaddresses IPAddress C ip - {ALL}
networking.k8s.io/v1 networkpolicies NetworkPolicy N netpol - {ALL}
networking.k8s.io/v1 servicecidrs ServiceCIDR C - - {ALL}
networking.k8s.io/v1 servicecidrs/status ServiceCIDR C - - {SUB}
policy/v1 poddisruptionbudgets PodDisruptionBudget N pdb - {ALL}
policy/v1 poddisruptionbudgets/status PodDisruptionBudget N - - {SUB}
rbac.authorization.k8s.io/v1 clusterrolebindings ClusterRoleBinding C - - {ALL}
rbac.authorization.k8s.io/v1 clusterroles ClusterRole C - - {ALL}
rbac.authorization.k8s.io/v1 rolebindings RoleBinding N - - {ALL}
rbac.authorization.k8s.io/v1 roles Role N - - {ALL}
storage.k8s.io/v1 csidrivers CSIDriver C - - {ALL}
storage.k8s.io/v1 csinodes CSINode C - - {ALL}
storage.k8s.io/v1 csistoragecapacities CSIStorageCapacity N - - {ALL}
storage.k8s.io/v1 storageclasses StorageClass C sc - {ALL}
storage.k8s.io/v1 volumeattachments VolumeAttachment C - - {ALL}
storage.k8s.io/v1 volumeattachments/status VolumeAttachment C - - {SUB}
storage.k8s.io/v1 volumeattributesclasses VolumeAttributesClass C vac - {ALL}
admissionregistration.k8s.io/v1 mutatingadmissionpolicies MutatingAdmissionPolicy C - api-extensions {ALL}
admissionregistration.k8s.io/v1 mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding C - api-extensions {ALL}
admissionregistration.k8s.io/v1 mutatingwebhookconfigurations MutatingWebhookConfiguration C - api-extensions {ALL}
admissionregistration.k8s.io/v1 validatingadmissionpolicies ValidatingAdmissionPolicy C - api-extensions {ALL}
admissionregistration.k8s.io/v1 validatingadmissionpolicies/status ValidatingAdmissionPolicy C - - {SUB}
admissionregistration.k8s.io/v1 validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding C - api-extensions {ALL}
admissionregistration.k8s.io/v1 validatingwebhookconfigurations ValidatingWebhookConfiguration C - api-extensions {ALL}
apiextensions.k8s.io/v1 customresourcedefinitions CustomResourceDefinition C crd,crds api-extensions {ALL}
apiextensions.k8s.io/v1 customresourcedefinitions/status CustomResourceDefinition C - - {SUB}
scheduling.k8s.io/v1 priorityclasses PriorityClass C pc - {ALL}
coordination.k8s.io/v1 leases Lease N - - {ALL}
node.k8s.io/v1 runtimeclasses RuntimeClass C - - {ALL}
discovery.k8s.io/v1 endpointslices EndpointSlice N - - {ALL}
flowcontrol.apiserver.k8s.io/v1 flowschemas FlowSchema C - - {ALL}
flowcontrol.apiserver.k8s.io/v1 flowschemas/status FlowSchema C - - {SUB}
flowcontrol.apiserver.k8s.io/v1 prioritylevelconfigurations PriorityLevelConfiguration C - - {ALL}
flowcontrol.apiserver.k8s.io/v1 prioritylevelconfigurations/status PriorityLevelConfiguration C - - {SUB}
resource.k8s.io/v1 deviceclasses DeviceClass C - - {ALL}
resource.k8s.io/v1 resourceclaims ResourceClaim N - - {ALL}
resource.k8s.io/v1 resourceclaims/status ResourceClaim N - - {SUB}
resource.k8s.io/v1 resourceclaimtemplates ResourceClaimTemplate N - - {ALL}
resource.k8s.io/v1 resourceslices ResourceSlice C - - {ALL}
"""
# Groups that upstream leaves to other servers.
OUR_OWN = frozenset({"metrics.k8s.io"})


def line(group_version: str, entry: dict[str, Any]) -> str:
    """A resource as the table has it."""
    words = [
        group_version,
        entry["name"],
        entry["kind"],
        "N" if entry["namespaced"] else "C",
        ",".join(entry.get("shortNames", ())) or "-",
        ",".join(entry.get("categories", ())) or "-",
        ",".join(sorted(entry["verbs"])),
    ]
    if "version" in entry:
        words.append(f"{entry['group']}/{entry['version']}")
    return " ".join(words)


def test_resources_verbs_short_names_and_categories_are_upstreams() -> None:
    served = {
        line(f"{group}/{version}" if group else version, entry)
        for group, version in discovery.group_versions()
        if group not in OUR_OWN
        for entry in discovery.resource_list(group, version)["resources"]
    }
    assert sorted(served) == sorted(TABLE.strip().splitlines())


def test_every_published_kind_of_a_stable_version_is_served() -> None:
    served = {(kind.group, kind.version, kind.kind) for kind in KINDS}
    for kind in KINDS:
        served |= {discovery.response_kind(kind, sub) for sub in kind.subresources.values()}
    published = {
        (entry["group"], entry["version"], entry["kind"])
        for raw in slices().values()
        for entry in msgspec.json.decode(raw).get("x-kubernetes-group-version-kind", ())
        if STABLE.fullmatch(entry["version"]) and entry["kind"] not in SHARED and not entry["kind"].endswith("List")
    }
    assert not published - served


def test_singular_names_are_the_kinds_in_small_letters() -> None:
    # But for one, of which there is always more than one.
    assert {kind.plural for kind in KINDS if not kind.measured and kind.singular != kind.kind.lower()} <= {"endpoints"}


def test_groups_stand_in_upstreams_order_and_prefer_what_upstream_prefers() -> None:
    order = list(dict.fromkeys(row.split("/")[0] for row in TABLE.strip().splitlines() if not row.startswith("v1 ")))
    listed = discovery.group_list()["groups"]
    assert [group["name"] for group in listed if group["name"] in order] == order
    preferred = {group["name"]: group["preferredVersion"]["version"] for group in listed}
    assert preferred.pop("autoscaling") == "v2"
    assert {version for name, version in preferred.items() if name not in OUR_OWN} == {"v1"}


@pytest.mark.parametrize(
    ("group", "version", "plural", "digest"),
    [
        ("", "v1", "pods", "xPOwRZ+Yhw8="),
        ("", "v1", "events", "r2yiGXH7wu8="),
        ("events.k8s.io", "v1", "events", "r2yiGXH7wu8="),
        ("apps", "v1", "deployments", "8aSe+NMegvE="),
        ("networking.k8s.io", "v1", "ingresses", "39NQlfNR+bo="),
    ],
)
def test_the_version_in_storage_is_told_by_its_digest(group: str, version: str, plural: str, digest: str) -> None:
    entry = next(e for e in discovery.resource_list(group, version)["resources"] if e["name"] == plural)
    assert entry["storageVersionHash"] == digest
