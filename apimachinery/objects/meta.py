"""Narrow views of what every object has, and the time formats of the API.

A view names only the fields that its reader needs and is never written back: a struct that is read and then
written loses the fields it does not know.
"""

from datetime import UTC, datetime

import msgspec


class OwnerReference(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()


class Object(msgspec.Struct, frozen=True, rename="camel"):
    """The base of views; subclasses add `spec` and `status` views."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()


def object_key(namespace: str, name: str) -> str:
    """The key of an object among its kind: `namespace/name`, or the name alone where there is no namespace."""
    return f"{namespace}/{name}" if namespace else name


def key(obj: Object) -> str:
    return object_key(obj.metadata.namespace, obj.metadata.name)


def split_key(text: str) -> tuple[str, str]:
    """(namespace, name) of a key; the namespace is empty for objects of the cluster."""
    namespace, _, name = text.rpartition("/")
    return namespace, name


def controller_of(meta: ObjectMeta) -> OwnerReference | None:
    """The one owner that manages this object, if any."""
    return next((owner for owner in meta.owner_references if owner.controller), None)


def parse_time(text: str) -> datetime:
    """A metav1.Time or MicroTime (RFC 3339) as an aware datetime in UTC. Raises ValueError."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return parsed.astimezone(UTC)


def format_time(moment: datetime) -> str:
    """metav1.Time: RFC 3339 in UTC, whole seconds."""
    # Not strftime: it writes early years with fewer than four digits.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def format_micro_time(moment: datetime) -> str:
    """metav1.MicroTime: RFC 3339 in UTC with six decimals."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
