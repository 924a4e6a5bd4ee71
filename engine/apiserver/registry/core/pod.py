"""Pod: containers that live and die together on one machine."""

from __future__ import annotations

import msgspec

from apimachinery.objects.errors import Forbidden
from apimachinery.objects.field import FieldError, forbidden
from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.core.accounttoken import mount_account_token
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
from engine.apiserver.registry.scheduling.priorityclass import SYSTEM_CLASSES

_DEFAULT_ACCOUNT = "default"
_EVICTION_AFTER = 300
_AUTOMATIC_TOLERATIONS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
# They count even where somebody deleted them.
_SYSTEM_CLASSES: dict[str, Json] = {
    name: {"metadata": {"name": name}, "value": value} for name, value in SYSTEM_CLASSES.items()
}
_MIRROR = "kubernetes.io/config.mirror"
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


def _admit(obj: Json, context: Context) -> None:
    """Do what the admission plugins ServiceAccount, Priority and DefaultTolerationSeconds do."""
    spec: Json = obj["spec"]
    if _MIRROR not in obj["metadata"].get("annotations", {}):
        _admit_account(obj, context)
    _admit_priority(obj, context)
    for key in _AUTOMATIC_TOLERATIONS:
        tolerations: list[Json] = spec.setdefault("tolerations", [])
        if not any(
            toleration.get("key", "") in {key, ""} and toleration.get("effect", "") in {"NoExecute", ""}
            for toleration in tolerations
        ):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _EVICTION_AFTER}
            )


def _admit_account(obj: Json, context: Context) -> None:
    spec, meta = obj["spec"], obj["metadata"]
    name = spec.get("serviceAccountName") or _DEFAULT_ACCOUNT
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    account = context.lookup("", "serviceaccounts", meta.get("namespace", ""), name)
    if account is None:
        # The default account is made a moment after its namespace: a pod created in between need not fail.
        if name != _DEFAULT_ACCOUNT:
            detail = (
                f'error looking up service account {meta.get("namespace")}/{name}: serviceaccount "{name}" not found'
            )
            raise _refused(obj, detail)
        account = {}
    mount_account_token(obj, account)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = account["imagePullSecrets"]


def _admit_priority(obj: Json, context: Context) -> None:
    spec: Json = obj["spec"]
    name = spec.get("priorityClassName", "")
    found = _priority_class(name, context)
    if found is None and name:
        raise _refused(obj, f"no PriorityClass with name {name} was found")
    found = found or {}
    if not name and found:
        spec["priorityClassName"] = found["metadata"]["name"]
    priority = found.get("value", 0)
    if spec.setdefault("priority", priority) != priority:
        raise _refused(
            obj,
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec;"
            f" priority admission controller computed {priority} from the given PriorityClass name",
        )
    policy = found.get("preemptionPolicy", "PreemptLowerPriority")
    if spec.setdefault("preemptionPolicy", policy) != policy:
        raise _refused(
            obj,
            f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec;"
            f" priority admission controller computed {policy} from the given PriorityClass name",
        )


def _priority_class(name: str, context: Context) -> Json | None:
    """The class named; for no name the one that is marked as default, the lowest if there are several."""
    if name:
        return context.lookup("scheduling.k8s.io", "priorityclasses", "", name) or _SYSTEM_CLASSES.get(name)
    marked = [item for item in context.find("scheduling.k8s.io", "priorityclasses", "") if item.get("globalDefault")]
    return min(marked, key=lambda item: item.get("value", 0), default=None)


def _refused(obj: Json, detail: str) -> Forbidden:
    name = obj["metadata"].get("name", "")
    return Forbidden(f'pods "{name}" is forbidden: {detail}', details={"name": name, "kind": "pods"})


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
    admit=_admit,
    validate=_validate,
    validate_update=update_errors,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    status_update=_status_update,
    graceful_delete=_graceful_delete,
    returns_deleted=True,
    columns=POD_COLUMNS,
    table_view=PodRow,
    field_view=PodFields,
    field_labels=_field_labels,
)
