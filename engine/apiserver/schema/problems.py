"""What can be wrong with a document's structure, in the words of upstream's JSON decoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class WrongType(Exception):
    """A value that its field cannot hold. The first one ends the decoding, as upstream reports no other."""


@dataclass(slots=True)
class Strict:
    """The fields that are not in the schema, or stand twice: errors, warnings or nothing, as the client asked."""

    messages: list[str] = field(default_factory=list[str])

    def unknown(self, path: str) -> None:
        """Note a field that the type does not have."""
        self.messages.append(f'unknown field "{path}"')

    def duplicate(self, path: str) -> None:
        """Note a field that stands more than once; the last one counts."""
        self.messages.append(f'duplicate field "{path}"')


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a document: `path` with list positions; `dotted` without, below the Go struct that holds the field."""

    path: str = ""
    dotted: str = ""
    struct: str = ""

    def child(self, name: str, struct: str) -> Where:
        """The field of a struct."""
        path = f"{self.path}.{name}" if self.path else name
        return Where(path, f"{self.dotted}.{name}" if self.dotted else name, struct)

    def index(self, position: int) -> Where:
        """An element of a list."""
        return Where(f"{self.path}[{position}]", self.dotted, self.struct)

    def key(self, name: str) -> Where:
        """An entry of a map, which Go's decoder does not count as a field."""
        return Where(f"{self.path}.{name}", self.dotted, self.struct)

    def cannot_hold(self, value: Any, go_type: str) -> WrongType:
        """The error for a value of the wrong type."""
        target = f"Go struct field {self.struct}.{self.dotted}" if self.dotted else "Go value"
        return WrongType(f"json: cannot unmarshal {_described(value, go_type)} into {target} of type {go_type}")


def _described(value: Any, go_type: str) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float():
            return f"number {value}" if go_type.startswith(("int", "float")) else "number"
        case list():
            return "array"
        case _:
            return "object"
