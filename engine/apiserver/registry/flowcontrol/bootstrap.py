"""The objects of this group that every cluster has.

Source: apiserver/pkg/apis/flowcontrol/bootstrap/default.go.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
EXEMPT = "exempt"
CATCH_ALL = "catch-all"
_ALL = ("*",)


def _resources(
    verbs: tuple[str, ...] = _ALL,
    group: str = "*",
    resources: tuple[str, ...] = _ALL,
    *,
    cluster: bool = True,
) -> Json:
    rule = {"verbs": [*verbs], "apiGroups": [group], "resources": [*resources], "namespaces": ["*"]}
    return {**rule, "clusterScope": True} if cluster else rule


_EVERYTHING: Json = {
    "resourceRules": [_resources()],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}
_TAKING_TURNS = ("get", "create", "update")
_LEASES = _resources(_TAKING_TURNS, "coordination.k8s.io", ("leases",), cluster=False)


def _groups(*names: str) -> list[Json]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _users(*names: str) -> list[Json]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _system_accounts(*names: str) -> list[Json]:
    accounts = ({"name": name, "namespace": "kube-system"} for name in names)
    return [{"kind": "ServiceAccount", "serviceAccount": account} for account in accounts]


def _schema(precedence: int, level: str, by: str, subjects: list[Json], rules: Json = _EVERYTHING) -> Json:
    method: Json = {"distinguisherMethod": {"type": by}} if by else {}
    return {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        **method,
        "rules": [{"subjects": subjects, **rules}],
    }


def _level(shares: int, lendable: int, queues: int = 128, hand: int = 6) -> Json:
    return {
        "type": "Limited",
        "limited": {
            "nominalConcurrencyShares": shares,
            "limitResponse": {
                "type": "Queue",
                "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": 50},
            },
            "lendablePercent": lendable,
        },
    }


_EVERYBODY = _groups("system:unauthenticated", "system:authenticated")

FLOW_SCHEMAS: dict[str, Json] = {
    EXEMPT: _schema(1, EXEMPT, "", _groups("system:masters")),
    CATCH_ALL: _schema(10_000, CATCH_ALL, "ByUser", _EVERYBODY),
}
"""Nobody may change their spec."""
PRIORITY_LEVELS: dict[str, Json] = {
    EXEMPT: {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
    CATCH_ALL: {
        "type": "Limited",
        "limited": {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}, "lendablePercent": 0},
    },
}
"""Nobody may change their spec."""

SUGGESTED_LEVELS: dict[str, Json] = {
    "system": _level(30, 33, 64),
    "node-high": _level(40, 25, 64),
    "leader-election": _level(10, 0, 16, 4),
    "workload-high": _level(40, 50),
    "workload-low": _level(100, 90),
    "global-default": _level(20, 50),
}
SUGGESTED_SCHEMAS: dict[str, Json] = {
    "probes": _schema(
        2,
        EXEMPT,
        "",
        _EVERYBODY,
        {"nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]},
    ),
    "system-leader-election": _schema(
        100,
        "leader-election",
        "ByUser",
        [*_users("system:kube-controller-manager", "system:kube-scheduler"), *_system_accounts("*")],
        {"resourceRules": [_LEASES]},
    ),
    "endpoint-controller": _schema(
        150,
        "workload-high",
        "ByUser",
        [
            *_users("system:kube-controller-manager"),
            *_system_accounts("endpoint-controller", "endpointslicemirroring-controller"),
        ],
        {"resourceRules": [_resources(_TAKING_TURNS, "", ("endpoints",), cluster=False)]},
    ),
    "workload-leader-election": _schema(
        200,
        "leader-election",
        "ByUser",
        _system_accounts("*"),
        {"resourceRules": [_resources(_TAKING_TURNS, "", ("endpoints", "configmaps"), cluster=False), _LEASES]},
    ),
    "system-node-high": _schema(
        400,
        "node-high",
        "ByUser",
        _groups("system:nodes"),
        {
            "resourceRules": [
                _resources(group="", resources=("nodes", "nodes/status")),
                _resources(group="coordination.k8s.io", resources=("leases",), cluster=False),
            ]
        },
    ),
    "system-nodes": _schema(500, "system", "ByUser", _groups("system:nodes")),
    "kube-controller-manager": _schema(800, "workload-high", "ByNamespace", _users("system:kube-controller-manager")),
    "kube-scheduler": _schema(800, "workload-high", "ByNamespace", _users("system:kube-scheduler")),
    "kube-system-service-accounts": _schema(900, "workload-high", "ByNamespace", _system_accounts("*")),
    "service-accounts": _schema(9000, "workload-low", "ByUser", _groups("system:serviceaccounts")),
    "global-default": _schema(9900, "global-default", "ByUser", _EVERYBODY),
}
