"""Pod: containers that live and die together on one machine."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, forbidden
from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.core.pod_admission import admit
from engine.apiserver.registry.core.pod_labelkeys import merge_label_keys
from engine.apiserver.registry.core.pod_printing import POD_COLUMNS, PodRow
from engine.apiserver.registry.core.pod_update import ephemeral_containers_errors, resize_errors, update_errors
from engine.apiserver.registry.kind import Context, DeleteOptions, Json, Kind, Subresource
from engine.apiserver.registry.podspec.defaults import (
    set_container_defaults_in,
    set_pod_defaults,
    set_spec_defaults,
)
from engine.apiserver.registry.podspec.resources import qos_class
from engine.apiserver.registry.podspec.validation import append_spec_errors

_GATED: Json = {
    "type": "PodScheduled",
    "status": "False",
    "lastProbeTime": None,
    "lastTransitionTime": None,
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""
    restart_policy: str = ""
    scheduler_name: str = ""
    service_account_name: str = ""
    host_network: bool = False


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    nominated_node_name: str = ""


class PodFields(msgspec.Struct, frozen=True):
    """What field selectors read."""

    spec: _Spec = _Spec()
    status: _Status = _Status()


def _field_labels(view: PodFields) -> dict[str, str]:
    spec, status = view.spec, view.status
    return {
        "spec.nodeName": spec.node_name,
        "spec.restartPolicy": spec.restart_policy,
        "spec.schedulerName": spec.scheduler_name,
        "spec.serviceAccountName": spec.service_account_name,
        "spec.hostNetwork": "true" if spec.host_network else "false",
        "status.phase": status.phase,
        "status.podIP": status.pod_ip,
        "status.nominatedNodeName": status.nominated_node_name,
    }


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    set_spec_defaults(spec)
    set_pod_defaults(spec)


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    spec: Json = obj["spec"]
    append_spec_errors(errors, spec, "spec")
    if spec.get("ephemeralContainers") and obj["metadata"].get("generation") == 1:
        errors.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    return errors


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1
    status: Json = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
    if obj["spec"].get("schedulingGates"):
        status["conditions"] = [_GATED]
    obj["status"] = status
    merge_label_keys(obj)


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.put_back_part(new, old, "status")
    _keep_what_admission_set(new["spec"], old["spec"])
    metadata.bump_generation_if_changed(new, old)


def _keep_what_admission_set(spec: Json, before: Json) -> None:
    # A manifest applied again need not repeat what the server filled in when the pod was created.
    for name in ("serviceAccountName", "serviceAccount", "priority", "preemptionPolicy"):
        if name not in spec and name in before:
            spec[name] = before[name]
    if "tolerations" not in spec and "tolerations" in before:
        spec["tolerations"] = before["tolerations"]


def _status_update(new: Json, old: Json, _context: Context) -> None:
    metadata.put_back_part(new, old, "spec")
    metadata.put_back_in_metadata(new, old, "ownerReferences")
    status: Json = new.setdefault("status", {})
    before: Json = old.get("status", {})
    if "qosClass" in before:
        status["qosClass"] = before["qosClass"]


def _prepare_ephemeral_containers(new: Json, old: Json, _context: Context) -> None:
    containers: list[Json] = new.get("spec", {}).get("ephemeralContainers", [])
    set_container_defaults_in(containers)
    new["spec"] = {**old["spec"], "ephemeralContainers": containers}
    metadata.put_back_part(new, old, "status")
    metadata.bump_generation_if_changed(new, old)


def _prepare_resize(new: Json, old: Json, _context: Context) -> None:
    metadata.put_back_part(new, old, "status")
    spec: Json = new.setdefault("spec", {})
    set_spec_defaults(spec)
    set_pod_defaults(spec)
    metadata.bump_generation_if_changed(new, old)


def _graceful_delete(obj: Json, options: DeleteOptions) -> int | None:
    spec: Json = obj.get("spec", {})
    if not spec.get("nodeName") or obj.get("status", {}).get("phase") in {"Failed", "Succeeded"}:
        return 0
    seconds = options.grace_period_seconds
    if seconds is None:
        seconds = spec.get("terminationGracePeriodSeconds", 30)
    # Negative periods were once accepted; they mean the shortest there is.
    return seconds if seconds >= 0 else 1


POD = Kind(
    group="",
    version="v1",
    kind="Pod",
    plural="pods",
    singular="pod",
    namespaced=True,
    short_names=("po",),
    categories=("all",),
    subresources={
        "attach": Subresource(name="attach", verbs=("create", "get"), kind="PodAttachOptions"),
        "binding": Subresource(name="binding", verbs=("create",), kind="Binding"),
        "ephemeralcontainers": Subresource(
            name="ephemeralcontainers",
            verbs=("get", "patch", "update"),
            prepare=_prepare_ephemeral_containers,
            validate=ephemeral_containers_errors,
        ),
        "eviction": Subresource(name="eviction", verbs=("create",), kind="Eviction", group="policy", version="v1"),
        "exec": Subresource(name="exec", verbs=("create", "get"), kind="PodExecOptions"),
        "log": Subresource(name="log", verbs=("get",)),
        "portforward": Subresource(name="portforward", verbs=("create", "get"), kind="PodPortForwardOptions"),
        "proxy": Subresource(
            name="proxy", verbs=("create", "delete", "get", "patch", "update"), kind="PodProxyOptions"
        ),
        "resize": Subresource(
            name="resize", verbs=("get", "patch", "update"), prepare=_prepare_resize, validate=resize_errors
        ),
        "status": Subresource(name="status", verbs=("get", "patch", "update"), prepare=_status_update),
    },
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    admit=admit,
    validate=_validate,
    validate_update=update_errors,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    graceful_delete=_graceful_delete,
    returns_deleted=True,
    columns=POD_COLUMNS,
    table_view=PodRow,
    field_view=PodFields,
    field_labels=_field_labels,
)
