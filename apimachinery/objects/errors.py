"""The errors of the Kubernetes API, as exceptions and as Status objects.

    StatusError
    ├── BadRequest 400              ├── NotAcceptable 406        ├── UnsupportedMediaType 415
    ├── Unauthorized 401            ├── AlreadyExists 409        ├── Invalid 422
    ├── Forbidden 403               ├── Conflict 409             ├── TooManyRequests 429
    ├── NotFound 404                ├── Expired 410              ├── InternalError 500
    └── MethodNotAllowed 405        └── RequestEntityTooLarge 413 ├── ServiceUnavailable 503
                                                                 └── Timeout 504

Reasons and wording follow k8s.io/apimachinery/pkg/api/errors: scripts match on them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import msgspec

from apimachinery.objects.field import FieldError

JSON = dict[str, Any]

_DETAILS = ("name", "group", "kind", "uid", "causes", "retryAfterSeconds")
"""The fields of StatusDetails in upstream's order."""


class StatusError(Exception):
    """An answer of the API that is not a success.

    `code` is the HTTP status, `reason` the machine-readable word of metav1.Status, `details` its details object.
    """

    code: int = 500
    reason: str = "Unknown"

    def __init__(
        self, message: str, *, code: int | None = None, reason: str | None = None, details: JSON | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code if code is not None else type(self).code
        self.reason = reason if reason is not None else type(self).reason
        self.details = details

    def to_status(self) -> JSON:
        """The metav1.Status object for this error, its fields in upstream's order: some clients compare the text."""
        status: JSON = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details:
            status["details"] = {key: self.details[key] for key in _DETAILS if key in self.details} | self.details
        return {**status, "code": self.code}

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks us to wait before trying again, when it says so."""
        seconds = (self.details or {}).get("retryAfterSeconds")
        return float(seconds) if seconds is not None else None

    @staticmethod
    def from_status(body: bytes | Mapping[str, Any], http_code: int) -> "StatusError":
        """The exception for an error answer; a body that is no Status becomes the message as it is."""
        status: Mapping[str, Any]
        if isinstance(body, bytes):
            try:
                decoded = msgspec.json.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                decoded = None
            if isinstance(decoded, dict) and "status" in decoded:
                status = decoded
            else:
                text = body.decode("utf-8", "replace").strip() or f"the server answered with HTTP status {http_code}"
                status = {"message": text[:2000]}
        else:
            status = body
        code = int(status.get("code") or http_code)
        reason = str(status.get("reason") or "")
        kind = _BY_REASON.get(reason) or _BY_CODE.get(code, StatusError)
        return kind(
            str(status.get("message") or reason or f"HTTP status {code}"),
            code=code,
            reason=reason or kind.reason,
            details=status.get("details"),
        )


class BadRequest(StatusError):
    code = 400
    reason = "BadRequest"


class Unauthorized(StatusError):
    code = 401
    reason = "Unauthorized"


class Forbidden(StatusError):
    code = 403
    reason = "Forbidden"


class _AboutOneObject(StatusError):
    """Errors whose message names one object as `pods "web-1"`."""

    template: ClassVar[str]

    @classmethod
    def of(cls, resource: str, name: str, detail: str = "", *, group: str = "") -> Self:
        """`resource` is the plural (`pods`); `group` the API group, empty for core."""
        qualified = f"{resource}.{group}" if group else resource
        details: JSON = {"name": name, "kind": resource}
        if group:
            details["group"] = group
        return cls(cls.template.format(resource=qualified, name=name, detail=detail), details=details)


class NotFound(_AboutOneObject):
    code = 404
    reason = "NotFound"
    template = '{resource} "{name}" not found'


class MethodNotAllowed(StatusError):
    code = 405
    reason = "MethodNotAllowed"


class NotAcceptable(StatusError):
    code = 406
    reason = "NotAcceptable"


class AlreadyExists(_AboutOneObject):
    code = 409
    reason = "AlreadyExists"
    template = '{resource} "{name}" already exists'

    @classmethod
    def generated(cls, resource: str, name: str, *, group: str = "") -> Self:
        """The answer when an object with a generateName cannot be had under this name."""
        error = cls.of(resource, name, group=group)
        error.message += ", the server was not able to generate a unique name for the object"
        error.details = {**(error.details or {}), "retryAfterSeconds": 1}
        return error


class Conflict(_AboutOneObject):
    code = 409
    reason = "Conflict"
    template = 'Operation cannot be fulfilled on {resource} "{name}": {detail}'

    @classmethod
    def modified(cls, resource: str, name: str, *, group: str = "") -> Self:
        """The answer to a write that carries an old resourceVersion."""
        return cls.of(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
            group=group,
        )


class Expired(StatusError):
    code = 410
    reason = "Expired"


class RequestEntityTooLarge(StatusError):
    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedMediaType(StatusError):
    code = 415
    reason = "UnsupportedMediaType"


class Invalid(StatusError):
    code = 422
    reason = "Invalid"

    @classmethod
    def of(cls, kind: str, group: str, name: str, errors: Iterable[FieldError]) -> Self:
        """The answer to an object whose fields break the rules of its kind."""
        listed = list(errors)
        causes = [{"reason": e.reason, "message": e.body(), "field": e.field} for e in listed]
        qualified = f"{kind}.{group}" if group else kind
        texts = list(dict.fromkeys(str(e) for e in listed))
        summary = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
        details: JSON = {"name": name, "kind": kind, "causes": causes}
        if group:
            details["group"] = group
        return cls(f'{qualified} "{name}" is invalid: {summary}', details=details)


class TooManyRequests(StatusError):
    code = 429
    reason = "TooManyRequests"


class InternalError(StatusError):
    code = 500
    reason = "InternalError"


class ServiceUnavailable(StatusError):
    code = 503
    reason = "ServiceUnavailable"


class Timeout(StatusError):
    code = 504
    reason = "Timeout"


_ALL: tuple[type[StatusError], ...] = (
    BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, Conflict, AlreadyExists, Expired,
    RequestEntityTooLarge, UnsupportedMediaType, Invalid, TooManyRequests, InternalError, ServiceUnavailable, Timeout,
)  # fmt: skip
_BY_REASON: dict[str, type[StatusError]] = {
    **{kind.reason: kind for kind in _ALL},
    "Gone": Expired,
    "ServerTimeout": Timeout,
}
_BY_CODE: dict[int, type[StatusError]] = {kind.code: kind for kind in reversed(_ALL)}
