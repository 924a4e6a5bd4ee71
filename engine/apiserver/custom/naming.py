"""Whether the names that a definition wants are free, and what its conditions say of it. Pure.

Source: apiextensions-apiserver/pkg/controller/{status/naming_controller.go,establish}.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.apiserver.registry.apiextensions.customresourcedefinition import set_condition
from engine.apiserver.registry.apiextensions.definition_rules import approval, protected
from engine.apiserver.registry.kind import Json

_PARTS = ("plural", "singular", "kind", "listKind")
_PLURAL, _KIND = "plural", "kind"


def settle(definition: Json, others: Iterable[Json], now: str) -> Json:
    """The status that a definition should have, given the others; equal to its own when it is settled."""
    obj: Json = {"status": _copied(definition.get("status", {}))}
    status: Json = obj["status"]
    wanted: Json = definition["spec"]["names"]
    group = definition["spec"]["group"]
    own = definition["metadata"]["name"]
    taken = [
        other.get("status", {}).get("acceptedNames") or {}
        for other in others
        if other["metadata"]["name"] != own and other["spec"]["group"] == group
    ]
    resources = {
        name
        for names in taken
        for name in (names.get("plural"), names.get("singular"), *(names.get("shortNames") or ()))
    }
    kinds = {name for names in taken for name in (names.get("kind"), names.get("listKind"))}
    accepted: Json = dict(status.get("acceptedNames") or {})
    conflicts: list[tuple[str, str]] = []
    for part in _PARTS:
        value = wanted.get(part) or ""
        used = kinds if part in (_KIND, "listKind") else resources
        if value and value in used:
            conflicts.append((f"{part[0].upper()}{part[1:]}Conflict", f'"{value}" is already in use'))
        elif value:
            accepted[part] = value
    short: list[str] = wanted.get("shortNames") or []
    clash = [name for name in short if name in resources]
    if clash:
        conflicts.append(("ShortNamesConflict", f'"{clash[0]}" is already in use'))
    elif short:
        accepted["shortNames"] = short
    else:
        accepted.pop("shortNames", None)
    if wanted.get("categories"):
        accepted["categories"] = wanted["categories"]
    else:
        accepted.pop("categories", None)
    status["acceptedNames"] = accepted
    _set_conditions(obj, conflicts, now)
    if protected(group):
        state, why = approval(definition)
        verdict = "True" if state == "Approved" else "False"
        set_condition(obj, "KubernetesAPIApprovalPolicyConformant", verdict, f"{state}Annotation", why, now=now)
    status.setdefault("storedVersions", [])
    return status


def _set_conditions(obj: Json, conflicts: list[tuple[str, str]], now: str) -> None:
    if conflicts:
        reason, message = conflicts[-1]
        set_condition(obj, "NamesAccepted", "False", reason, message, now=now)
    else:
        set_condition(obj, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now=now)
    established = any(c["type"] == "Established" and c["status"] == "True" for c in obj["status"]["conditions"])
    if established:
        return
    if conflicts:
        set_condition(obj, "Established", "False", "NotAccepted", "not all names are accepted", now=now)
    else:
        set_condition(
            obj, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted", now=now
        )


def _copied(status: Json) -> Json:
    conditions = [dict(condition) for condition in status.get("conditions") or ()]
    return {**status, "conditions": conditions}
