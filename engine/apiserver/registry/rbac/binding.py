"""RoleBinding and ClusterRoleBinding: which users, groups and service accounts have a role.

Source: pkg/apis/rbac/v1/defaults.go, pkg/apis/rbac/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from apimachinery.objects.field import FieldError, invalid, not_supported, required
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Cell, Column, Json, Kind
from engine.apiserver.registry.rbac.role import GROUP
from engine.apiserver.registry.views import AGE, NAME, Metadata


class _Subject(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class _RoleRef(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""


class BindingRow(msgspec.Struct, frozen=True, rename="camel"):
    """What the table cells read."""

    metadata: Metadata
    subjects: list[_Subject] | None = None
    role_ref: _RoleRef = _RoleRef()


def _role(view: BindingRow) -> Cell:
    return f"{view.role_ref.kind}/{view.role_ref.name}"


def _names_of(kind: str) -> Callable[[BindingRow], Cell]:
    def cell(view: BindingRow) -> Cell:
        chosen = (subject for subject in view.subjects or () if subject.kind == kind)
        return ", ".join(f"{s.namespace}/{s.name}" if kind == "ServiceAccount" else s.name for s in chosen)

    return cell


_COLUMNS = (
    NAME,
    Column(name="Role", cell=_role, description="RoleRef can reference a Role or a ClusterRole."),
    AGE,
    Column(name="Users", cell=_names_of("User"), priority=1, description="Users in the binding."),
    Column(name="Groups", cell=_names_of("Group"), priority=1, description="Groups in the binding."),
    Column(
        name="ServiceAccounts", cell=_names_of("ServiceAccount"), priority=1,
        description="ServiceAccounts in the binding.",
    ),
)  # fmt: skip


def _set_defaults(obj: Json) -> None:
    reference: Json = obj.setdefault("roleRef", {})
    if not reference.get("apiGroup"):
        reference["apiGroup"] = GROUP
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def _validate(obj: Json, *, namespaced: bool) -> list[FieldError]:
    reference: Json = obj["roleRef"]
    errors: list[FieldError] = []
    if reference.get("apiGroup") != GROUP:
        errors.append(not_supported("roleRef.apiGroup", reference.get("apiGroup", ""), [GROUP]))
    roles = ["Role", "ClusterRole"] if namespaced else ["ClusterRole"]
    if reference.get("kind", "") not in roles:
        errors.append(not_supported("roleRef.kind", reference.get("kind", ""), roles))
    name = reference.get("name", "")
    if not name:
        errors.append(required("roleRef.name", ""))
    else:
        errors += (invalid("roleRef.name", name, message) for message in names.path_segment(name))
    for index, subject in enumerate(obj.get("subjects") or ()):
        errors += _subject_errors(subject, f"subjects[{index}]", namespaced=namespaced)
    return errors


def _subject_errors(subject: Json, path: str, *, namespaced: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    name, group, kind = subject.get("name", ""), subject.get("apiGroup", ""), subject.get("kind", "")
    if not name:
        errors.append(required(f"{path}.name", ""))
    if kind == "ServiceAccount":
        if name:
            errors += (invalid(f"{path}.name", name, message) for message in names.dns_subdomain(name))
        if group:
            errors.append(not_supported(f"{path}.apiGroup", group, [""]))
        if not namespaced and not subject.get("namespace"):
            errors.append(required(f"{path}.namespace", ""))
    elif kind in ("User", "Group"):
        if group != GROUP:
            errors.append(not_supported(f"{path}.apiGroup", group, [GROUP]))
    else:
        errors.append(not_supported(f"{path}.kind", kind, ["ServiceAccount", "User", "Group"]))
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    if new["roleRef"] == old["roleRef"]:
        return []
    return [invalid("roleRef", new["roleRef"], "cannot change roleRef")]


ROLE_BINDING = Kind(
    group=GROUP,
    version="v1",
    kind="RoleBinding",
    plural="rolebindings",
    singular="rolebinding",
    namespaced=True,
    name_errors=names.path_segment,
    set_defaults=_set_defaults,
    validate=lambda obj: _validate(obj, namespaced=True),
    validate_update=_validate_update,
    allow_create_on_update=True,
    table_view=BindingRow,
    columns=_COLUMNS,
)
CLUSTER_ROLE_BINDING = Kind(
    group=GROUP,
    version="v1",
    kind="ClusterRoleBinding",
    plural="clusterrolebindings",
    singular="clusterrolebinding",
    namespaced=False,
    name_errors=names.path_segment,
    set_defaults=_set_defaults,
    validate=lambda obj: _validate(obj, namespaced=False),
    validate_update=_validate_update,
    allow_create_on_update=True,
    table_view=BindingRow,
    columns=_COLUMNS,
)
