"""DaemonSet: one like pod on every machine that fits."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, invalid, not_supported, required
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.apps import workload
from engine.apiserver.registry.kind import Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, Metadata, Selector, Template, labels_text

_STRATEGIES = ("OnDelete", "RollingUpdate")
_HISTORY = 10
# How the template's version was told before generations; clients of old still read it.
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class _Spec(msgspec.Struct, frozen=True):
    selector: Selector | None = None
    template: Template = Template()


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    desired_number_scheduled: int = 0
    current_number_scheduled: int = 0
    number_ready: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0


class DaemonSetRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    strategy: Json = spec.setdefault("updateStrategy", {})
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling: Json = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", _HISTORY)
    workload.set_template_defaults(spec)


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    workload.append_template_errors(errors, spec, noun="daemonset", deadline="DaemonSet")
    workload.append_count_errors(errors, spec, "minReadySeconds", "revisionHistoryLimit")
    strategy: Json = spec["updateStrategy"]
    if strategy["type"] not in _STRATEGIES:
        errors.append(not_supported("spec.updateStrategy", strategy["type"], _STRATEGIES))
    elif strategy["type"] == "RollingUpdate":
        _append_rolling_errors(errors, strategy.get("rollingUpdate", {}), "spec.updateStrategy.rollingUpdate")
    return errors


def _append_rolling_errors(errors: list[FieldError], rolling: Json, path: str) -> None:
    if not rolling:
        errors.append(required(path))
        return
    unavailable, surge = rolling["maxUnavailable"], rolling["maxSurge"]
    workload.append_share_errors(errors, unavailable, f"{path}.maxUnavailable", up_to_all=True)
    workload.append_share_errors(errors, surge, f"{path}.maxSurge", up_to_all=True)
    may_miss, may_surge = not workload.share_is_zero(unavailable), not workload.share_is_zero(surge)
    if may_miss and may_surge:
        errors.append(invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    elif not may_miss and not may_surge:
        errors.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1
    obj["metadata"].setdefault("annotations", {})[_TEMPLATE_GENERATION] = "1"
    obj["status"] = {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0}
    obj["status"]["numberReady"] = 0


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.put_back_part(new, old, "status")
    metadata.bump_generation_if_changed(new, old)
    version = old["metadata"].get("annotations", {}).get(_TEMPLATE_GENERATION, "1")
    if new["spec"].get("template") != old["spec"].get("template") and version.isdigit():
        version = str(int(version) + 1)
    new["metadata"].setdefault("annotations", {})[_TEMPLATE_GENERATION] = version


DAEMON_SET = Kind(
    group="apps",
    version="v1",
    kind="DaemonSet",
    plural="daemonsets",
    singular="daemonset",
    namespaced=True,
    short_names=("ds",),
    categories=("all",),
    subresources={"status": workload.STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    validate_update=workload.selector_update_errors,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    table_view=DaemonSetRow,
    columns=(
        NAME,
        columns.number(
            "Desired",
            lambda view: view.status.desired_number_scheduled,
            "The total number of nodes that should be running the daemon pod.",
        ),
        columns.number(
            "Current",
            lambda view: view.status.current_number_scheduled,
            "The number of nodes that are running at least 1 daemon pod and are supposed to run the daemon pod.",
        ),
        columns.number(
            "Ready",
            lambda view: view.status.number_ready,
            "numberReady is the number of nodes that should be running the daemon pod and have one or more of the"
            " daemon pod running with a Ready Condition.",
        ),
        columns.number(
            "Up-to-date",
            lambda view: view.status.updated_number_scheduled,
            "The total number of nodes that are running updated daemon pod",
        ),
        columns.number(
            "Available",
            lambda view: view.status.number_available,
            "The number of nodes that should be running the daemon pod and have one or more of the daemon pod running"
            " and available (ready for at least spec.minReadySeconds)",
        ),
        columns.text(
            "Node Selector",
            lambda view: labels_text(view.spec.template.spec.node_selector),
            "NodeSelector is a selector which must be true for the pod to fit on a node.",
        ),
        AGE,
        columns.containers(),
        columns.images(),
        columns.selector("A label query over pods that are managed by the daemon set."),
    ),
)
