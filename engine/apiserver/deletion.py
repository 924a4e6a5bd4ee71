"""What a DELETE does to an object: gone at once, marked and kept for a while, or refused. Pure.

Source: apiserver/pkg/registry/rest/delete.go and registry/generic/registry/store.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from apimachinery.objects.errors import BadRequest, Conflict
from apimachinery.objects.meta import format_time
from engine.apiserver.registry import kind as kinds
from engine.apiserver.registry.kind import Context, Kind
from engine.apiserver.request import Query

Json = dict[str, Any]
Outcome = Literal["gone", "marked", "unchanged"]

_FOREGROUND = "foregroundDeletion"
_ORPHAN = "orphan"
_POLICIES = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """metav1.DeleteOptions, checked."""

    grace_period_seconds: int | None = None
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


def delete_request(options: Mapping[str, Any], query: Query) -> DeleteRequest:
    """From the body (`options`) where it says something, else from the query. Raises BadRequest."""
    preconditions = options.get("preconditions") or {}
    propagation = options.get("propagationPolicy") or query.get("propagationPolicy")
    orphan = options.get("orphanDependents")
    if propagation and propagation not in _POLICIES:
        raise BadRequest(
            f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "{propagation}": '
            'supported values: "Foreground", "Background", "Orphan", "nil"'
        )
    if orphan is not None and not propagation:
        propagation = "Orphan" if orphan else "Background"
    grace = options.get("gracePeriodSeconds")
    if grace is None and query.get("gracePeriodSeconds"):
        grace = _number(query.get("gracePeriodSeconds"))
    return DeleteRequest(
        grace_period_seconds=grace,
        propagation=propagation,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        dry_run=bool(options.get("dryRun")) or bool(query.get("dryRun")),
    )


def check_preconditions(kind: Kind, old: Json, request: DeleteRequest, revision: int) -> None:
    """Raises Conflict."""
    uid = old["metadata"].get("uid", "")
    if request.uid and request.uid != uid:
        detail = f"Precondition failed: UID in precondition: {request.uid}, UID in object meta: {uid}"
        raise Conflict.of(kind.plural, old["metadata"]["name"], detail, group=kind.group)
    if request.resource_version and request.resource_version != str(revision):
        detail = (
            f"Precondition failed: ResourceVersion in precondition: {request.resource_version}, "
            f"ResourceVersion in object meta: {revision}"
        )
        raise Conflict.of(kind.plural, old["metadata"]["name"], detail, group=kind.group)


def mark(kind: Kind, obj: Json, request: DeleteRequest, context: Context) -> Outcome:
    """Change `obj` as the deletion wants and say what becomes of it."""
    metadata = obj["metadata"]
    before = (metadata.get("finalizers"), metadata.get("deletionTimestamp"), metadata.get("deletionGracePeriodSeconds"))
    _set_finalizers(kind, metadata, request)
    options = kinds.DeleteOptions(
        grace_period_seconds=request.grace_period_seconds, propagation_policy=request.propagation or None
    )
    grace = max(kind.graceful_delete(obj, options) or 0, 0)
    held = bool(metadata.get("finalizers")) or kind.held(obj)
    if "deletionTimestamp" in metadata:
        grace = _shortened(metadata, grace, request, context)
    elif grace or held:
        metadata["deletionTimestamp"] = format_time(context.now + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
        if metadata.get("generation"):
            metadata["generation"] += 1
        kind.begin_delete(obj, context)
    if not grace and not held:
        return "gone"
    after = (metadata.get("finalizers"), metadata.get("deletionTimestamp"), metadata.get("deletionGracePeriodSeconds"))
    return "marked" if before != after else "unchanged"


def finished(kind: Kind, obj: Json) -> bool:
    """Whether an update took away the last thing that kept a deleted object."""
    metadata = obj["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
        and not kind.held(obj)
    )


def _shortened(metadata: Json, grace: int, request: DeleteRequest, context: Context) -> int:
    """Grace left to an object that is being deleted already: a new request may make it shorter, never longer."""
    current = metadata.get("deletionGracePeriodSeconds") or 0
    if request.grace_period_seconds is None or grace >= current:
        return current
    metadata["deletionTimestamp"] = format_time(context.now + timedelta(seconds=grace))
    metadata["deletionGracePeriodSeconds"] = grace
    return grace


def _set_finalizers(kind: Kind, metadata: Json, request: DeleteRequest) -> None:
    finalizers: list[str] = list(metadata.get("finalizers") or ())
    policy = request.propagation
    if not policy:
        # A finalizer that is there already is an earlier word on the matter.
        if _ORPHAN in finalizers or _FOREGROUND in finalizers:
            return
        policy = kind.default_propagation
    wanted = [name for name in finalizers if name not in (_FOREGROUND, _ORPHAN)]
    if policy == "Foreground":
        wanted.append(_FOREGROUND)
    elif policy == "Orphan":
        wanted.append(_ORPHAN)
    if set(wanted) == set(finalizers):
        return
    if wanted:
        metadata["finalizers"] = wanted
    else:
        metadata.pop("finalizers", None)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error
