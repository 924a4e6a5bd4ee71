"""The small answers: success, errors, warnings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apimachinery.objects.errors import StatusError
from engine.apiserver.request import Response, json_response

Json = dict[str, Any]

_WARNING_SPACE = 4 << 10
_SHORTEST_WARNING = 256


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
    return json_response(error.to_status(), error.code, headers)


def warning_headers(warnings: list[str]) -> dict[str, str]:
    """One Warning header field holding all warnings, RFC 7234 section 5.5."""
    if not warnings:
        return {}
    return {"warning": ", ".join(f'299 - "{_quoted(text)}"' for text in _few(warnings))}


def _few(warnings: list[str]) -> Iterator[str]:
    """Warnings for as long as they fit; upstream cuts them when they grow beyond 4 KiB together."""
    left = _WARNING_SPACE
    for text in warnings:
        yield text[: max(left, _SHORTEST_WARNING)]
        left -= len(text)
        if left <= 0:
            return


def _quoted(text: str) -> str:
    # Whatever a client put into a field name must not end the header.
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable.replace("\\", "\\\\").replace('"', '\\"')
