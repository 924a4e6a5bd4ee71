"""What a DELETE does to an object: gone at once, marked and kept for a while, or refused. Pure.

Source: apiserver/pkg/registry/rest/delete.go and registry/generic/registry/store.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import msgspec

from apimachinery.objects.errors import BadRequest, Conflict, Invalid
from apimachinery.objects.field import FieldError, invalid, not_supported
from apimachinery.objects.meta import format_time
from engine.apiserver.registry import kind as kinds
from engine.apiserver.registry.kind import Context, Kind
from engine.apiserver.request import Query
from engine.apiserver.schema.jsonbody import parse_json
from engine.apiserver.schema.yamlbody import parse_yaml
from engine.apiserver.versions import integer

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


class _Preconditions(msgspec.Struct, frozen=True, rename="camel"):
    uid: str | None = None
    resource_version: str | None = None


class _Options(msgspec.Struct, frozen=True, rename="camel"):
    kind: str = ""
    grace_period_seconds: int | None = None
    preconditions: _Preconditions | None = None
    orphan_dependents: bool | None = None
    propagation_policy: str | None = None
    dry_run: list[str] | None = None


_NO_OPTIONS = _Options()


def delete_request(body: bytes, content_type: str, query: Query) -> DeleteRequest:
    """From the body where there is one, else from the query. Raises BadRequest, Invalid."""
    options = _decoded(body, content_type) if body else _of_query(query)
    errors = _option_errors(options)
    if errors:
        raise Invalid.of("DeleteOptions", "meta.k8s.io", "", errors)
    preconditions = options.preconditions or _Preconditions()
    propagation = options.propagation_policy
    if options.orphan_dependents is not None and propagation is None:
        propagation = "Orphan" if options.orphan_dependents else "Background"
    return DeleteRequest(
        grace_period_seconds=options.grace_period_seconds,
        propagation=propagation or "",
        uid=preconditions.uid or "",
        resource_version=preconditions.resource_version or "",
        dry_run=bool(options.dry_run),
    )


def dry_run_errors(asked: Sequence[str]) -> list[FieldError]:
    """What is wrong with a list of dry run stages, of which there is one."""
    if all(stage == "All" for stage in asked):
        return []
    return [not_supported("dryRun", list(asked), ("All",))]


def _option_errors(options: _Options) -> list[FieldError]:
    errors: list[FieldError] = []
    policy = options.propagation_policy
    if policy is not None and options.orphan_dependents is not None:
        errors.append(
            invalid("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set")
        )
    if policy is not None and policy not in _POLICIES:
        errors.append(
            FieldError(
                kind="NotSupported",
                field="propagationPolicy",
                value=policy,
                detail='supported values: "Foreground", "Background", "Orphan", "nil"',
            )
        )
    return errors + dry_run_errors(options.dry_run or ())


def check_preconditions(kind: Kind, old: Json, request: DeleteRequest, revision: int) -> None:
    """Raises Conflict, which names the kind as upstream does here, not the resource."""
    metadata, uid = old["metadata"], old["metadata"].get("uid", "")
    if request.uid and request.uid != uid:
        detail = (
            f"the UID in the precondition ({request.uid}) does not match the UID in record ({uid})."
            " The object might have been deleted and then recreated"
        )
        raise Conflict.of(kind.kind, metadata["name"], detail, group=kind.group)
    if request.resource_version and request.resource_version != str(revision):
        detail = (
            f"the ResourceVersion in the precondition ({request.resource_version}) does not match the ResourceVersion"
            f" in record ({revision}). The object might have been modified"
        )
        raise Conflict.of(kind.kind, metadata["name"], detail, group=kind.group)


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


def _decoded(body: bytes, content_type: str) -> _Options:
    try:
        if "yaml" in content_type:
            document, _ = parse_yaml(body)
            options = msgspec.convert(document, _Options)
        else:
            options = msgspec.convert(parse_json(body), _Options)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadRequest(f"unable to decode the body as DeleteOptions: {error}") from error
    if options.kind not in ("", "DeleteOptions"):
        raise BadRequest(f"converting ({options.kind}) to (v1.DeleteOptions): unknown conversion")
    return options


def _of_query(query: Query) -> _Options:
    if not query.pairs:
        return _NO_OPTIONS
    grace = query.get("gracePeriodSeconds")
    return _Options(
        grace_period_seconds=integer(grace) if grace else None,
        orphan_dependents=query.flag("orphanDependents") if "orphanDependents" in query else None,
        propagation_policy=query.get("propagationPolicy") or None,
        dry_run=query.all("dryRun"),
    )
