"""JSON patch (RFC 6902), with the error texts of the library that upstream uses (evanphx/json-patch)."""

from collections.abc import Callable
from typing import Any

from apimachinery.objects.patch import PatchError, PatchMalformed

MAX_OPERATIONS = 10_000
_ABSENT = object()


def apply(document: Any, operations: Any) -> Any:
    """The patched document. All operations apply or none: raises PatchError, or PatchMalformed for what is no patch."""
    if not isinstance(operations, list):
        raise PatchMalformed("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > MAX_OPERATIONS:
        raise PatchMalformed(
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        )
    for operation in operations:
        if not isinstance(operation, dict):
            raise PatchMalformed("json: cannot unmarshal array into Go value of type jsonpatch.Operation")
        name = operation.get("op")
        step = _STEPS.get(name) if isinstance(name, str) else None
        if step is None:
            raise PatchError(f"Unexpected kind: {name if isinstance(name, str) else 'unknown'}")
        document = step(document, operation)
    return document


def _pointer(operation: dict[str, Any], member: str = "path") -> str:
    text = operation.get(member)
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise PatchError(f"{operation['op']} operation failed to decode {member}: missing value")
    return text


def _tokens(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _position(token: str, length: int) -> int:
    # Negative positions count from the end: not in the RFC, but in what upstream serves.
    try:
        position = int(token)
    except ValueError as error:
        raise PatchError(f"value was not a proper array index: '{token}': invalid index detected") from error
    if not -length <= position < length:
        raise PatchError(f"Unable to access invalid index: {position}: invalid index detected")
    return position % length


def _get(document: Any, tokens: list[str]) -> Any:
    for token in tokens:
        if isinstance(document, dict):
            document = document.get(token, _ABSENT)
        elif isinstance(document, list):
            try:
                document = document[_position(token, len(document))]
            except PatchError:
                return _ABSENT
        else:
            return _ABSENT
        if document is _ABSENT:
            return _ABSENT
    return document


def _change(document: Any, tokens: list[str], change: Callable[[Any, str], Any]) -> Any:
    """Replace the container of the last token by `change(container, token)`, copying the way down to it."""
    token, below = tokens[0], tokens[1:]
    if not below:
        return change(document, token)
    if isinstance(document, dict):
        return {**document, token: _change(document[token], below, change)}
    position = _position(token, len(document))
    return [*document[:position], _change(document[position], below, change), *document[position + 1 :]]


def _set(container: Any, token: str, value: Any) -> Any:
    if isinstance(container, dict):
        return {**container, token: value}
    position = _position(token, len(container))
    return [*container[:position], value, *container[position + 1 :]]


def _insert(container: Any, token: str, value: Any) -> Any:
    if isinstance(container, dict):
        return {**container, token: value}
    if token == "-":
        return [*container, value]
    position = _position(token, len(container) + 1)
    return [*container[:position], value, *container[position:]]


def _without(container: Any, token: str) -> Any:
    if isinstance(container, dict):
        if token not in container:
            raise PatchError(f"Unable to remove nonexistent key: {token}: missing value")
        return {key: value for key, value in container.items() if key != token}
    position = _position(token, len(container))
    return [*container[:position], *container[position + 1 :]]


def _has_container(document: Any, tokens: list[str]) -> bool:
    return isinstance(_get(document, tokens[:-1]), dict | list)


def _add(document: Any, operation: dict[str, Any]) -> Any:
    return _add_value(document, _pointer(operation), operation.get("value"), "add")


def _add_value(document: Any, path: str, value: Any, name: str) -> Any:
    tokens = _tokens(path)
    if not tokens:
        return value
    if not _has_container(document, tokens):
        missing = "doc is missing path" if name == "add" else "doc is missing destination path"
        raise PatchError(f'{name} operation does not apply: {missing}: "{path}": missing value')
    try:
        return _change(document, tokens, lambda container, token: _insert(container, token, value))
    except PatchError as error:
        raise PatchError(f"error in {name} for path: '{path}': {error}") from error


def _remove(document: Any, operation: dict[str, Any]) -> Any:
    return _remove_path(document, _pointer(operation), "remove")


def _remove_path(document: Any, path: str, name: str) -> Any:
    tokens = _tokens(path)
    if not tokens or not _has_container(document, tokens):
        raise PatchError(f'{name} operation does not apply: doc is missing path: "{path}": missing value')
    try:
        return _change(document, tokens, _without)
    except PatchError as error:
        raise PatchError(f"error in {name} for path: '{path}': {error}") from error


def _replace(document: Any, operation: dict[str, Any]) -> Any:
    path, value = _pointer(operation), operation.get("value")
    tokens = _tokens(path)
    if not tokens:
        return value
    if not _has_container(document, tokens):
        raise PatchError(f"replace operation does not apply: doc is missing path: {path}: missing value")
    if _get(document, tokens) is _ABSENT:
        raise PatchError(f"replace operation does not apply: doc is missing key: {path}: missing value")
    return _change(document, tokens, lambda container, token: _set(container, token, value))


def _from(document: Any, operation: dict[str, Any]) -> tuple[str, Any]:
    source = _pointer(operation, "from")
    value = _get(document, _tokens(source))
    if value is _ABSENT:
        raise PatchError(
            f"{operation['op']} operation does not apply: doc is missing from path: {source}: missing value"
        )
    return source, value


def _move(document: Any, operation: dict[str, Any]) -> Any:
    source, value = _from(document, operation)
    path = _pointer(operation)
    if path.startswith(f"{source}/"):
        raise PatchError(f"error in move for path: '{path}': a value cannot be moved into itself")
    return _add_value(_remove_path(document, source, "move"), path, value, "move")


def _copy(document: Any, operation: dict[str, Any]) -> Any:
    _, value = _from(document, operation)
    return _add_value(document, _pointer(operation), value, "copy")


def _test(document: Any, operation: dict[str, Any]) -> Any:
    path = _pointer(operation)
    found = _get(document, _tokens(path))
    wanted = operation.get("value")
    if found is _ABSENT and wanted is None:
        return document
    if found is _ABSENT or not _same(found, wanted):
        raise PatchError(f"testing value {path} failed: test failed")
    return document


def _same(left: Any, right: Any) -> bool:
    # In Python True == 1; in JSON it is not.
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(*pair) for pair in zip(left, right, strict=True))
    return left == right


_STEPS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
