"""The shape of a kind: everything by which one kind differs from another on its way through the request pipe.

The pipe's order, which the hooks below rely on (upstream's rest.BeforeCreate and rest.BeforeUpdate):

    create: decode, set_defaults, admit, metadata.begin_create, prepare_create, metadata and `validate`, allocate, store
    update: decode, set_defaults, admit, metadata.begin_update, prepare_update, metadata, `validate`, `validate_update`,
            allocate_update, store

`engine.apiserver.registry.strategy` runs these steps; the pipe calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from apimachinery.objects.field import FieldError
from engine.apiserver.schema.problems import Strict

Json = dict[str, Any]


class Allocator(Protocol):
    """A pool of values of which each may be held once: service addresses, node ports. In memory, never blocks."""

    def allocate(self, value: str) -> bool:
        """Take this very value; False when it is taken already or not in the pool."""
        ...

    def allocate_next(self) -> str | None:
        """Take any free value; None when the pool is exhausted."""
        ...

    def release(self, value: str) -> None:
        """Give a value back; giving back a free one does nothing."""
        ...

    def contains(self, value: str) -> bool:
        """Whether the pool has this value at all, free or taken."""
        ...


def nothing_found(_group: str, _plural: str, _namespace: str, _name: str) -> Json | None:
    """Answer every lookup with "no such object": a context of rules that look at nothing else."""
    return None


def nothing_listed(_group: str, _plural: str, _namespace: str) -> list[Json]:
    """Answer every listing with no objects."""
    return []


@dataclass(slots=True, kw_only=True)
class Context:
    """What a strategy may know besides the objects. One per request.

    The pipe runs `on_commit` when the write is durable, `on_rollback` when it failed or was a dry run: a strategy that
    takes something from an allocator registers its release there.
    """

    now: datetime
    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    dry_run: bool = False
    lookup: Callable[[str, str, str, str], Json | None] = nothing_found
    """(group, plural, namespace, name)"""
    find: Callable[[str, str, str], list[Json]] = nothing_listed
    """(group, plural, namespace): all objects of a kind in a namespace, or in the cluster."""
    service_ips: Allocator | None = None
    node_ports: Allocator | None = None
    warnings: list[str] = field(default_factory=list[str])
    audit: dict[str, str] = field(default_factory=dict[str, str])
    """What admission wants to be noted in the audit log."""
    on_commit: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    on_rollback: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    def committed(self) -> None:
        """Run what waits for durability, in order, once."""
        self._run(self.on_commit)

    def rolled_back(self) -> None:
        """Undo, newest first, what the strategies took."""
        self.on_rollback.reverse()
        self._run(self.on_rollback)

    def _run(self, callbacks: list[Callable[[], None]]) -> None:
        waiting = list(callbacks)
        self.on_commit.clear()
        self.on_rollback.clear()
        for callback in waiting:
            callback()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """The part of meta/v1 DeleteOptions that a kind may have an opinion on."""

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None


@dataclass(frozen=True, slots=True)
class Since:
    """A cell that ages: `before` + the time since `at` + `after`, put together when the table is answered.

    `at` is in seconds of the Unix epoch; None shows `<unknown>`.
    """

    at: float | None
    before: str = ""
    after: str = ""


Cell = str | int | float | bool | None | Since


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A printer column. `cell` gets the kind's table view; priority 0 shows always, 1 with `-o wide`."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0
    cell: Callable[[Any], Cell]


def _keep(_obj: Json) -> None:
    return None


def _keep_in(_obj: Json, _context: Context) -> None:
    return None


def _keep_both(_new: Json, _old: Json, _context: Context) -> None:
    return None


def _valid(_obj: Json) -> list[FieldError]:
    return []


def _valid_update(_new: Json, _old: Json) -> list[FieldError]:
    return []


def _no_labels(_view: Any) -> dict[str, str]:
    return {}


def _no_messages(_name: str) -> list[str]:
    return []


def _delete_now(_obj: Json, _options: DeleteOptions) -> int | None:
    return None


def _not_held(_obj: Json) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subresource:
    """One path below an object.

    Three sorts:
    * the parent's own kind (status, finalize, resize, ephemeralcontainers): `prepare(new, old, context)` puts back all
      that this path may not change, `validate(new, old)` judges the rest;
    * a view of the parent in another kind (scale): `project(parent)` makes it, `absorb(parent, view)` writes it into a
      copy of the parent, which then goes the way of an update;
    * neither (log, exec, binding, proxy...): a handler in the API server answers; only the discovery entry is here.
    """

    name: str
    verbs: tuple[str, ...]
    kind: str = ""
    """Empty: the parent's."""
    group: str | None = None
    """None: the parent's."""
    version: str | None = None
    prepare: Callable[[Json, Json, Context], None] | None = None
    validate: Callable[[Json, Json], list[FieldError]] = _valid_update
    project: Callable[[Json], Json] | None = None
    absorb: Callable[[Json, Json], None] | None = None


ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """A kind as the API serves it. Every hook has a default that does nothing, so a plain kind is names and columns.

    Hooks get whole objects as JSON dicts which they own and may change; `old` objects are never changed.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: Mapping[str, Subresource] = field(default_factory=dict[str, Subresource])

    measured: bool = False
    """Found out when somebody asks and stored nowhere; without a published definition."""
    storage: str = ""
    """Key prefix below /registry, as upstream lays it out; empty: the plural."""
    stored_as: tuple[str, str, str] | None = None
    """(group, version, plural) of the kind whose storage this one shows in another shape, by to_/from_storage."""
    conversion: Any = None
    """How a webhook makes one version of a custom kind another (engine.apiserver.custom.conversion.Conversion)."""
    decoder: Callable[[Json, Strict], Json] | None = None
    """Brings a parsed body into stored form; None: by the published definition."""
    definition: str = ""
    """The name of the type in the OpenAPI documents; empty: that of the published definition."""
    published: Json | None = None
    """The type in the OpenAPI documents, where no published definition says it."""
    shape: Callable[[], Any] | None = None
    """How the fields are owned (engine.apiserver.fieldmanagement.shapes), where no published definition says it."""
    warning: str = ""
    """What everybody who uses this kind is told."""
    to_storage: Callable[[Json], None] = _keep
    from_storage: Callable[[Json], None] = _keep

    name_errors: Callable[[str], list[str]] = _no_messages
    """Upstream's messages of what is wrong with metadata.name; none when it is fine."""
    set_defaults: Callable[[Json], None] = _keep
    admit: Callable[[Json, Context], None] = _keep_in
    """What upstream's built-in admission plugins do to a new object of this kind."""
    validate: Callable[[Json], list[FieldError]] = _valid
    validate_create: Callable[[Json], list[FieldError]] = _valid
    """Besides `validate`, of new objects alone."""
    validate_update: Callable[[Json, Json], list[FieldError]] = _valid_update
    prepare_create: Callable[[Json, Context], None] = _keep_in
    prepare_update: Callable[[Json, Json, Context], None] = _keep_both
    allocate: Callable[[Json, Context], None] = _keep_in
    """After validation of a create: take what must be unique; raises StatusError when it is taken."""
    allocate_update: Callable[[Json, Json, Context], None] = _keep_both
    after_delete: Callable[[Json, Context], None] = _keep_in
    """The object is gone from the store: release what it held."""
    begin_delete: Callable[[Json, Context], None] = _keep_in
    """The object gets its deletionTimestamp but stays for a while: what else changes with it."""
    held: Callable[[Json], bool] = _not_held
    """Whether something besides metadata.finalizers keeps a deleted object (a namespace's spec.finalizers)."""
    graceful_delete: Callable[[Json, DeleteOptions], int | None] = _delete_now
    """Seconds of grace, 0 or None: delete now."""
    default_propagation: str = "Background"
    allow_create_on_update: bool = False
    allow_unconditional_update: bool = True
    returns_deleted: bool = False
    """DELETE answers with the object in place of a Status."""

    columns: tuple[Column, ...] = ()
    """Empty: Name and Age."""
    table_view: type[Any] | None = None
    """The narrow view that the cells read."""
    field_labels: Callable[[Any], dict[str, str]] = _no_labels
    """Selectable fields besides metadata.name and metadata.namespace, read from `field_view`; its key set is fixed."""
    field_view: type[Any] | None = None

    @property
    def api_version(self) -> str:
        """`v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """The resource as errors name it: `pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def storage_prefix(self) -> str:
        """The key prefix of all objects of this kind, with a slash at its end."""
        return f"/registry/{self.storage or self.plural}/"

    def key(self, namespace: str | None, name: str) -> str:
        """The storage key of one object."""
        return f"{self.storage_prefix}{namespace}/{name}" if self.namespaced else f"{self.storage_prefix}{name}"
