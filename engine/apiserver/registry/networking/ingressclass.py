"""IngressClass: which controller serves the Ingresses that name it."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, immutable, invalid, required
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.kind import Cell, Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, NONE, Metadata


class _Parameters(msgspec.Struct, frozen=True, rename="camel"):
    api_group: str | None = None
    kind: str = ""
    name: str = ""


class _Spec(msgspec.Struct, frozen=True):
    controller: str = ""
    parameters: _Parameters | None = None


class IngressClassRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()


def _parameters(view: IngressClassRow) -> Cell:
    given = view.spec.parameters
    if given is None:
        return NONE
    return f"{given.kind}.{given.api_group}/{given.name}" if given.api_group else f"{given.kind}/{given.name}"


def _set_defaults(obj: Json) -> None:
    parameters: Json | None = obj.get("spec", {}).get("parameters")
    if parameters is not None and not parameters.get("scope"):
        parameters["scope"] = "Cluster"


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec", {})
    errors: list[FieldError] = []
    controller: str = spec.get("controller", "")
    prefix, slash, rest = controller.partition("/")
    if not controller:
        errors.append(required("spec.controller"))
    elif not slash or not rest:
        errors.append(invalid("spec.controller", controller, 'must be a domain-prefixed path (such as "acme.io/foo")'))
    else:
        errors += (invalid("spec.controller", prefix, message) for message in names.dns_subdomain(prefix))
    parameters: Json | None = spec.get("parameters")
    if parameters is not None:
        errors += (required(f"spec.parameters.{field}") for field in ("kind", "name") if not parameters.get(field))
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    controller = new.get("spec", {}).get("controller")
    return [] if controller == old.get("spec", {}).get("controller") else [immutable("spec.controller", controller)]


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.bump_generation_if_changed(new, old)


INGRESS_CLASS = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="IngressClass",
    plural="ingressclasses",
    singular="ingressclass",
    namespaced=False,
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    validate_update=_validate_update,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    table_view=IngressClassRow,
    columns=(
        NAME,
        columns.text(
            "Controller", lambda view: view.spec.controller, "Controller that is responsible for handling this class"
        ),
        columns.text("Parameters", _parameters, "A reference to a resource with additional parameters"),
        AGE,
    ),
)
