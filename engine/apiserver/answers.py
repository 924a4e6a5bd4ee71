"""The small answers: success, errors, warnings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from apimachinery.objects.errors import StatusError
from engine.apiserver.request import Response, json_response

Json = dict[str, Any]


def success(details: Json | None, code: int = 200) -> Json:
    """A Status that says it worked."""
    status: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details:
        status["details"] = details
    if code != 200:
        status["code"] = code
    return status


def not_served() -> StatusError:
    """The answer for a path that nobody serves."""
    return StatusError("the server could not find the requested resource", code=404, reason="NotFound", details={})


def error_response(error: StatusError) -> Response:
    headers = {"retry-after": str(int(error.retry_after))} if error.retry_after is not None else {}
    answer = json_response(error.to_status(), error.code, headers)
    # Upstream ends every document with a newline, and clients compare refusals to the letter.
    return replace(answer, body=answer.body + b"\n")


def warning_headers(warnings: list[str]) -> dict[str, str]:
    """One Warning header field holding all warnings, RFC 7234 section 5.5."""
    if not warnings:
        return {}
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for text in warnings)
    return {"warning": ", ".join(f'299 - "{text}"' for text in quoted)}
