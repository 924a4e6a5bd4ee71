"""From a PATCH request's body to the patched object."""

from __future__ import annotations

from typing import Any, Literal

from apimachinery.objects import patch_json, patch_merge, patch_strategic
from apimachinery.objects.errors import BadRequest, Invalid, RequestEntityTooLarge, UnsupportedMediaType
from apimachinery.objects.patch import PatchError, PatchMalformed
from engine.apiserver.schema.decode import TypeMeta, duplicate_fields
from engine.apiserver.schema.jsonbody import parse_json
from engine.apiserver.schema.mergekeys import merge_schema

Json = dict[str, Any]
PatchKind = Literal["json", "merge", "strategic", "apply"]

_MEDIA_TYPES: dict[str, PatchKind] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}
_MOST_OPERATIONS = 10_000
_OPERATION_FIELDS = frozenset({"op", "path", "from", "value"})


def patch_kind(content_type: str, *, strategic: bool = True) -> PatchKind:
    """Which patch a content type announces; types without merge keys know no strategic one.

    Raises UnsupportedMediaType.
    """
    kind = _MEDIA_TYPES.get(content_type.partition(";")[0].strip().lower())
    if kind is None or (kind == "strategic" and not strategic):
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include:"
            f" {', '.join(media for media, kind in _MEDIA_TYPES.items() if strategic or kind != 'strategic')}"
        )
    return kind


def apply_patch(kind: PatchKind, original: Json, body: bytes, of: TypeMeta) -> tuple[Json, list[str]]:
    """Apply a JSON, merge or strategic merge patch: (the result, not yet decoded against its type; strict problems).

    Server-side apply is not done here. Raises BadRequest, RequestEntityTooLarge and Invalid.
    """
    try:
        patch = parse_json(body)
    except ValueError as error:
        raise BadRequest(f"error decoding patch: {error}") from error
    try:
        match kind:
            case "json":
                _check_length(patch)
                patched = patch_json.apply(original, patch)
            case "merge":
                patched = patch_merge.apply(original, patch)
            case _:
                schema = merge_schema(of.group, of.version, of.kind)
                patched = patch_strategic.apply(original, patch, schema)
    except PatchMalformed as error:
        raise BadRequest(str(error)) from error
    except PatchError as error:
        # Upstream's message hides the cause; it stays, and the cause goes where clients look for causes.
        raise Invalid(
            "the server rejected our request due to an error in our request",
            details={"causes": [{"reason": "UnexpectedServerResponse", "message": str(error)}]},
        ) from error
    if not isinstance(patched, dict):
        raise BadRequest("the patch does not leave an object")
    return patched, _strict_problems(kind, body, patch)


def _check_length(patch: Any) -> None:
    if isinstance(patch, list) and len(patch) > _MOST_OPERATIONS:
        raise RequestEntityTooLarge(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {_MOST_OPERATIONS},"
            f" got {len(patch)}"
        )


def _strict_problems(kind: PatchKind, body: bytes, patch: Any) -> list[str]:
    """Fields of the patch that stand twice, and those of its operations that no operation has."""
    problems = duplicate_fields(body, patch)
    if kind != "json":
        return problems
    unknown = [
        f'unknown field "[{position}].{name}"'
        for position, operation in enumerate(patch)
        for name in operation
        if name not in _OPERATION_FIELDS
    ]
    return [f"json patch {problem}" for problem in problems + unknown]
