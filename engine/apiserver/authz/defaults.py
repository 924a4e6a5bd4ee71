"""The roles and bindings that every cluster has from its first second.

Names and rules: plugin/pkg/auth/authorizer/rbac/bootstrappolicy. The roles of upstream's own controllers are left out:
ours are parts of the engine.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.apiserver.authz.rules import PolicyRule

_READ = "get list watch"
_WRITE = "create delete deletecollection patch update"
_READ_WRITE = f"{_READ} {_WRITE}"
_RBAC = "rbac.authorization.k8s.io"
_CERTIFICATES = "certificates.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultRole:
    """A Role, or a ClusterRole without `namespace`. `aggregates`, `feeds`: the roles it gathers from and is part of."""

    name: str
    rules: tuple[PolicyRule, ...] = ()
    namespace: str = ""
    aggregates: str = ""
    feeds: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultBinding:
    """A ClusterRoleBinding of the role of the same name. An account is `namespace/name`."""

    name: str
    role: str = ""
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()


def _may(verbs: str, group: str, resources: str, names: str = "") -> PolicyRule:
    """A rule out of words; `core` is the group without a name."""
    groups = tuple("" if one == "core" else one for one in group.split())
    return PolicyRule(
        verbs=tuple(verbs.split()),
        api_groups=groups,
        resources=tuple(resources.split()),
        resource_names=tuple(names.split()),
    )


def _may_get(paths: str, verbs: str = "get") -> PolicyRule:
    return PolicyRule(verbs=(verbs,), non_resource_urls=tuple(paths.split()))


def _approver(signer: str) -> DefaultRole:
    return DefaultRole(
        name=f"system:certificates.k8s.io:{signer}-approver",
        rules=(_may("approve", _CERTIFICATES, "signers", f"kubernetes.io/{signer}"),),
    )


_EVENTS = _may("create patch update", "core events.k8s.io", "events")

CLUSTER_ROLES: tuple[DefaultRole, ...] = (
    DefaultRole(name="cluster-admin", rules=(_may("*", "*", "*"), _may_get("*", "*"))),
    DefaultRole(name="admin", aggregates="admin"),
    DefaultRole(name="edit", aggregates="edit", feeds="admin"),
    DefaultRole(name="view", aggregates="view", feeds="edit"),
    DefaultRole(
        name="system:aggregate-to-admin",
        feeds="admin",
        rules=(
            _may("create", "authorization.k8s.io", "localsubjectaccessreviews"),
            _may(_READ_WRITE, _RBAC, "rolebindings roles"),
        ),
    ),
    DefaultRole(
        name="system:aggregate-to-edit",
        feeds="edit",
        rules=(
            _may(_READ, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
            _may("impersonate", "core", "serviceaccounts"),
            _may(_WRITE, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
            _may("create", "core", "pods/eviction"),
            _may(
                _WRITE, "core",
                "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets"
                " serviceaccounts services services/proxy",
            ),
            _may("create", "core", "serviceaccounts/token"),
            _may(
                _WRITE, "apps",
                "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale"
                " statefulsets statefulsets/scale",
            ),
            _may(_WRITE, "autoscaling", "horizontalpodautoscalers"),
            _may(_WRITE, "batch", "cronjobs jobs"),
            _may(
                _WRITE, "extensions",
                "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets"
                " replicasets/scale replicationcontrollers/scale",
            ),
            _may(_WRITE, "policy", "poddisruptionbudgets"),
            _may(_WRITE, "networking.k8s.io", "ingresses networkpolicies"),
            _may(_READ_WRITE, "coordination.k8s.io", "leases"),
        ),
    ),
    DefaultRole(
        name="system:aggregate-to-view",
        feeds="view",
        rules=(
            _may(
                _READ, "core",
                "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers"
                " replicationcontrollers/scale serviceaccounts services services/status",
            ),
            _may(
                _READ, "core",
                "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status"
                " resourcequotas resourcequotas/status",
            ),
            _may(_READ, "core", "namespaces"),
            _may(_READ, "discovery.k8s.io", "endpointslices"),
            _may(
                _READ, "apps",
                "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status"
                " replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
            ),
            _may(_READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
            _may(_READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
            _may(
                _READ, "extensions",
                "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses"
                " ingresses/status networkpolicies replicasets replicasets/scale replicasets/status"
                " replicationcontrollers/scale",
            ),
            _may(_READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
            _may(_READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
        ),
    ),
    DefaultRole(
        name="system:discovery",
        rules=(
            _may_get("/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"),
        ),
    ),
    DefaultRole(
        name="system:basic-user",
        rules=(
            _may("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
            _may("create", "authentication.k8s.io", "selfsubjectreviews"),
        ),
    ),
    DefaultRole(name="system:public-info-viewer", rules=(_may_get("/healthz /livez /readyz /version /version/"),)),
    DefaultRole(
        name="system:monitoring",
        rules=(_may_get("/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*"),),
    ),
    DefaultRole(
        name="system:service-account-issuer-discovery",
        rules=(_may_get("/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks"
                        " /openid/v1/jwks/"),),
    ),
    DefaultRole(
        name="system:auth-delegator",
        rules=(
            _may("create", "authentication.k8s.io", "tokenreviews"),
            _may("create", "authorization.k8s.io", "subjectaccessreviews"),
        ),
    ),
    DefaultRole(
        name="system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        rules=(_may("create", _CERTIFICATES, "certificatesigningrequests/nodeclient"),),
    ),
    DefaultRole(
        name="system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        rules=(_may("create", _CERTIFICATES, "certificatesigningrequests/selfnodeclient"),),
    ),
    _approver("kube-apiserver-client"),
    _approver("kube-apiserver-client-kubelet"),
    _approver("kubelet-serving"),
    _approver("legacy-unknown"),
    DefaultRole(name="system:heapster", rules=(_may(_READ, "core", "events namespaces nodes pods"),
                                               _may(_READ, "extensions", "deployments"))),
    DefaultRole(name="system:kube-aggregator", rules=(_may(_READ, "core", "endpoints services"),)),
    DefaultRole(
        name="system:kube-controller-manager",
        rules=(
            _EVENTS,
            _may("create", "coordination.k8s.io", "leases"),
            _may("get update", "coordination.k8s.io", "leases", "kube-controller-manager"),
            _may("create update", "core", "secrets serviceaccounts"),
            _may("delete", "core", "secrets"),
            _may("get", "core", "configmaps namespaces secrets serviceaccounts"),
            _may("create", "authentication.k8s.io", "tokenreviews"),
            _may("create", "authorization.k8s.io", "subjectaccessreviews"),
            _may("list watch", "*", "*"),
            _may("create", "core", "serviceaccounts/token"),
        ),
    ),
    DefaultRole(
        name="system:kube-dns",
        rules=(_may("list watch", "core", "endpoints services"),),
    ),
    DefaultRole(
        name="system:kube-scheduler",
        rules=(
            _EVENTS,
            _may("create", "coordination.k8s.io", "leases"),
            _may("get update", "coordination.k8s.io", "leases", "kube-scheduler"),
            _may(_READ, "core", "namespaces nodes"),
            _may(f"delete {_READ}", "core", "pods"),
            _may("create", "core", "bindings pods/binding"),
            _may("patch update", "core", "pods/status"),
            _may(_READ, "core", "persistentvolumeclaims persistentvolumes replicationcontrollers services"),
            _may(_READ, "apps extensions", "replicasets"),
            _may(_READ, "apps", "statefulsets"),
            _may(_READ, "policy", "poddisruptionbudgets"),
            _may(_READ, "storage.k8s.io", "csidrivers csinodes csistoragecapacities"),
            _may("create", "authentication.k8s.io", "tokenreviews"),
            _may("create", "authorization.k8s.io", "subjectaccessreviews"),
        ),
    ),
    DefaultRole(
        name="system:kubelet-api-admin",
        rules=(
            _may(_READ, "core", "nodes"),
            _may("proxy", "core", "nodes"),
            _may("*", "core", "nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats"),
        ),
    ),
    DefaultRole(
        name="system:node-bootstrapper",
        rules=(_may(f"create {_READ}", _CERTIFICATES, "certificatesigningrequests"),),
    ),
    DefaultRole(
        name="system:node-problem-detector",
        rules=(_may("get", "core", "nodes"), _may("patch", "core", "nodes/status"), _EVENTS),
    ),
    DefaultRole(
        name="system:node-proxier",
        rules=(
            _may("list watch", "core", "endpoints services"),
            _may(_READ, "core", "nodes"),
            _EVENTS,
            _may("list watch", "discovery.k8s.io", "endpointslices"),
        ),
    ),
    DefaultRole(
        name="system:persistent-volume-provisioner",
        rules=(
            _may(f"create delete {_READ}", "core", "persistentvolumes"),
            _may(f"{_READ} update", "core", "persistentvolumeclaims"),
            _may(_READ, "storage.k8s.io", "storageclasses"),
            _may("watch", "core", "events"),
            _EVENTS,
        ),
    ),
    DefaultRole(
        name="system:volume-scheduler",
        rules=(
            _may(f"{_READ} patch update", "core", "persistentvolumeclaims persistentvolumes"),
            _may(_READ, "storage.k8s.io", "storageclasses"),
        ),
    ),
)  # fmt: skip

ROLES: tuple[DefaultRole, ...] = (
    DefaultRole(
        name="extension-apiserver-authentication-reader",
        namespace="kube-system",
        rules=(_may(_READ, "core", "configmaps", "extension-apiserver-authentication"),),
    ),
)

CLUSTER_ROLE_BINDINGS: tuple[DefaultBinding, ...] = (
    DefaultBinding(name="cluster-admin", groups=("system:masters",)),
    DefaultBinding(name="system:monitoring", groups=("system:monitoring",)),
    DefaultBinding(name="system:discovery", groups=("system:authenticated",)),
    DefaultBinding(name="system:basic-user", groups=("system:authenticated",)),
    DefaultBinding(name="system:public-info-viewer", groups=("system:authenticated", "system:unauthenticated")),
    DefaultBinding(name="system:service-account-issuer-discovery", groups=("system:serviceaccounts",)),
    DefaultBinding(name="system:node-proxier", users=("system:kube-proxy",)),
    DefaultBinding(name="system:kube-controller-manager", users=("system:kube-controller-manager",)),
    DefaultBinding(name="system:kube-scheduler", users=("system:kube-scheduler",)),
    DefaultBinding(name="system:volume-scheduler", users=("system:kube-scheduler",)),
    DefaultBinding(name="system:kube-dns", accounts=("kube-system/kube-dns",)),
)
