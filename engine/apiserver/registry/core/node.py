"""Node: a machine that runs pods."""

from __future__ import annotations

from typing import Any

import msgspec

from apimachinery.objects.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.kind import Cell, Column, Context, Json, Kind, Subresource
from engine.apiserver.registry.status import STATUS
from engine.apiserver.registry.views import AGE, NAME, NONE, Metadata

_NOT_READY = "node.kubernetes.io/not-ready"
_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"
_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_UNKNOWN = "<unknown>"


class _Spec(msgspec.Struct, frozen=True):
    unschedulable: bool = False


class _Condition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""


class _Address(msgspec.Struct, frozen=True):
    type: str = ""
    address: str = ""


class _Info(msgspec.Struct, frozen=True, rename="camel"):
    kubelet_version: str = ""
    os_image: str = ""
    kernel_version: str = ""
    container_runtime_version: str = ""


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    conditions: list[_Condition] = []
    addresses: list[_Address] = []
    node_info: _Info = _Info()


class NodeRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


class NodeFields(msgspec.Struct, frozen=True):
    """What field selectors read."""

    spec: _Spec = _Spec()


def _status(view: NodeRow) -> Cell:
    ready = next((found.status for found in view.status.conditions if found.type == "Ready"), None)
    states = ["Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"]
    if view.spec.unschedulable:
        states.append("SchedulingDisabled")
    return ",".join(states)


def _roles(view: NodeRow) -> Cell:
    roles = {key.removeprefix(_ROLE_PREFIX) for key in view.metadata.labels if key.startswith(_ROLE_PREFIX)}
    roles.add(view.metadata.labels.get(_ROLE_LABEL, ""))
    return ",".join(sorted(roles - {""})) or NONE


def _address(view: NodeRow, wanted: str) -> Cell:
    return next((found.address for found in view.status.addresses if found.type == wanted), NONE)


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif spec.get("podCIDRs") and not spec.get("podCIDR"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    status: Json = obj.get("status", {})
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def _admit(obj: Json, _context: Context) -> None:
    """Do what the admission plugin TaintNodesByCondition does: nothing comes before the machine says it is ready."""
    taints: list[Json] = obj["spec"].setdefault("taints", [])
    if not any(taint.get("key") == _NOT_READY and taint.get("effect") == "NoSchedule" for taint in taints):
        taints.append({"key": _NOT_READY, "effect": "NoSchedule"})


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[tuple[Any, Any]] = set()
    for index, taint in enumerate(obj.get("spec", {}).get("taints", ())):
        here = f"spec.taints[{index}]"
        key, value, effect = taint.get("key", ""), taint.get("value", ""), taint.get("effect", "")
        errors += (invalid(f"{here}.key", key, message) for message in names.qualified_name(key))
        errors += (invalid(f"{here}.value", value, message) for message in names.label_value(value))
        if not effect:
            errors.append(required(f"{here}.effect"))
        elif effect not in _EFFECTS:
            errors.append(not_supported(f"{here}.effect", effect, _EFFECTS))
        if (key, effect) in seen:
            errors.append(duplicate(here, taint))
        seen.add((key, effect))
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    spec, before = new["spec"], old.get("spec", {})
    errors: list[FieldError] = []
    if before.get("podCIDRs") and spec.get("podCIDRs") != before["podCIDRs"]:
        errors.append(forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'))
    if before.get("providerID") and spec.get("providerID") != before["providerID"]:
        errors.append(forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid'))
    return errors


def _prepare_update(new: Json, old: Json, context: Context) -> None:
    metadata.keep("status")(new, old, context)
    # What is assigned once is not taken away by a client that does not know it.
    for field in ("podCIDR", "podCIDRs", "providerID"):
        if field in old.get("spec", {}):
            new["spec"].setdefault(field, old["spec"][field])


NODE = Kind(
    group="",
    version="v1",
    kind="Node",
    plural="nodes",
    singular="node",
    namespaced=False,
    short_names=("no",),
    storage="minions",
    subresources={
        "proxy": Subresource(
            name="proxy", verbs=("create", "delete", "get", "patch", "update"), kind="NodeProxyOptions"
        ),
        "status": STATUS,
    },
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    admit=_admit,
    validate=_validate,
    validate_update=_validate_update,
    prepare_update=_prepare_update,
    table_view=NodeRow,
    columns=(
        NAME,
        Column(name="Status", cell=_status, description="The status of the node"),
        Column(name="Roles", cell=_roles, description="The roles of the node"),
        AGE,
        Column(
            name="Version",
            cell=lambda view: view.status.node_info.kubelet_version,
            description="Kubelet Version reported by the node.",
        ),
        Column(
            name="Internal-IP",
            priority=1,
            cell=lambda view: _address(view, "InternalIP"),
            description="List of addresses reachable to the node. Queried from cloud provider, if available.",
        ),
        Column(
            name="External-IP",
            priority=1,
            cell=lambda view: _address(view, "ExternalIP"),
            description="List of addresses reachable to the node. Queried from cloud provider, if available.",
        ),
        Column(
            name="OS-Image",
            priority=1,
            cell=lambda view: view.status.node_info.os_image or _UNKNOWN,
            description="OS Image reported by the node from /etc/os-release (e.g. Debian GNU/Linux 7 (wheezy)).",
        ),
        Column(
            name="Kernel-Version",
            priority=1,
            cell=lambda view: view.status.node_info.kernel_version or _UNKNOWN,
            description="Kernel Version reported by the node from 'uname -r' (e.g. 3.16.0-0.bpo.4-amd64).",
        ),
        Column(
            name="Container-Runtime",
            priority=1,
            cell=lambda view: view.status.node_info.container_runtime_version or _UNKNOWN,
            description="ContainerRuntime Version reported by the node through runtime remote API"
            " (e.g. containerd://1.4.2).",
        ),
    ),
    field_view=NodeFields,
    field_labels=lambda view: {"spec.unschedulable": "true" if view.spec.unschedulable else "false"},
)
