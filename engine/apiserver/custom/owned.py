"""How the fields of custom objects are owned: as their schema's list types and map types say."""

from __future__ import annotations

from engine.apiserver.custom.structural import MISSING, Schema
from engine.apiserver.fieldmanagement.problems import Untyped
from engine.apiserver.fieldmanagement.shapes import ANY, METADATA, ONE, Keyed, MapOf, SetOf, Shape, Struct


class OwnedStruct(Struct):
    """An object with properties; what else it may hold is owned by key."""

    __slots__ = ("_schema",)

    def __init__(self, schema: Schema) -> None:
        super().__init__("")
        self._schema = schema

    @property
    def fields(self) -> dict[str, Shape]:
        if self._fields is None:
            found = {name: shape_of(prop) for name, prop in self._schema.properties.items()}
            self._fields = _OpenFields(found) if self._schema.preserve or self._schema.embedded else found
        return self._fields


class OwnedObject(OwnedStruct):
    """A whole custom object."""

    __slots__ = ()

    @property
    def fields(self) -> dict[str, Shape]:
        fields = super().fields
        fields.pop("apiVersion", None)
        fields.pop("kind", None)
        fields["metadata"] = METADATA
        return fields


class _OpenFields(dict[str, Shape]):
    def get(self, key: str, default: object = None) -> Shape | None:  # type: ignore[override]
        """A shape for every field."""
        _ = default
        return None if key in {"apiVersion", "kind"} else super().get(key, ANY)


class OwnedElements(Keyed):
    """A list of maps by their keys; a key that is left out holds its default."""

    __slots__ = ("_defaults",)

    def __init__(self, schema: Schema, items: Schema) -> None:
        super().__init__(shape_of(items), schema.list_keys)
        self._defaults = {name: prop.default for name, prop in items.properties.items() if prop.default is not MISSING}

    def element(self, value: object) -> str:
        """See Listing."""
        if not isinstance(value, dict):
            raise Untyped("associative list with keys may not have non-map elements")
        return super().element({**{key: self._defaults[key] for key in self.keys if key in self._defaults}, **value})


def shape_of(schema: Schema) -> Shape:
    """The shape of a value."""
    if schema.raw.get("x-kubernetes-map-type") == "atomic":
        return ONE
    if schema.properties:
        return OwnedStruct(schema)
    if schema.additional is not None:
        return MapOf(shape_of(schema.additional))
    if schema.type == "array":
        if schema.list_type == "map" and schema.items is not None:
            return OwnedElements(schema, schema.items)
        return SetOf(ONE) if schema.list_type == "set" else ONE
    return ANY if schema.preserve or schema.embedded else ONE
