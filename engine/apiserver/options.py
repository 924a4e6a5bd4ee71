"""Query parameters of writes, checked. Pure.

Source: apimachinery/pkg/apis/meta/v1/validation/validation.go.
"""

from __future__ import annotations

from apimachinery.objects.errors import Invalid
from apimachinery.objects.field import FieldError, forbidden, invalid, not_supported, required, too_long
from engine.apiserver import deletion
from engine.apiserver.deletion import DeleteRequest
from engine.apiserver.request import Query, Request
from engine.apiserver.schema.decode import FieldValidation

_LONGEST_MANAGER = 128
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_OPTIONS = {"create": "CreateOptions", "update": "UpdateOptions"}


def delete_request(request: Request) -> DeleteRequest:
    return deletion.delete_request(request.body, request.header("content-type"), request.query)


def check(query: Query, verb: str, *, apply: bool = False) -> None:
    """What a create, update or patch may say of itself. Raises Invalid."""
    if not query.pairs and not apply:
        return
    errors: list[FieldError] = []
    manager = query.get("fieldManager")
    if apply and not manager:
        errors.append(required("fieldManager", "is required for apply patch"))
    if verb == "patch" and not apply and "force" in query:
        errors.append(forbidden("force", "may not be specified for non-apply patch"))
    if len(manager.encode()) > _LONGEST_MANAGER:
        errors.append(too_long("fieldManager", _LONGEST_MANAGER))
    if not manager.isprintable():
        errors += (
            invalid("fieldManager", manager, f"invalid character {_shown(char)} (at position {position})")
            for position, char in enumerate(manager)
            if not char.isprintable()
        )
    errors += deletion.dry_run_errors(query.all("dryRun"))
    if query.get("fieldValidation") not in _VALIDATIONS:
        errors.append(not_supported("fieldValidation", query.get("fieldValidation"), _VALIDATIONS))
    if errors:
        raise Invalid.of(_OPTIONS.get(verb, "PatchOptions"), "meta.k8s.io", "", errors)


def dry_run(request: Request) -> bool:
    """Whether nothing shall be kept; what it says is checked by `check`."""
    return "dryRun" in request.query


def field_validation(request: Request) -> FieldValidation:
    """What becomes of fields that nobody knows."""
    asked = request.query.get("fieldValidation")
    return asked if asked in ("Strict", "Warn", "Ignore") else "Warn"


def _shown(char: str) -> str:
    # As Go prints it with %#U: the character itself only where it can be seen.
    return f"U+{ord(char):04X}"
