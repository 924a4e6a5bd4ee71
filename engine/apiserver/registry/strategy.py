"""The order in which a kind's hooks run for one write. The request pipe calls these between decoding and the store."""

from __future__ import annotations

from apimachinery.objects.errors import Invalid
from apimachinery.objects.field import FieldError
from engine.apiserver.registry import metadata
from engine.apiserver.registry.kind import Context, Json, Kind, Subresource


def admit_create(kind: Kind, obj: Json, namespace: str | None, context: Context) -> None:
    """Defaults and built-in admission of a new, decoded object. Webhooks and policies come after this."""
    metadata.begin_create(kind, obj, namespace, context)
    kind.set_defaults(obj)
    kind.admit(obj, context)


def prepare_create(kind: Kind, obj: Json, context: Context) -> None:
    """Make an admitted object ready for the store. Raises Invalid with all errors, or what `allocate` raises."""
    kind.prepare_create(obj, context)
    _raise_if_any(kind, obj, [*metadata.validate(kind, obj), *kind.validate(obj), *kind.validate_create(obj)])
    kind.allocate(obj, context)


def admit_update(kind: Kind, new: Json, old: Json, namespace: str | None, context: Context) -> None:
    """Defaults of a changed, decoded object."""
    _ = context
    metadata.begin_update(kind, new, old, namespace)
    kind.set_defaults(new)


def prepare_update(kind: Kind, new: Json, old: Json, context: Context) -> None:
    """Make an admitted change ready for the store: the strategy, then all rules. Raises Invalid."""
    kind.prepare_update(new, old, context)
    errors = [*metadata.validate_update(kind, new, old), *kind.validate(new), *kind.validate_update(new, old)]
    _raise_if_any(kind, new, errors)
    kind.allocate_update(new, old, context)


def prepare_subresource(kind: Kind, subresource: Subresource, new: Json, old: Json, context: Context) -> None:
    """Make a write to status, finalize and their like ready for the store. Raises Invalid."""
    metadata.begin_update(kind, new, old, old["metadata"].get("namespace"))
    if subresource.prepare is not None:
        subresource.prepare(new, old, context)
    _raise_if_any(kind, new, [*metadata.validate_update(kind, new, old), *subresource.validate(new, old)])


def _raise_if_any(kind: Kind, obj: Json, errors: list[FieldError]) -> None:
    if errors:
        raise Invalid.of(kind.kind, kind.group, obj["metadata"].get("name", ""), errors)
