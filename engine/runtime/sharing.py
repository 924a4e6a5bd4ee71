"""Keeping equal parts of cached objects once: a thousand pods of one set have one set of labels between them."""

import sys
from typing import Any, TypeVar, cast

import msgspec

from apimachinery.objects.meta import Object

T = TypeVar("T", bound=Object)

KEPT = 16384
"""Parts remembered; when there are more, all are forgotten: what is shared stays so, new parts are shared anew."""
_LONGEST_NAME = 64


class Pool:
    """Parts seen so far, by their content."""

    def __init__(self) -> None:
        self._parts: dict[tuple[type, bytes], Any] = {}

    @property
    def size(self) -> int:
        return len(self._parts)

    def shared(self, obj: T) -> T:
        """An equal object whose inner parts are those of earlier objects, where these were equal."""
        changes = {name: self._inside(part) for name in obj.__struct_fields__ if (part := getattr(obj, name))}
        return msgspec.structs.replace(obj, **changes)

    def _inside(self, part: Any) -> Any:
        """Metadata, spec and status differ from object to object: it is their fields that are alike."""
        if isinstance(part, str):
            return sys.intern(part)
        if not isinstance(part, msgspec.Struct):
            return self._one(part)
        fields = ((name, getattr(part, name)) for name in part.__struct_fields__)
        changes = {name: alike for name, value in fields if (alike := self._field(name, value)) is not value}
        return cast("Any", msgspec.structs.replace(part, **changes)) if changes else part

    def _field(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            # Names of objects, revisions and times are rarely shared; kinds, namespaces, machines and phases are.
            return sys.intern(value) if name in _SHARED_NAMES and len(value) < _LONGEST_NAME else value
        if not value or isinstance(value, (int, float, msgspec.Raw)):
            return value
        if isinstance(value, tuple) and isinstance(value[0], msgspec.Struct):
            return self._one(tuple(self._one(item) for item in cast("tuple[Any, ...]", value)))
        return self._one(value)

    def _one(self, part: Any) -> Any:
        if len(self._parts) >= KEPT:
            self._parts.clear()
        content = (type(part), msgspec.msgpack.encode(part))
        return self._parts.setdefault(content, part)


_SHARED_NAMES = frozenset(["namespace", "node_name", "phase", "scheduler_name", "type", "preemption_policy"])
