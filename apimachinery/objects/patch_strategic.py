"""Strategic merge patch: a merge that knows which lists are maps in disguise, and directives for what it cannot say.

Directives: `$patch: replace|delete` in a map or list element, `$retainKeys`, `$deleteFromPrimitiveList/FIELD`,
`$setElementOrder/FIELD`. Semantics: k8s.io/apimachinery/pkg/util/strategicpatch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from apimachinery.objects.patch import PatchError, PatchMalformed

Json = dict[str, Any]

_PATCH = "$patch"
_RETAIN_KEYS = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList"
_ORDER = "$setElementOrder"
_DIRECTIVES = (_PATCH, _RETAIN_KEYS, _DELETE_FROM, _ORDER)


class Schema(Protocol):
    """The type of a map: what a patch must know of its fields."""

    def field(self, name: str) -> "Field | None":
        """How a field merges; None for an unknown one, which merges as plain JSON does."""
        ...


@dataclass(frozen=True, slots=True)
class Field:
    """How one field merges. `schema` is that of the map, or of the list's elements; None when it has no fields."""

    merges: bool = False
    """A list with patch strategy `merge`."""
    replaces: bool = False
    """A map with patch strategy `replace`."""
    merge_key: str = ""
    schema: Schema | None = None


_PLAIN = Field()


def apply(document: Json, patch: Any, schema: Schema | None) -> Json:
    """The patched document. Raises PatchError and PatchMalformed."""
    if not isinstance(patch, dict):
        raise PatchMalformed("Invalid JSON document")
    return _merge_map(document, patch, schema)


def _field(schema: Schema | None, name: str) -> Field:
    return (schema.field(name) if schema is not None else None) or _PLAIN


def _merge_map(original: Json, patch: Json, schema: Schema | None) -> Json:
    if _PATCH in patch:
        return _directed_map(patch)
    merged = _retained(original, patch)
    ordered = _merge_ordered_lists(merged, patch, schema)
    for key, value in patch.items():
        if key == _RETAIN_KEYS or key in ordered or key.startswith(_ORDER):
            continue
        if key.startswith(_DELETE_FROM):
            _delete_from(merged, _field_of_directive(key, "invalid patch format of primitive list"), value)
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_value(merged.get(key), value, _field(schema, key))
    return merged


def _merge_value(original: Any, value: Any, field: Field) -> Any:
    if isinstance(original, dict) and isinstance(value, dict) and not field.replaces:
        return _merge_map(original, value, field.schema)
    if isinstance(original, list) and isinstance(value, list) and field.merges:
        return _merge_list(original, value, field)
    return _without_directives(value)


def _directed_map(patch: Json) -> Json:
    match patch[_PATCH]:
        case "replace":
            return {key: _without_directives(value) for key, value in patch.items() if key != _PATCH}
        case "delete":
            return {}
        case other:
            raise PatchError(f"unknown patch type: {other} in map: {_go_map(patch)}")


def _without_directives(value: Any) -> Any:
    # What is new is taken as it stands, without what only makes sense against something old.
    if isinstance(value, dict):
        return {
            key: _without_directives(item)
            for key, item in value.items()
            if item is not None and not key.startswith(_DIRECTIVES)
        }
    if isinstance(value, list):
        return [
            _without_directives(item)
            for item in value
            if not (isinstance(item, dict) and item.get(_PATCH) in {"delete", "replace"})
        ]
    return value


def _retained(original: Json, patch: Json) -> Json:
    if _RETAIN_KEYS not in patch:
        return dict(original)
    names = patch[_RETAIN_KEYS]
    if not isinstance(names, list):
        raise PatchMalformed("invalid patch format of retainKeys")
    for key, value in patch.items():
        if (
            value is not None
            and key != _RETAIN_KEYS
            and key not in names
            and not key.startswith((_DELETE_FROM, _ORDER))
        ):
            raise PatchMalformed("invalid patch format of retainKeys")
    return {key: value for key, value in original.items() if key in names}


def _field_of_directive(key: str, complaint: str) -> str:
    _, slash, name = key.partition("/")
    if not slash:
        raise PatchMalformed(complaint)
    return name


def _delete_from(merged: Json, key: str, unwanted: Any) -> None:
    if not isinstance(unwanted, list):
        raise PatchMalformed("invalid patch format of primitive list")
    if isinstance(merged.get(key), list):
        merged[key] = [item for item in merged[key] if item not in unwanted]


def _merge_ordered_lists(merged: Json, patch: Json, schema: Schema | None) -> set[str]:
    """Merge the lists whose order the patch states; returns their names."""
    done: set[str] = set()
    for directive, order in patch.items():
        if not directive.startswith(_ORDER):
            continue
        complaint = "invalid patch format of setElementOrder list"
        key = _field_of_directive(directive, complaint)
        before, change = merged.get(key), patch.get(key)
        if not isinstance(order, list) or not isinstance(before or [], list) or not isinstance(change or [], list):
            raise PatchMalformed(complaint)
        # A deletion beside the order works on the list before it is put in order.
        unwanted = patch.get(f"{_DELETE_FROM}/{key}")
        if isinstance(unwanted, list) and before:
            before = [item for item in before if item in order or item not in unwanted]
        field = _field(schema, key)
        identity = _identity(field.merge_key)
        _check_order(change or [], order, field.merge_key, identity)
        if before is None and change is None:
            continue
        if before is None:
            contents = [_without_directives(item) for item in _split(change or [], field.merge_key)[0]]
        else:
            contents = before if change is None else _merge_list(before, change, field)
        if key in patch:
            done.add(key)
        merged[key] = _in_order(contents, order, before or [], identity)
    return done


def _identity(merge_key: str) -> Callable[[Any], Any]:
    if not merge_key:
        return lambda item: item

    def by_merge_key(item: Any) -> Any:
        if not isinstance(item, dict) or merge_key not in item:
            raise PatchError(f"map: {_go_map(item)} does not contain declared merge key: {merge_key}")
        return item[merge_key]

    return by_merge_key


def _check_order(change: list[Any], order: list[Any], merge_key: str, identity: Callable[[Any], Any]) -> None:
    """The patch's elements must stand in the stated order, and all in it."""
    kept = [item for item in change if not (merge_key and isinstance(item, dict) and _PATCH in item)]
    if not kept or not order:
        return
    wanted = [identity(item) for item in kept]
    position = 0
    for stated in map(identity, order):
        if position < len(wanted) and stated == wanted[position]:
            position += 1
    if position < len(wanted):
        raise PatchError(
            f"The order in patch list:\n{_go_list(change)}\n doesn't match {_ORDER} list:\n{_go_list(order)}\n"
        )


def _merge_list(original: list[Any], patch: list[Any], field: Field) -> list[Any]:
    if any(isinstance(item, list) for item in (*original, *patch)):
        raise PatchError("lists of lists are not supported")
    if not any(isinstance(item, dict) for item in (*original, *patch)):
        merged = list(dict.fromkeys([*original, *patch]))
        return _in_order(merged, patch, original, _identity(""))
    if not field.merge_key:
        raise PatchError("cannot merge lists without merge key for type map")
    identity = _identity(field.merge_key)
    changes, deleted, replace = _split(patch, field.merge_key)
    if replace:
        return [_without_directives(item) for item in changes]
    merged = [item for item in original if item.get(field.merge_key) not in deleted]
    before = list(merged)
    for change in changes:
        name = identity(change)
        position = next((at for at, item in enumerate(merged) if item.get(field.merge_key) == name), None)
        if position is None:
            merged.append(_without_directives(change))
        else:
            merged[position] = _merge_map(merged[position], change, field.schema)
    return _in_order(merged, changes, before, identity)


def _split(patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any], bool]:
    """The plain elements of a list's patch, the merge keys of those to delete, and whether it replaces the list."""
    changes: list[Any] = []
    deleted: list[Any] = []
    replace = False
    for item in patch:
        directive = item.get(_PATCH) if isinstance(item, dict) else None
        match directive:
            case None:
                changes.append(item)
            case "delete":
                deleted.append(_identity(merge_key)(item))
            case "replace":
                replace = True
            case "merge":
                raise PatchError("merging lists cannot yet be specified in the patch")
            case _:
                raise PatchError(f"unknown patch type: {directive} in map: {_go_map(item)}")
    return changes, deleted, replace


def _in_order(items: list[Any], wanted: list[Any], before: list[Any], identity: Callable[[Any], Any]) -> list[Any]:
    """Items of `wanted` in its order; the others keep their place among those that were there before."""
    wanted_at = {identity(item): at for at, item in reversed(list(enumerate(wanted)))}
    before_at = {identity(item): at for at, item in reversed(list(enumerate(before)))}
    named = sorted((item for item in items if identity(item) in wanted_at), key=lambda item: wanted_at[identity(item)])
    others = sorted(
        (item for item in items if identity(item) not in wanted_at),
        key=lambda item: before_at.get(identity(item), len(before)),
    )
    merged: list[Any] = []
    left = right = 0
    while left < len(others) and right < len(named):
        here, there = before_at.get(identity(others[left])), before_at.get(identity(named[right]))
        if here is not None and there is not None and here < there:
            merged.append(others[left])
            left += 1
        else:
            merged.append(named[right])
            right += 1
    return merged + others[left:] + named[right:]


def _go_map(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    return f"map[{' '.join(f'{key}:{_go_map(value)}' for key, value in sorted(item.items()))}]"


def _go_list(items: list[Any]) -> str:
    return f"[{' '.join(map(_go_map, items))}]"
