"""The API's types as decoders, compiled from the definitions.

Each type has two ways through a value:
* `count` is the fast one: it changes nothing and returns the number of JSON keys below the value when the value is
  already just as it would be stored, or DIFFERS. Most writes come from well-behaved clients and take only this.
* `decode` is the thorough one: it returns the value as it is to be stored (unknown fields and nulls dropped, quantities
  and times in canonical form), notes strict problems, and raises WrongType.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

from apimachinery.objects import quantity
from apimachinery.objects.meta import format_micro_time, format_time
from engine.apiserver.schema.definitions import Definition, Property, definition
from engine.apiserver.schema.problems import Strict, Where, WrongType

DIFFERS = -1
Count = Callable[[Any], int]

_INT_LIMITS = {"int32": 2**31, "int64": 2**63}
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z").fullmatch
_MICRO_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z").fullmatch
_GO_LAYOUT = "2006-01-02T15:04:05Z07:00"
_GO_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"


class Type(Protocol):
    """What a field may hold."""

    go_type: str
    count: Count

    def decode(self, value: Any, where: Where, strict: Strict) -> Any:
        """Return `value` (never None) as it is to be stored."""
        ...

    def zero(self) -> Any:
        """What Go makes of a null where a value must be: in a list or a map."""
        ...


class Scalar:
    """Strings and booleans."""

    def __init__(self, python_type: type, go_type: str) -> None:
        self.go_type = go_type
        self._python_type = python_type
        self.count: Count = lambda value: 0 if type(value) is python_type else DIFFERS

    def decode(self, value: Any, where: Where, strict: Strict) -> Any:
        """See Type."""
        _ = strict
        if type(value) is not self._python_type:
            raise where.cannot_hold(value, self.go_type)
        return value

    def zero(self) -> Any:
        """See Type."""
        return self._python_type()


class Integer:
    """Whole numbers of 32 or 64 bits."""

    def __init__(self, go_type: str) -> None:
        self.go_type = go_type
        limit = self._limit = _INT_LIMITS[go_type]
        self.count: Count = lambda value: 0 if type(value) is int and -limit <= value < limit else DIFFERS

    def decode(self, value: Any, where: Where, strict: Strict) -> Any:
        """See Type."""
        _ = strict
        if type(value) is not int or not -self._limit <= value < self._limit:
            raise where.cannot_hold(value, self.go_type)
        return value

    def zero(self) -> Any:
        """See Type."""
        return 0


class Number:
    """Floating point numbers."""

    go_type = "float64"

    def __init__(self) -> None:
        self.count: Count = lambda value: 0 if type(value) in (float, int) else DIFFERS

    def decode(self, value: Any, where: Where, strict: Strict) -> Any:
        """See Type."""
        _ = strict
        if type(value) not in (float, int):
            raise where.cannot_hold(value, self.go_type)
        return value

    def zero(self) -> Any:
        """See Type."""
        return 0


class IntOrString:
    """A number or a string: ports, percentages."""

    go_type = "int32"

    def __init__(self) -> None:
        self.count: Count = lambda value: 0 if type(value) in (int, str) else DIFFERS

    def decode(self, value: Any, where: Where, strict: Strict) -> Any:
        """See Type."""
        _ = strict
        if type(value) is str or (type(value) is int and -(2**31) <= value < 2**31):
            return value
        raise where.cannot_hold(value, self.go_type)

    def zero(self) -> Any:
        """See Type."""
        return 0


@lru_cache(maxsize=4096)
def _is_canonical_quantity(text: str) -> bool:
    try:
        return quantity.canonical(text) == text
    except ValueError:
        return False


class Quantity:
    """Amounts with a suffix, stored in canonical form."""

    go_type = "resource.Quantity"

    def __init__(self) -> None:
        self.count: Count = lambda value: 0 if type(value) is str and _is_canonical_quantity(value) else DIFFERS

    def decode(self, value: Any, where: Where, strict: Strict) -> Any:
        """See Type."""
        _ = strict
        if type(value) not in (str, int, float):
            raise where.cannot_hold(value, self.go_type)
        try:
            return quantity.canonical(value)
        except ValueError as error:
            raise WrongType(str(error)) from error

    def zero(self) -> Any:
        """See Type."""
        return "0"


class Time:
    """Moments in UTC, to the second or (`micro`) to the microsecond."""

    go_type = "string"

    def __init__(self, *, micro: bool) -> None:
        self._layout = _GO_MICRO_LAYOUT if micro else _GO_LAYOUT
        self._format = format_micro_time if micro else format_time
        stored = _MICRO_TIME if micro else _TIME
        self.count: Count = lambda value: 0 if type(value) is str and stored(value) and _moment(value) else DIFFERS

    def decode(self, value: Any, where: Where, strict: Strict) -> Any:
        """See Type."""
        _ = strict
        if type(value) is not str:
            raise where.cannot_hold(value, self.go_type)
        moment = _moment(value) if value.isascii() else None
        if moment is None or "T" not in value:
            raise WrongType(f'parsing time "{value}" as "{self._layout}": cannot parse "{value}" as "2006"')
        return self._format(moment)

    def zero(self) -> Any:
        """See Type."""
        return None


def _moment(text: str) -> datetime | None:
    """In UTC; None for what is no moment, or none that can be counted."""
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class Bytes:
    """Binary data as base64."""

    go_type = "[]uint8"

    def __init__(self) -> None:
        self.count: Count = lambda value: 0 if type(value) is str and _bad_base64_at(value) is None else DIFFERS

    def decode(self, value: Any, where: Where, strict: Strict) -> Any:
        """See Type."""
        _ = strict
        if type(value) is not str:
            raise where.cannot_hold(value, self.go_type)
        text = value.replace("\n", "").replace("\r", "")
        position = _bad_base64_at(text)
        if position is not None:
            raise WrongType(f"illegal base64 data at input byte {position}")
        return text

    def zero(self) -> Any:
        """See Type."""
        return ""


_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]").search


def _bad_base64_at(text: str) -> int | None:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = _NOT_BASE64(text.rstrip("="))
        return found.start() if found else max(len(text) - len(text) % 4, 0)
    return None


class Anything:
    """A field whose structure is not the API's business."""

    go_type = "interface {}"

    def __init__(self) -> None:
        self.count: Count = count_keys

    def decode(self, value: Any, where: Where, strict: Strict) -> Any:
        """See Type."""
        _ = where, strict
        return value

    def zero(self) -> Any:
        """See Type."""
        return None


def count_keys(value: Any) -> int:
    """Count the keys of all maps in a value."""
    if type(value) is dict:
        return len(value) + sum(count_keys(item) for item in value.values())
    if type(value) is list:
        return sum(count_keys(item) for item in value)
    return 0


class List:
    """A list of one type."""

    def __init__(self, item: Type) -> None:
        self.go_type = f"[]{item.go_type}"
        self._item = item
        count_item = item.count

        def count(value: Any) -> int:
            if type(value) is not list:
                return DIFFERS
            total = 0
            for element in value:
                below = count_item(element)
                if below < 0:
                    return DIFFERS
                total += below
            return total

        self.count: Count = count

    def decode(self, value: Any, where: Where, strict: Strict) -> Any:
        """See Type."""
        if type(value) is not list:
            raise where.cannot_hold(value, self.go_type)
        item = self._item
        return [
            item.zero() if element is None else item.decode(element, where.index(position), strict)
            for position, element in enumerate(value)
        ]

    def zero(self) -> Any:
        """See Type."""
        return []


class Map:
    """A map from strings to one type."""

    def __init__(self, item: Type) -> None:
        self.go_type = f"map[string]{item.go_type}"
        self._item = item
        count_item = item.count

        def count(value: Any) -> int:
            if type(value) is not dict:
                return DIFFERS
            total = len(value)
            for element in value.values():
                below = count_item(element)
                if below < 0:
                    return DIFFERS
                total += below
            return total

        self.count: Count = count

    def decode(self, value: Any, where: Where, strict: Strict) -> Any:
        """See Type."""
        if type(value) is not dict:
            raise where.cannot_hold(value, self.go_type)
        item = self._item
        return {
            key: item.zero() if element is None else item.decode(element, where.key(key), strict)
            for key, element in value.items()
        }

    def zero(self) -> Any:
        """See Type."""
        return {}


class Struct:
    """An object with the fields of a definition, compiled when first met (types refer to each other in circles)."""

    def __init__(self, name: str) -> None:
        package, _, self._struct = name.rpartition(".")
        self.go_type = f"{package.rpartition('.')[2]}.{self._struct}"
        self._name = name
        self._fields: dict[str, Type] | None = None
        counts: dict[str, Count] = {}
        get = counts.get

        def count(value: Any) -> int:
            if not counts:
                counts.update((key, field.count) for key, field in self.fields.items())
            if type(value) is not dict:
                return DIFFERS
            total = len(value)
            for key, element in value.items():
                count_field = get(key)
                if count_field is None:
                    return DIFFERS
                below = count_field(element)
                if below:
                    if below < 0:
                        return DIFFERS
                    total += below
            return total

        self.count: Count = count

    @property
    def fields(self) -> dict[str, Type]:
        """The fields by their JSON names."""
        if self._fields is None:
            properties = definition(self._name).properties or {}
            self._fields = {key: type_of(prop) for key, prop in properties.items()}
        return self._fields

    def decode(self, value: Any, where: Where, strict: Strict) -> Any:
        """See Type."""
        if type(value) is not dict:
            raise where.cannot_hold(value, self.go_type)
        fields = self.fields
        decoded: dict[str, Any] = {}
        for key, element in value.items():
            field = fields.get(key)
            if field is None:
                strict.unknown(f"{where.path}.{key}" if where.path else key)
            elif element is not None:
                decoded[key] = field.decode(element, where.child(key, self._struct), strict)
        return decoded

    def zero(self) -> Any:
        """See Type."""
        return {}


STRING = Scalar(str, "string")
BOOLEAN = Scalar(bool, "bool")
ANYTHING = Anything()
_FORMATS: dict[tuple[str, str], Type] = {
    ("string", "byte"): Bytes(),
    ("string", "date-time"): Time(micro=False),
    ("integer", "int32"): Integer("int32"),
    ("integer", ""): Integer("int64"),
    ("integer", "int64"): Integer("int64"),
    ("number", ""): Number(),
    ("number", "double"): Number(),
}
_PLAIN: dict[str, Type] = {"string": STRING, "boolean": BOOLEAN}
_NAMED: dict[str, Type] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": Quantity(),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": IntOrString(),
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": Time(micro=True),
}


def type_of(prop: Property) -> Type:
    """Compile a field's type."""
    if prop.target:
        return named_type(prop.target)
    plain = prop.plain_type
    if plain == "array" and prop.items is not None:
        return List(type_of(prop.items))
    if plain == "object" and isinstance(prop.additional_properties, Property):
        return Map(type_of(prop.additional_properties))
    return _FORMATS.get((plain, prop.format)) or _PLAIN.get(plain, ANYTHING)


def named_type(name: str) -> Type:
    """Compile a definition, once."""
    compiled = _NAMED.get(name)
    if compiled is None:
        named: Definition = definition(name)
        compiled = Struct(name) if named.properties is not None else type_of(named)
        _NAMED[name] = compiled
    return compiled
