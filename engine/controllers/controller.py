"""The shape of a controller: what it watches, what it looks at for one key, what it plans.

The runtime (`engine.runtime`) does the rest: shared caches, a queue of keys, applying plans, retries.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import Resource
from engine.controllers.actions import Action, Failure

T = TypeVar("T", bound=Object)
O = TypeVar("O")  # noqa: E741 - what a controller observes

Indexer = Callable[[Any], list[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Source(Generic[T]):
    """A cached kind: the view in which it is kept and how it is indexed. One source per kind in a process."""

    resource: Resource
    view: type[T]
    indexers: Mapping[str, Indexer] = field(default_factory=dict[str, Indexer])


class Reader(Protocol):
    """What a controller may read. The caches may lag behind the API, never behind this key's own last writes."""

    def get(self, source: Source[T], key: str) -> T | None: ...

    def list(self, source: Source[T], namespace: str | None = None) -> Iterable[T]: ...

    def by_index(self, source: Source[T], index: str, value: str) -> Iterable[T]: ...

    async def live_get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        """The object as the API has it now; None when there is none."""
        ...

    async def live_view(self, source: Source[T], namespace: str, name: str) -> T | None:
        """As `live_get`, in the source's view."""
        ...

    async def live_views(self, source: Source[T], namespace: str) -> Sequence[T]:
        """The objects of the kind that the namespace holds now, in the source's view."""
        ...

    async def live_list(self, resource: Resource, namespace: str) -> Sequence[Object]:
        """The objects of the kind that the namespace holds now, names and finalizers only."""
        ...

    def resources(self) -> Iterable[Resource]:
        """All kinds that the API serves, as last discovered; none before that."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a key is looked at. `steady` are seconds of a clock that never jumps: compare them only with each other."""

    now: datetime
    steady: float
    failure: Failure | None = None
    """What went wrong when this key's last plan was applied."""


@dataclass(frozen=True, slots=True)
class Watch(Generic[T]):
    """Changes of a source, and the keys that a changed object (before or after the change) makes stale."""

    source: Source[T]
    keys: Callable[[T, Reader], Iterable[str]]


class Controller(Protocol[O]):
    """`plan` is a pure function. `observe` reads; it answers None when there is nothing to do for the key."""

    name: str
    component: str
    """Who it says it is in the Events it records."""
    watches: tuple[Watch[Any], ...]

    async def observe(self, key: str, reader: Reader, moment: Moment) -> O | None: ...

    def plan(self, observed: O) -> list[Action]: ...
