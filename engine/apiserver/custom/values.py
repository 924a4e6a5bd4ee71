"""Judging an object by its schema, in upstream's words. Pure.

Source: k8s.io/kube-openapi/pkg/validation/{validate,errors}, and apiextensions-apiserver's pkg/apiserver/validation,
which turns those errors into field errors. What an update leaves as it was is not judged again (ratcheting).
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

import msgspec

from apimachinery.objects.field import FieldError, duplicate, invalid, not_supported, required, too_long, too_many
from engine.apiserver.custom.formats import holds
from engine.apiserver.custom.structural import MISSING, Schema

_NAMES: dict[type, str] = {
    dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null",
}  # fmt: skip


def errors_of(value: Any, schema: Schema, old: Any = MISSING, path: str = "") -> list[FieldError]:
    """All that is wrong with a value; `old` is what was there before an update."""
    if value is None and schema.nullable:
        return []
    if old is not MISSING and value == old and type(value) is type(old):
        return []
    errors = list(_type_errors(value, schema, path))
    if errors:
        return errors
    errors += _own_errors(value, schema, path)
    if schema.branches:
        errors += _branch_errors(value, schema, path)
    if type(value) is dict:
        errors += _object_errors(value, schema, old, path)
    elif type(value) is list:
        errors += _list_errors(value, schema, old, path)
    return errors


def correlated(schema: Schema, old: Any) -> dict[str, Any]:
    """The elements of an earlier list by their keys, for lists whose elements have some."""
    if schema.list_type != "map" or type(old) is not list:
        return {}
    return {key_of(schema, element): element for element in old if type(element) is dict}


def key_of(schema: Schema, element: Any) -> str:
    """What makes an element of a list the same as before."""
    if type(element) is not dict:
        return ""
    return msgspec.json.encode([element.get(name) for name in schema.list_keys]).decode()


def _type_errors(value: Any, schema: Schema, path: str) -> Iterator[FieldError]:
    if schema.int_or_string:
        if type(value) not in (int, str):
            yield _wrong_type(path, "integer,string", _NAMES[type(value)])
        return
    wanted = schema.type
    if not wanted:
        return
    found = _NAMES[type(value)]
    if found == wanted or (wanted == "number" and found == "integer"):
        return
    if wanted == "integer" and found == "number" and float(value).is_integer():
        return
    yield _wrong_type(path, wanted, found)


def _wrong_type(path: str, wanted: str, found: str) -> FieldError:
    text = f'{path} in body must be of type {wanted}: "{found}"'
    return FieldError(kind="TypeInvalid", field=path or "<nil>", value=found, detail=text.lstrip())


def _own_errors(value: Any, schema: Schema, path: str) -> Iterator[FieldError]:
    if schema.enum and not any(value == choice and type(value) is type(choice) for choice in schema.enum):
        shown = [choice if isinstance(choice, str) else msgspec.json.encode(choice).decode() for choice in schema.enum]
        yield not_supported(path, value, shown)
    if schema.pattern is not None and type(value) is str and schema.pattern(value) is None:
        yield invalid(path, value, f"{path} in body should match '{schema.raw['pattern']}'")
    if schema.bounds:
        yield from _bound_errors(value, schema, path)


def _bound_errors(value: Any, schema: Schema, path: str) -> Iterator[FieldError]:
    match value:
        case str():
            yield from _text_errors(value, schema.raw, path)
        case bool():
            return
        case int() | float():
            yield from _number_errors(value, schema, path)
        case list():
            yield from _size_errors(value, schema.raw, path, "Items", "items")
            if schema.raw.get("uniqueItems") and len({msgspec.json.encode(item) for item in value}) < len(value):
                yield invalid(path, value, f"{path} in body shouldn't contain duplicates")
        case dict():
            yield from _size_errors(value, schema.raw, path, "Properties", "properties")
        case _:
            return


def _text_errors(value: str, raw: dict[str, Any], path: str) -> Iterator[FieldError]:
    if "maxLength" in raw and len(value) > raw["maxLength"]:
        yield too_long(path, raw["maxLength"])
    if "minLength" in raw and len(value) < raw["minLength"]:
        yield invalid(path, value, f"{path} in body should be at least {raw['minLength']} chars long")
    if raw.get("format") and not holds(raw["format"], value):
        text = f"{path} in body must be of type {raw['format']}: {msgspec.json.encode(value).decode()}"
        yield FieldError(kind="TypeInvalid", field=path, value=value, detail=text)


def _size_errors(value: Sized, raw: dict[str, Any], path: str, word: str, things: str) -> Iterator[FieldError]:
    size = len(value)
    if f"max{word}" in raw and size > raw[f"max{word}"]:
        yield too_many(path, size, raw[f"max{word}"])
    if f"min{word}" in raw and size < raw[f"min{word}"]:
        yield invalid(path, value, f"{path} in body should have at least {raw[f'min{word}']} {things}")


def _number_errors(value: float, schema: Schema, path: str) -> Iterator[FieldError]:
    raw = schema.raw
    if "maximum" in raw:
        most = raw["maximum"]
        if raw.get("exclusiveMaximum"):
            if value >= most:
                yield invalid(path, value, f"{path} in body should be less than {_plain(most)}")
        elif value > most:
            yield invalid(path, value, f"{path} in body should be less than or equal to {_plain(most)}")
    if "minimum" in raw:
        least = raw["minimum"]
        if raw.get("exclusiveMinimum"):
            if value <= least:
                yield invalid(path, value, f"{path} in body should be greater than {_plain(least)}")
        elif value < least:
            yield invalid(path, value, f"{path} in body should be greater than or equal to {_plain(least)}")
    step = raw.get("multipleOf")
    if step and not (value / step).is_integer():
        yield invalid(path, value, f"{path} in body should be a multiple of {_plain(step)}")


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


def _object_errors(value: dict[str, Any], schema: Schema, old: Any, path: str) -> Iterator[FieldError]:
    before: dict[str, Any] = old if type(old) is dict else {}
    for name in schema.required:
        if name not in value:
            yield required(f"{path}.{name}" if path else name)
    for name, element in value.items():
        child = schema.child(name)
        if child is not None:
            yield from errors_of(element, child, before.get(name, MISSING), f"{path}.{name}" if path else name)


def _list_errors(value: list[Any], schema: Schema, old: Any, path: str) -> Iterator[FieldError]:
    before = correlated(schema, old)
    if schema.items is not None:
        for position, element in enumerate(value):
            was = before.get(key_of(schema, element), MISSING) if before else MISSING
            yield from errors_of(element, schema.items, was, f"{path}[{position}]")
    if schema.list_type not in ("set", "map"):
        return
    seen: set[bytes] = set()
    for position, element in enumerate(value):
        shown = element
        if schema.list_type == "map" and type(element) is dict:
            shown = {name: element[name] for name in schema.list_keys if name in element}
        encoded = msgspec.json.encode(shown)
        if encoded in seen:
            yield duplicate(f"{path}[{position}]", shown)
        seen.add(encoded)


def _branch_errors(value: Any, schema: Schema, path: str) -> Iterator[FieldError]:
    for word, branches in schema.branches.items():
        found = [errors_of(value, branch, path=path) for branch in branches]
        valid = sum(not errors for errors in found)
        best = min(found, key=len)
        match word:
            case "allOf" if valid < len(branches):
                none = ". None validated" if not valid else ""
                yield _composite(f'"{path}" must validate all the schemas (allOf){none}')
                for errors in found:
                    yield from errors
            case "anyOf" if not valid:
                yield _composite(f'"{path}" must validate at least one schema (anyOf)')
                yield from best
            case "oneOf" if valid != 1:
                detail = "Found none valid" if not valid else f"Found {valid} valid alternatives"
                yield _composite(f'"{path}" must validate one and only one schema (oneOf). {detail}')
                if not valid:
                    yield from best
            case "not" if valid:
                yield _composite(f'"{path}" must not validate the schema (not)')
            case _:
                continue


def _composite(text: str) -> FieldError:
    return invalid("<nil>", "", text)
