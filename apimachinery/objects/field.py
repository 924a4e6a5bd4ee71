"""Paths to fields and what is wrong with the value there, in upstream's words.

Source of types and wording: k8s.io/apimachinery/pkg/util/validation/field/errors.go.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Path:
    """Where a field is, printed as `spec.containers[0].ports[1].name`."""

    text: str = ""

    def child(self, *names: str) -> "Path":
        text = self.text
        for name in names:
            text = f"{text}.{name}" if text else name
        return Path(text)

    def index(self, position: int) -> "Path":
        return Path(f"{self.text}[{position}]")

    def key(self, name: str) -> "Path":
        return Path(f"{self.text}[{name}]")

    def __str__(self) -> str:
        return self.text or "<nil>"


# ErrorType -> (reason in Status.details.causes, words in the message)
_TYPES = {
    "Required": ("FieldValueRequired", "Required value"),
    "Invalid": ("FieldValueInvalid", "Invalid value"),
    "NotSupported": ("FieldValueNotSupported", "Unsupported value"),
    "Forbidden": ("FieldValueForbidden", "Forbidden"),
    "Duplicate": ("FieldValueDuplicate", "Duplicate value"),
    "NotFound": ("FieldValueNotFound", "Not found"),
    "TooLong": ("FieldValueTooLong", "Too long"),
    "TooMany": ("FieldValueTooMany", "Too many"),
    "TypeInvalid": ("FieldValueTypeInvalid", "Invalid value"),
    "Internal": ("InternalError", "Internal error"),
}
_WITHOUT_VALUE = {"Required", "Forbidden", "TooLong", "Internal", "TooMany"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One broken rule: `kind` is upstream's ErrorType, `value` what was found at `field`."""

    kind: str
    field: str
    value: Any = None
    detail: str = ""

    @property
    def reason(self) -> str:
        return _TYPES[self.kind][0]

    def body(self) -> str:
        """The message without the path: `Invalid value: -1: must be greater than or equal to 0`."""
        words = _TYPES[self.kind][1]
        if self.kind not in _WITHOUT_VALUE:
            words = f"{words}: {_printed(self.value)}"
        return f"{words}: {self.detail}" if self.detail else words

    def __str__(self) -> str:
        return f"{self.field}: {self.body()}"


def _printed(value: Any) -> str:
    # As Go prints it: strings quoted, numbers and booleans bare, structures as JSON.
    if value is None:
        return "null"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def required(path: "Path | str", detail: str = "") -> FieldError:
    return FieldError(kind="Required", field=str(path), detail=detail)


def invalid(path: "Path | str", value: Any, detail: str) -> FieldError:
    return FieldError(kind="Invalid", field=str(path), value=value, detail=detail)


def immutable(path: "Path | str", value: Any) -> FieldError:
    return invalid(path, value, "field is immutable")


def not_supported(path: "Path | str", value: Any, valid: Iterable[str]) -> FieldError:
    supported = ", ".join(f'"{v}"' for v in sorted(valid))
    return FieldError(
        kind="NotSupported", field=str(path), value=value, detail=f"supported values: {supported}" if supported else ""
    )


def forbidden(path: "Path | str", detail: str) -> FieldError:
    return FieldError(kind="Forbidden", field=str(path), detail=detail)


def duplicate(path: "Path | str", value: Any) -> FieldError:
    return FieldError(kind="Duplicate", field=str(path), value=value)


def not_found(path: "Path | str", value: Any) -> FieldError:
    return FieldError(kind="NotFound", field=str(path), value=value)


def too_long(path: "Path | str", limit: int) -> FieldError:
    unit = "byte" if limit == 1 else "bytes"
    return FieldError(kind="TooLong", field=str(path), detail=f"may not be more than {limit} {unit}")


def too_many(path: "Path | str", actual: int, limit: int) -> FieldError:
    unit = "item" if limit == 1 else "items"
    return FieldError(kind="TooMany", field=str(path), detail=f"{actual}: must have at most {limit} {unit}")
