"""What a plan may ask for. Values without behaviour: compared in tests, printed in logs, carried out by the runtime.

    Create  Patch  Replace  Delete  DeleteCollection  SetStatus      writes to the API
    Emit                                                             an Event
    RequeueAfter                                                     look at this key again later

A write may carry the events to record once it succeeded or failed; their texts may use `{name}` (of the object
written, which the server may have chosen) and `{error}`.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import Resource

Json = dict[str, Any]
PatchKind = Literal["merge", "json", "strategic"]
Propagation = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The object that an event is about (a core/v1 ObjectReference)."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str = ""

    @staticmethod
    def of(resource: Resource, obj: Object) -> "About":
        meta = obj.metadata
        return About(
            api_version=resource.api_version,
            kind=resource.kind,
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            resource_version=meta.resource_version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An event to record about `about`."""

    about: About
    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Creates of one plan that stand next to each other run in growing batches, so that a refusal costs few calls."""

    resource: Resource
    namespace: str = ""
    body: Json
    succeeded: Note | None = None
    failed: Note | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Change some fields. `uid` and `resource_version`, where given, must still be the object's (else Conflict)."""

    resource: Resource
    namespace: str = ""
    name: str
    body: Json | list[Json]
    kind: PatchKind = "merge"
    subresource: str | None = None
    uid: str = ""
    resource_version: str = ""
    succeeded: Note | None = None
    failed: Note | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """PUT a whole object or subresource that must be written whole (a namespace's `finalize`)."""

    resource: Resource
    body: Json
    subresource: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Delete the object of this name if it still has this uid."""

    resource: Resource
    namespace: str = ""
    name: str
    uid: str
    grace_period_seconds: int | None = None
    propagation: Propagation | None = None
    succeeded: Note | None = None
    failed: Note | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCollection:
    """Delete all objects of a kind in a namespace."""

    resource: Resource
    namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStatus:
    """Write fields of the status that we own, if the object is still at `resource_version`.

    A value of None removes the field. `kind="strategic"` merges lists (conditions) by their keys instead of
    replacing them. `annotations` go with the same write, for kinds whose status path lets them through.
    """

    resource: Resource
    namespace: str = ""
    name: str
    status: Json
    resource_version: str
    kind: PatchKind = "merge"
    annotations: dict[str, str] = field(default_factory=dict[str, str])
    succeeded: Note | None = None
    failed: Note | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    note: Note


@dataclass(frozen=True, slots=True, kw_only=True)
class RequeueAfter:
    seconds: float


Write = Create | Patch | Replace | Delete | DeleteCollection | SetStatus
Action = Write | Emit | RequeueAfter


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the last plan of a key could not be carried out whole: the first write that the API refused."""

    verb: Literal["create", "delete", "write"]
    message: str
