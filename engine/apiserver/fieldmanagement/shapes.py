"""How the values of a type are owned: field by field, element by element, or as one.

Compiled from the published definitions when first met, and kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from engine.apiserver.fieldmanagement.problems import Untyped
from engine.apiserver.schema.definitions import Property, definition, name_of, slices

# What a list's key field holds when it is left out; the definitions do not carry defaults.
_KEY_DEFAULTS: Mapping[str, Any] = {"protocol": "TCP"}
# Fields that belong to the server or to nobody.
_UNOWNED = frozenset(
    {"name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"}
)
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class Shape:
    """A value that is owned as one: scalars, atomic lists and maps."""

    __slots__ = ("required",)

    def __init__(self) -> None:
        self.required = False
        """Whether the field that holds it is never left out: its being there says nothing then."""


class Struct(Shape):
    """Named fields, each of its own type. Others are nobody's business."""

    __slots__ = ("_fields", "_name", "_without")

    def __init__(self, name: str, without: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self._name = name
        self._without = without
        self._fields: dict[str, Shape] | None = None

    @property
    def fields(self) -> dict[str, Shape]:
        fields = self._fields
        if fields is None:
            named = definition(self._name)
            fields = self._fields = {
                name: _shape(prop, required=name in named.required)
                for name, prop in (named.properties or {}).items()
                if name not in self._without
            }
        return fields


class Root(Struct):
    """A whole object of a kind."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(name, frozenset({"apiVersion", "kind"}))

    @property
    def fields(self) -> dict[str, Shape]:
        fields = super().fields
        if isinstance(fields.get("metadata"), Struct):
            fields["metadata"] = METADATA
        return fields


class FreeObject(Struct):
    """A whole object of which no definition is known: maps by key, lists as one."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("")
        self._fields = _FreeFields(metadata=METADATA)


class _FreeFields(dict[str, Shape]):
    def get(self, key: str, default: Any = None) -> Any:
        """A shape for every field but those that are nobody's."""
        _ = default
        return None if key in {"apiVersion", "kind"} else super().get(key, ANY)


class MapOf(Shape):
    """A map whose entries are owned one by one."""

    __slots__ = ("item",)

    def __init__(self, item: Shape) -> None:
        super().__init__()
        self.item = item


class Listing(Shape):
    """A list whose elements are told apart by what they hold."""

    __slots__ = ("item",)

    def __init__(self, item: Shape) -> None:
        super().__init__()
        self.item = item

    def element(self, value: Any) -> str:
        """The path element of one element."""
        raise NotImplementedError

    def elements(self, values: list[Any]) -> dict[str, Any] | None:
        """The elements by path element, in order; None when two are the same or one cannot be told: owned as one."""
        found: dict[str, Any] = {}
        try:
            for value in values:
                found[self.element(value)] = value
        except Untyped:
            return None
        return found if len(found) == len(values) else None


class SetOf(Listing):
    """A list of different scalars."""

    __slots__ = ()

    def element(self, value: Any) -> str:
        """See Listing."""
        return f"v:{msgspec.json.encode(value).decode()}"


class Keyed(Listing):
    """A list of maps that differ in their keys' values."""

    __slots__ = ("keys",)

    def __init__(self, item: Shape, keys: tuple[str, ...]) -> None:
        super().__init__(item)
        self.keys = tuple(sorted(keys))

    def element(self, value: Any) -> str:
        """See Listing."""
        if type(value) is not dict:
            raise Untyped("associative list with keys may not have non-map elements")
        found: dict[str, Any] = {}
        for key in self.keys:
            held = value.get(key, _KEY_DEFAULTS.get(key))
            if held is None:
                raise Untyped(
                    f'associative list with keys has an element that omits key field "{key}"'
                    " (and doesn't have default value)"
                )
            found[key] = held
        return f"k:{msgspec.json.encode(found).decode()}"


ONE = Shape()
ANY = MapOf(ONE)
ANY.item = ANY
METADATA = Struct(_META, _UNOWNED)
"""An object's metadata: always there, so nobody owns that it is."""


def shape_of(group: str, version: str, kind: str) -> Struct:
    """The shape of whole objects of a kind."""
    return _root(name_of(group, version, kind))


@cache
def _root(name: str) -> Struct:
    return Root(name) if name in slices() else FreeObject()


@cache
def _struct(name: str) -> Struct:
    return Struct(name)


def _shape(prop: Property, *, required: bool) -> Shape:
    shape = _compiled(prop)
    if required and shape is not ONE:
        shape.required = True
    return shape


def _compiled(prop: Property) -> Shape:
    if prop.target:
        named = definition(prop.target)
        if named.properties is None or (prop.map_type or named.map_type) == "atomic":
            return ONE
        return _struct(prop.target)
    if prop.map_type == "atomic":
        return ONE
    if prop.items is not None:
        if prop.list_type == "map":
            return Keyed(_compiled(prop.items), tuple(prop.list_map_keys))
        return SetOf(ONE) if prop.list_type == "set" else ONE
    if isinstance(prop.additional_properties, Property):
        return MapOf(_compiled(prop.additional_properties))
    return ONE
