"""The objects of this group that every cluster has, with a spec that nobody may change.

Source: apiserver/pkg/apis/flowcontrol/bootstrap/default.go.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
EXEMPT = "exempt"
CATCH_ALL = "catch-all"


def _for_groups(precedence: int, level: str, *groups: str) -> Json:
    return {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        "rules": [
            {
                "subjects": [{"kind": "Group", "group": {"name": group}} for group in groups],
                "resourceRules": [
                    {
                        "verbs": ["*"],
                        "apiGroups": ["*"],
                        "resources": ["*"],
                        "clusterScope": True,
                        "namespaces": ["*"],
                    }
                ],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            }
        ],
    }


FLOW_SCHEMAS: dict[str, Json] = {
    EXEMPT: _for_groups(1, EXEMPT, "system:masters"),
    CATCH_ALL: {
        **_for_groups(10_000, CATCH_ALL, "system:unauthenticated", "system:authenticated"),
        "distinguisherMethod": {"type": "ByUser"},
    },
}
PRIORITY_LEVELS: dict[str, Json] = {
    EXEMPT: {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
    CATCH_ALL: {
        "type": "Limited",
        "limited": {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}, "lendablePercent": 0},
    },
}
