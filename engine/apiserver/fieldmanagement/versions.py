"""Fields that somebody owns in another version of the object than the one that is being written.

What changed is looked at in the version in which an owner has his fields. Only a webhook may know what the object
looks like there, and waiting has no place in these rules: whoever misses a conversion says so by Unconverted, has it
made, and is asked again.

Source: structured-merge-diff/merge/update.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import msgspec

from engine.apiserver.fieldmanagement.shapes import Struct

Json = dict[str, Any]
T = TypeVar("T")
Convert = Callable[[Json, str], Awaitable[Json]]
"""(object, apiVersion) to the object in that version. Raises StatusError."""


class Unconverted(Exception):
    """An object whose form in a version is not known yet."""

    def __init__(self, obj: Json, version: str) -> None:
        super().__init__(version)
        self.obj = obj
        self.version = version


class Versions(Protocol):
    """The versions of one kind, by apiVersion."""

    def shape(self, version: str) -> Struct | None:
        """None: the version is served no more, and nobody can say what was owned in it."""
        ...

    def convert(self, obj: Json, version: str) -> Json:
        """The object in a version that has a shape. Raises Unconverted."""
        ...


class Served:
    """Implements Versions; `settled` makes the conversions that are missing."""

    def __init__(self, shape: Callable[[str], Struct | None], convert: Convert) -> None:
        self._shape = shape
        self._convert = convert
        self._known: dict[tuple[str, bytes], Json] = {}

    def shape(self, version: str) -> Struct | None:
        return self._shape(version)

    def convert(self, obj: Json, version: str) -> Json:
        if obj["apiVersion"] == version:
            return obj
        bare = _bare(obj)
        found = self._known.get((version, msgspec.json.encode(bare)))
        if found is None:
            raise Unconverted(bare, version)
        return found

    async def settled(self, work: Callable[[], T]) -> T:
        """What `work` comes to once all it needs is converted. Raises StatusError."""
        while True:
            try:
                return work()
            except Unconverted as missing:
                key = missing.version, msgspec.json.encode(missing.obj)
                self._known[key] = await self._convert(missing.obj, missing.version)


def _bare(obj: Json) -> Json:
    """As webhooks see it: who owns what is not theirs to know."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}
