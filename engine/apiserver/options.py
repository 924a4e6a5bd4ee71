"""Query parameters of writes, checked. Pure."""

from __future__ import annotations

from apimachinery.objects.errors import BadRequest
from engine.apiserver import deletion
from engine.apiserver.deletion import DeleteRequest
from engine.apiserver.request import Request
from engine.apiserver.schema.decode import FieldValidation


def delete_request(request: Request) -> DeleteRequest:
    return deletion.delete_request(request.body, request.header("content-type"), request.query)


def dry_run(request: Request) -> bool:
    for value in request.query.all("dryRun"):
        if value != "All":
            raise BadRequest(f'dryRun: Unsupported value: "{value}": supported values: "All"')
        return True
    return False


def field_validation(request: Request) -> FieldValidation:
    asked = request.query.get("fieldValidation")
    if not asked:
        return "Warn"
    if asked not in ("Strict", "Warn", "Ignore"):
        raise BadRequest(
            f'fieldValidation: Unsupported value: "{asked}": supported values: "", "Ignore", "Strict", "Warn"'
        )
    return asked
