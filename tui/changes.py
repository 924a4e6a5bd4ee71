"""A change to the cluster as a value: shown as a diff before it runs, kept in the journal after. Pure."""

from dataclasses import dataclass, field
from typing import Any, Literal

from apimachinery.objects.resources import Resource

JSON = dict[str, Any]
FIELD_MANAGER = "pilothouse"
"""Under this name the server keeps what we write."""
PatchKind = Literal["json", "merge", "strategic"]
Propagation = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A patch of one object. `consequence` says in a sentence what will follow from it."""

    title: str
    resource: Resource
    name: str
    namespace: str | None
    patch: JSON | list[JSON]
    kind: PatchKind = "merge"
    subresource: str | None = None
    consequence: str = ""

    @property
    def object_words(self) -> str:
        """`deployment/web in default`."""
        singular = self.resource.singular or self.resource.kind.lower()
        return f"{singular}/{self.name}" + (f" in {self.namespace}" if self.namespace else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Objects to delete, each only if it is still the one that was seen (by uid)."""

    resource: Resource
    objects: tuple[tuple[str | None, str, str], ...]
    """(namespace, name, uid)"""
    propagation: Propagation = "Background"
    force: bool = False


@dataclass(slots=True, kw_only=True)
class Entry:
    """One line of the journal: what was done, when (epoch seconds), to which state it led, what was there before."""

    at: float
    title: str
    what: str
    before: JSON | None = None
    after: JSON | None = None
    change: Change | Deletion | None = None
    undone: bool = False


@dataclass(slots=True)
class Journal:
    """Every change this session made, oldest first: what an undo list works from."""

    entries: list[Entry] = field(default_factory=list[Entry])

    def record(self, entry: Entry) -> None:
        self.entries.append(entry)
