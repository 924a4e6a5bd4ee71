"""ReplicationController: a number of like pods, before there were ReplicaSets."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, forbidden, invalid, not_supported, required
from engine.apiserver.registry import columns, metadata, names, status
from engine.apiserver.registry.apps import workload
from engine.apiserver.registry.kind import Context, Json, Kind
from engine.apiserver.registry.podspec.validation import append_spec_errors
from engine.apiserver.registry.views import AGE, NAME, Metadata, Template, labels_text


class _Spec(msgspec.Struct, frozen=True):
    replicas: int = 0
    selector: dict[str, str] = {}
    template: Template = Template()


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    replicas: int = 0
    ready_replicas: int = 0


class ReplicationControllerRow(msgspec.Struct, frozen=True):
    """What the table cells and field selectors read."""

    metadata: Metadata = Metadata()
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    workload.set_template_defaults(spec)
    labels: dict[str, str] = spec["template"].get("metadata", {}).get("labels", {})
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)
    spec.setdefault("replicas", 1)


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    workload.append_count_errors(errors, spec, "minReadySeconds")
    selector: dict[str, str] = spec.get("selector", {})
    if not selector:
        errors.append(required("spec.selector"))
    workload.append_count_errors(errors, spec, "replicas")
    template: Json = spec["template"]
    labels: dict[str, str] = template.get("metadata", {}).get("labels", {})
    if selector and any(labels.get(key) != value for key, value in selector.items()):
        detail = "`selector` does not match template `labels`"
        errors.append(invalid("spec.template.metadata.labels", labels, detail))
    metadata.append_label_errors(errors, labels, "spec.template.metadata.labels")
    append_spec_errors(errors, template["spec"], "spec.template.spec")
    policy = template["spec"].get("restartPolicy")
    if policy != "Always":
        errors.append(not_supported("spec.template.spec.restartPolicy", policy, ["Always"]))
    if "activeDeadlineSeconds" in template["spec"]:
        detail = "activeDeadlineSeconds in ReplicationController is not Supported"
        errors.append(forbidden("spec.template.spec.activeDeadlineSeconds", detail))
    return errors


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1
    obj["status"] = {"replicas": 0}


REPLICATION_CONTROLLER = Kind(
    group="",
    version="v1",
    kind="ReplicationController",
    plural="replicationcontrollers",
    singular="replicationcontroller",
    namespaced=True,
    short_names=("rc",),
    categories=("all",),
    storage="controllers",
    subresources={"scale": workload.SCALE, "status": workload.STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    prepare_create=_prepare_create,
    prepare_update=status.change_without,
    default_propagation="Orphan",
    table_view=ReplicationControllerRow,
    columns=(
        NAME,
        columns.number("Desired", lambda view: view.spec.replicas, "Replicas is the number of desired replicas."),
        columns.number(
            "Current", lambda view: view.status.replicas, "Replicas is the most recently observed number of replicas."
        ),
        columns.number(
            "Ready",
            lambda view: view.status.ready_replicas,
            "The number of ready replicas for this replication controller.",
        ),
        AGE,
        columns.containers(),
        columns.images(),
        columns.text(
            "Selector",
            lambda view: labels_text(view.spec.selector),
            "Selector is a label query over pods that should match the Replicas count.",
            wide=True,
        ),
    ),
    field_view=ReplicationControllerRow,
    field_labels=lambda view: {"status.replicas": str(view.status.replicas)},
)
