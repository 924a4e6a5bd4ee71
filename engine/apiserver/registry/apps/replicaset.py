"""ReplicaSet: a number of like pods of one version."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError
from engine.apiserver.registry import names, status
from engine.apiserver.registry.apps import workload
from engine.apiserver.registry.kind import Column, Context, Json, Kind
from engine.apiserver.registry.views import (
    AGE,
    NAME,
    Metadata,
    Selector,
    Template,
    container_images,
    container_names,
    selector_text,
)


class _Spec(msgspec.Struct, frozen=True):
    replicas: int = 0
    selector: Selector | None = None
    template: Template = Template()


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    replicas: int = 0
    ready_replicas: int = 0


class ReplicaSetRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


class ReplicaSetFields(msgspec.Struct, frozen=True):
    """What field selectors read."""

    status: _Status = _Status()


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    workload.set_template_defaults(spec)


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    workload.append_count_errors(errors, obj["spec"], "replicas", "minReadySeconds")
    workload.append_template_errors(errors, obj["spec"])
    return errors


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1
    obj["status"] = {"replicas": 0}


REPLICA_SET = Kind(
    group="apps",
    version="v1",
    kind="ReplicaSet",
    plural="replicasets",
    singular="replicaset",
    namespaced=True,
    short_names=("rs",),
    categories=("all",),
    subresources={"scale": workload.SCALE, "status": workload.STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    validate_update=workload.selector_update_errors,
    prepare_create=_prepare_create,
    prepare_update=status.change_without,
    table_view=ReplicaSetRow,
    columns=(
        NAME,
        Column(
            name="Desired",
            type="integer",
            cell=lambda view: view.spec.replicas,
            description="replicas is the number of desired pods.",
        ),
        Column(
            name="Current",
            type="integer",
            cell=lambda view: view.status.replicas,
            description="replicas is the most recently observed number of non-terminating pods.",
        ),
        Column(
            name="Ready",
            type="integer",
            cell=lambda view: view.status.ready_replicas,
            description="readyReplicas is the number of non-terminating pods targeted by this ReplicaSet with a Ready"
            " Condition.",
        ),
        AGE,
        Column(
            name="Containers",
            priority=1,
            cell=lambda view: container_names(view.spec.template),
            description="Names of each container in the template.",
        ),
        Column(
            name="Images",
            priority=1,
            cell=lambda view: container_images(view.spec.template),
            description="Images referenced by each container in the template.",
        ),
        Column(
            name="Selector",
            priority=1,
            cell=lambda view: selector_text(view.spec.selector),
            description="selector is a label query over pods that should match the replica count.",
        ),
    ),
    field_view=ReplicaSetFields,
    field_labels=lambda view: {"status.replicas": str(view.status.replicas)},
)
