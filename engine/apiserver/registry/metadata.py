"""The rules for `metadata` that all kinds share: what the server fills in, and what clients may not do.

Source: apiserver/pkg/registry/rest/{meta,create,update}.go and apimachinery/pkg/api/validation/objectmeta.go.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from typing import Any

from apimachinery.objects.errors import BadRequest, StatusError
from apimachinery.objects.field import FieldError, forbidden, immutable, invalid, required, too_long
from apimachinery.objects.meta import format_time
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Context, Json, Kind

_ANNOTATIONS_LIMIT = 256 * 1024
# No vowels and no digits that look like them: a random name spells nothing.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_RANDOM_LENGTH = 5
_LONGEST_BASE = 63 - _RANDOM_LENGTH
_SERVER_OWNED = ("selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "generation")


def begin_create(kind: Kind, obj: Json, namespace: str | None, context: Context) -> None:
    """Fill in what the server decides about a new object: namespace, name, uid, creationTimestamp.

    `namespace` is the request's, None for kinds of the cluster. Raises BadRequest when the object names another, and
    StatusError when it has been stored before.
    """
    metadata: Json = obj.setdefault("metadata", {})
    if _is_revision(metadata.get("resourceVersion", "")):
        # Upstream's store says so, as an error that has no reason; what is no revision is passed over.
        raise StatusError("resourceVersion should not be set on objects to be created", code=500, reason="")
    if kind.namespaced:
        if metadata.setdefault("namespace", namespace or "") != namespace:
            raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    elif metadata.get("namespace") == "":
        del metadata["namespace"]
    for name in _SERVER_OWNED:
        metadata.pop(name, None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generate_name(metadata["generateName"])
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = format_time(context.now)


def _is_revision(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) != 0


def generate_name(base: str) -> str:
    """Append five random characters to the base, cut so that the name stays a DNS label."""
    return base[:_LONGEST_BASE] + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))


def begin_update(kind: Kind, new: Json, old: Json, namespace: str | None) -> None:
    """Carry over what an update need not repeat: uid, creationTimestamp, generation, deletion, managed fields' owner.

    Raises BadRequest when the object names another namespace than the request.
    """
    metadata: Json = new.setdefault("metadata", {})
    before: Json = old["metadata"]
    if kind.namespaced and metadata.setdefault("namespace", namespace or "") != namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    metadata.setdefault("name", before["name"])
    metadata.pop("selfLink", None)
    for name in ("uid", "creationTimestamp"):
        if not metadata.get(name) and name in before:
            metadata[name] = before[name]
    for name in ("generation", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName"):
        if name in before:
            metadata[name] = before[name]
        else:
            metadata.pop(name, None)


def validate(kind: Kind, obj: Json) -> list[FieldError]:
    """Judge the metadata of a new object."""
    metadata: Json = obj["metadata"]
    errors: list[FieldError] = []
    base = metadata.get("generateName", "")
    if base:
        # A trailing dash is what the random part follows, no fault.
        shown = base[:-1] + "a" if base.endswith("-") else base
        errors += (invalid("metadata.generateName", base, message) for message in kind.name_errors(shown))
    name = metadata.get("name", "")
    if name:
        errors += (invalid("metadata.name", name, message) for message in kind.name_errors(name))
    else:
        errors.append(required("metadata.name", "name or generateName is required"))
    if kind.namespaced:
        if not metadata.get("namespace"):
            errors.append(required("metadata.namespace"))
        else:
            namespace = metadata["namespace"]
            errors += (invalid("metadata.namespace", namespace, message) for message in names.dns_label(namespace))
    elif metadata.get("namespace"):
        errors.append(forbidden("metadata.namespace", "not allowed on this type"))
    _append_common(errors, metadata)
    return errors


def validate_update(kind: Kind, new: Json, old: Json) -> list[FieldError]:
    """Judge changed metadata."""
    metadata: Json = new["metadata"]
    before: Json = old["metadata"]
    errors: list[FieldError] = []
    if "deletionTimestamp" in before:
        added = sorted(set(metadata.get("finalizers", ())) - set(before.get("finalizers", ())))
        if added:
            listed = ", ".join(f'"{name}"' for name in added)
            errors.append(
                forbidden(
                    "metadata.finalizers",
                    "no new finalizers can be added if the object is being deleted,"
                    f" found new finalizers []string{{{listed}}}",
                )
            )
    fixed = (
        ("name", "namespace", "uid", "creationTimestamp") if kind.namespaced else ("name", "uid", "creationTimestamp")
    )
    errors += (
        immutable(f"metadata.{name}", metadata.get(name)) for name in fixed if metadata.get(name) != before.get(name)
    )
    _append_common(errors, metadata)
    return errors


def _append_common(errors: list[FieldError], metadata: Json) -> None:
    if "labels" in metadata:
        append_label_errors(errors, metadata["labels"], "metadata.labels")
    if "annotations" in metadata:
        append_annotation_errors(errors, metadata["annotations"], "metadata.annotations")
    if "ownerReferences" in metadata:
        _append_owner_errors(errors, metadata["ownerReferences"])
    for finalizer in metadata.get("finalizers", ()):
        errors += (invalid("metadata.finalizers", finalizer, text) for text in names.qualified_name(finalizer))


def append_label_errors(errors: list[FieldError], labels: dict[str, str], path: str) -> None:
    """Judge a map of labels, wherever it stands."""
    for key, value in labels.items():
        errors += (invalid(path, key, message) for message in names.qualified_name(key))
        errors += (invalid(path, value, message) for message in names.label_value(value))


def append_annotation_errors(errors: list[FieldError], annotations: dict[str, str], path: str) -> None:
    """Judge a map of annotations, wherever it stands."""
    size = 0
    for key, value in annotations.items():
        errors += (invalid(path, key, text) for text in names.qualified_name(key.lower()))
        size += len(key) + len(value)
    if size > _ANNOTATIONS_LIMIT:
        errors.append(too_long(path, _ANNOTATIONS_LIMIT))


def _append_owner_errors(errors: list[FieldError], owners: list[Json]) -> None:
    controller = ""
    for owner in owners:
        if not owner.get("apiVersion"):
            errors.append(invalid("metadata.ownerReferences.apiVersion", "", "version must not be empty"))
        errors += (
            invalid(f"metadata.ownerReferences.{name}", "", "must not be empty")
            for name in ("kind", "name", "uid")
            if not owner.get(name)
        )
        if owner.get("controller"):
            this = f"{owner.get('kind', '')}/{owner.get('name', '')}"
            if controller:
                errors.append(
                    invalid(
                        "metadata.ownerReferences",
                        owners,
                        "Only one reference can have Controller set to true."
                        f' Found "true" in references for {controller} and {this}',
                    )
                )
            controller = controller or this


def add_finalizer(obj: Json, finalizer: str) -> None:
    """Let an object not go before somebody says that it may."""
    finalizers: list[str] = obj["metadata"].setdefault("finalizers", [])
    if finalizer not in finalizers:
        finalizers.append(finalizer)


def bump_generation_if_changed(new: Json, old: Json, *parts: str) -> None:
    """Raise metadata.generation when one of the top-level parts (default `spec`) differs from before."""
    if any(new.get(part) != old.get(part) for part in parts or ("spec",)):
        metadata = new["metadata"]
        metadata["generation"] = old["metadata"].get("generation", 0) + 1


def keep(part: str) -> Callable[[Json, Json, Context], None]:
    """Make a hook that puts back one top-level part, whatever the client sent."""

    def put_back(new: Json, old: Json, _context: Context) -> None:
        put_back_part(new, old, part)

    return put_back


def put_back_part(new: Json, old: Json, part: str) -> None:
    """Make one top-level part what it was."""
    before: Any = old.get(part)
    if before is None:
        new.pop(part, None)
    else:
        new[part] = before


def put_back_in_metadata(new: Json, old: Json, field: str) -> None:
    """Make one field of the metadata what it was."""
    before: Any = old["metadata"].get(field)
    if before is None:
        new["metadata"].pop(field, None)
    else:
        new["metadata"][field] = before
