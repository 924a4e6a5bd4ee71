"""From one version of a CustomResourceDefinition to the Kind that serves it. Pure.

Source of the strategy: apiextensions-apiserver/pkg/registry/customresource/{strategy,status_strategy,validator}.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from apimachinery.objects.field import FieldError
from engine.apiserver.custom import embedded, published
from engine.apiserver.custom.columns import columns, field_labels
from engine.apiserver.custom.conversion import Conversion, Shaping
from engine.apiserver.custom.owned import OwnedObject
from engine.apiserver.custom.scale import scale
from engine.apiserver.custom.structural import MISSING, Schema, compile_schema, prune, set_defaults
from engine.apiserver.custom.values import errors_of
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Context, Json, Kind, Subresource
from engine.apiserver.registry.metadata import put_back_part
from engine.apiserver.schema.problems import Strict, Where
from engine.apiserver.schema.types import named_type

_METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_STATUS_VERBS = ("get", "patch", "update")


class _Type:
    """One version's hooks."""

    def __init__(self, raw: Json, group: str, version: str, kind: str, *, has_status: bool) -> None:
        self._raw = raw
        self._api_version = f"{group}/{version}"
        self._kind = kind
        self._has_status = has_status

    @cached_property
    def schema(self) -> Schema:
        """Compiled when an object comes along: most kinds of a cluster wait long for their first."""
        return compile_schema(self._raw)

    def shape(self) -> OwnedObject:
        """How the fields of an object are owned."""
        return self._owned

    @cached_property
    def _owned(self) -> OwnedObject:
        return OwnedObject(self.schema)

    def decode(self, obj: Json, strict: Strict) -> Json:
        """Bring a body into stored form: metadata as its type says, the rest as the schema does."""
        metadata = obj.get("metadata")
        if metadata is None:
            obj.pop("metadata", None)
        else:
            obj["metadata"] = named_type(_METADATA).decode(metadata, Where().child("metadata", self._kind), strict)
        prune(obj, self.schema, "", strict, root=True)
        embedded.coerce(obj, self.schema, Where(), strict)
        return obj

    def set_defaults(self, obj: Json) -> None:
        set_defaults(obj, self.schema)

    def read(self, obj: Json) -> None:
        """Make an object of any stored version one of this version."""
        obj["apiVersion"], obj["kind"] = self._api_version, self._kind
        self.coerce(obj)
        set_defaults(obj, self.schema)

    def coerce(self, obj: Json) -> None:
        """Drop from an object that is stored, or that a webhook made, what this version does not know."""
        prune(obj, self.schema, "", Strict(), root=True)
        embedded.coerce(obj, self.schema, Where(), Strict(), lenient=True)

    def validate_create(self, obj: Json) -> list[FieldError]:
        return self._errors(obj)

    def validate_update(self, new: Json, old: Json) -> list[FieldError]:
        return self._errors(new, old)

    def _errors(self, new: Json, old: Any = MISSING) -> list[FieldError]:
        errors = [*errors_of(new, self.schema, old), *embedded.errors_of(new, self.schema)]
        if not errors and self.schema.rules_below:
            # CEL takes its time to load; most definitions have no rules.
            from engine.apiserver.custom.rules import rule_errors

            errors = rule_errors(new, self.schema, old)
        return errors

    def prepare_create(self, obj: Json, _context: Context) -> None:
        obj["metadata"]["generation"] = 1
        if self._has_status:
            obj.pop("status", None)

    def prepare_update(self, new: Json, old: Json, _context: Context) -> None:
        if self._has_status:
            put_back_part(new, old, "status")
        if self._content(new) != self._content(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def status_update(self, new: Json, old: Json, _context: Context) -> None:
        status = new.get("status")
        managed = new["metadata"].get("managedFields")
        new.clear()
        new.update(old)
        new["metadata"] = {**old["metadata"], **({"managedFields": managed} if managed else {})}
        new.pop("status", None)
        if status is not None:
            new["status"] = status

    def _content(self, obj: Json) -> Json:
        ignored = (
            ("metadata", "status", "apiVersion", "kind") if self._has_status else ("metadata", "apiVersion", "kind")
        )
        return {name: part for name, part in obj.items() if name not in ignored}


def build(definition: Json) -> list[Kind]:
    """The Kinds of all served versions; names are those accepted."""
    spec: Json = definition["spec"]
    accepted: Json = definition.get("status", {}).get("acceptedNames") or spec["names"]
    types = {
        version["name"]: _Type(
            _raw(version), spec["group"], version["name"], accepted["kind"], has_status=_status(version)
        )
        for version in spec["versions"]
    }
    conversion = _conversion(spec, accepted["kind"], types)
    return [
        _kind(spec, accepted, version, types[version["name"]], conversion)
        for version in spec["versions"]
        if version.get("served")
    ]


def _raw(version: Json) -> Json:
    return (version.get("schema") or {}).get("openAPIV3Schema") or {}


def _status(version: Json) -> bool:
    return "status" in (version.get("subresources") or {})


def _conversion(spec: Json, kind: str, types: Mapping[str, _Type]) -> Conversion | None:
    given: Json = spec.get("conversion") or {}
    if given.get("strategy") != "Webhook":
        return None
    webhook: Json = given.get("webhook") or {}
    return Conversion(
        spec["group"],
        kind,
        webhook.get("clientConfig") or {},
        webhook.get("conversionReviewVersions") or (),
        {name: Shaping(one.read, one.coerce) for name, one in types.items()},
    )


def _kind(spec: Json, accepted: Json, version: Json, made: _Type, conversion: Conversion | None) -> Kind:
    group, kind, plural = spec["group"], accepted["kind"], accepted["plural"]
    raw: Json = _raw(version)
    subresources: Json = version.get("subresources") or {}
    has_status = _status(version)
    served: dict[str, Subresource] = {}
    if has_status:
        served["status"] = Subresource(
            name="status", verbs=_STATUS_VERBS, prepare=made.status_update, validate=made.validate_update
        )
    if "scale" in subresources:
        served["scale"] = scale(subresources["scale"])
    storage = next((one["name"] for one in spec["versions"] if one.get("storage")), version["name"])
    return Kind(
        group=group,
        version=version["name"],
        kind=kind,
        plural=plural,
        singular=accepted.get("singular") or kind.lower(),
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(accepted.get("shortNames") or ()),
        categories=tuple(accepted.get("categories") or ()),
        subresources=served,
        storage=f"{group}/{plural}",
        stored_as=(group, storage, plural),
        conversion=conversion,
        # What a webhook converts is pruned where that is done.
        from_storage=made.read if conversion is None else _keep,
        decoder=made.decode,
        definition=published.name_of(group, version["name"], kind),
        shape=made.shape,
        published=published.schema(raw, group, version["name"], kind),
        warning=_deprecation(group, version, kind),
        name_errors=names.dns_subdomain,
        set_defaults=made.set_defaults,
        validate_create=made.validate_create,
        validate_update=made.validate_update,
        prepare_create=made.prepare_create,
        prepare_update=made.prepare_update,
        columns=columns(version),
        table_view=dict[str, Any],
        field_labels=field_labels(version),
        field_view=dict[str, Any],
    )


def _keep(_obj: Json) -> None:
    return None


def _deprecation(group: str, version: Json, kind: str) -> str:
    if not version.get("deprecated"):
        return ""
    return version.get("deprecationWarning") or f"{group}/{version['name']} {kind} is deprecated"
