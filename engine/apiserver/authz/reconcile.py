"""On start: what the default roles and bindings lack is added to them; what people added to them stays.

Source: component-helpers/auth/rbac/reconciliation.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.objects.errors import AlreadyExists, Conflict, NotFound
from apimachinery.objects.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLES, Resource
from engine.apiserver.authz import defaults
from engine.apiserver.authz.defaults import DefaultBinding, DefaultRole
from engine.apiserver.authz.rules import PolicyRule, uncovered

Json = dict[str, Any]

_AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_GROUP = "rbac.authorization.k8s.io"


async def ensure_defaults(client: Client) -> None:
    """Bring roles and bindings up to what this version expects. All at once, so that they share commits."""
    async with TaskScope("default-roles") as scope:
        tasks = [scope.spawn(role.name, _ensure(client, CLUSTERROLES, role_object(role), merged_role))
                 for role in defaults.CLUSTER_ROLES]  # fmt: skip
        tasks += [scope.spawn(role.name, _ensure(client, ROLES, role_object(role), merged_role))
                  for role in defaults.ROLES]  # fmt: skip
        tasks += [scope.spawn(one.name, _ensure(client, CLUSTERROLEBINDINGS, binding_object(one), merged_binding))
                  for one in defaults.CLUSTER_ROLE_BINDINGS]  # fmt: skip
        for task in tasks:
            await task


async def _ensure(client: Client, resource: Resource, wanted: Json, merge: Any) -> None:
    metadata = wanted["metadata"]
    namespace = metadata.get("namespace")
    try:
        found: Json = await client.get(resource, metadata["name"], namespace)
    except NotFound:
        try:
            await client.create(resource, wanted, namespace)
        except AlreadyExists:
            # Another engine on the same store was faster.
            return
        return
    if (found["metadata"].get("annotations") or {}).get(_AUTOUPDATE) == "false":
        return
    merged: Json | None = merge(found, wanted)
    if merged is not None:
        # Who was faster is another engine with the same wish.
        with suppress(Conflict):
            await client.update(resource, merged)


def merged_role(found: Json, wanted: Json) -> Json | None:
    """The role with what it lacks; None when it lacks nothing."""
    held = msgspec.convert(found.get("rules") or (), tuple[PolicyRule, ...])
    missing = uncovered(held, msgspec.convert(wanted.get("rules") or (), tuple[PolicyRule, ...]))
    merged = _with_metadata(found, wanted)
    if missing:
        merged["rules"] = [*(found.get("rules") or ()), *msgspec.to_builtins(missing)]
    if "aggregationRule" in wanted and not found.get("aggregationRule"):
        merged["aggregationRule"] = wanted["aggregationRule"]
    return merged if merged != found else None


def merged_binding(found: Json, wanted: Json) -> Json | None:
    """The binding with the subjects it lacks; None when it lacks none. One for another role is somebody's choice."""
    if found.get("roleRef") != wanted["roleRef"]:
        return None
    subjects = found.get("subjects") or []
    missing = [subject for subject in wanted["subjects"] if subject not in subjects]
    merged = _with_metadata(found, wanted)
    if missing:
        merged["subjects"] = [*subjects, *missing]
    return merged if merged != found else None


def _with_metadata(found: Json, wanted: Json) -> Json:
    metadata: Json = dict(found["metadata"])
    for field in ("labels", "annotations"):
        held: Mapping[str, str] = metadata.get(field) or {}
        metadata[field] = {**wanted["metadata"][field], **held}
    return {**found, "metadata": metadata}


def role_object(role: DefaultRole) -> Json:
    labels = dict(_LABELS)
    if role.feeds:
        labels[f"{_GROUP}/aggregate-to-{role.feeds}"] = "true"
    metadata: Json = {"name": role.name, "labels": labels, "annotations": {_AUTOUPDATE: "true"}}
    if role.namespace:
        metadata["namespace"] = role.namespace
    obj: Json = {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "Role" if role.namespace else "ClusterRole",
        "metadata": metadata,
        "rules": msgspec.to_builtins(role.rules) or None,
    }
    if role.aggregates:
        label = f"{_GROUP}/aggregate-to-{role.aggregates}"
        obj["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]}
    return obj


def binding_object(binding: DefaultBinding) -> Json:
    subjects: list[Json] = [{"apiGroup": _GROUP, "kind": "User", "name": name} for name in binding.users]
    subjects += [{"apiGroup": _GROUP, "kind": "Group", "name": name} for name in binding.groups]
    for account in binding.accounts:
        namespace, _, name = account.partition("/")
        subjects.append({"kind": "ServiceAccount", "name": name, "namespace": namespace})
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": binding.name, "labels": dict(_LABELS), "annotations": {_AUTOUPDATE: "true"}},
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": binding.role or binding.name},
        "subjects": subjects,
    }
