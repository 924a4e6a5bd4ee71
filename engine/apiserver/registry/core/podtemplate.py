"""PodTemplate: a pod to be made, kept on its own."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.apps import workload
from engine.apiserver.registry.kind import Context, Json, Kind
from engine.apiserver.registry.podspec.validation import append_spec_errors
from engine.apiserver.registry.views import (
    NAME,
    Metadata,
    PodSpec,
    container_images,
    container_names,
    labels_text,
)


class _Template(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class PodTemplateRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    template: _Template = _Template()


def _validate(obj: Json) -> list[FieldError]:
    template: Json = obj["template"]
    errors: list[FieldError] = []
    metadata.append_label_errors(errors, template.get("metadata", {}).get("labels", {}), "template.metadata.labels")
    append_spec_errors(errors, template["spec"], "template.spec")
    return errors


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.bump_generation_if_changed(new, old, "template")


POD_TEMPLATE = Kind(
    group="",
    version="v1",
    kind="PodTemplate",
    plural="podtemplates",
    singular="podtemplate",
    namespaced=True,
    name_errors=names.dns_subdomain,
    set_defaults=workload.set_template_defaults,
    validate=_validate,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    returns_deleted=True,
    table_view=PodTemplateRow,
    columns=(
        NAME,
        columns.text(
            "Containers", lambda view: container_names(view.template), "Names of each container in the template."
        ),
        columns.text(
            "Images",
            lambda view: container_images(view.template),
            "Images referenced by each container in the template.",
        ),
        columns.text(
            "Pod Labels", lambda view: labels_text(view.template.metadata.labels), "The labels for the pod template."
        ),
    ),
)
