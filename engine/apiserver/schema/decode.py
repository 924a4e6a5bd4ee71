"""From a request's body to an object in stored form, with upstream's field validation (Strict, Warn, Ignore)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from apimachinery.objects.errors import BadRequest, Invalid, UnsupportedMediaType
from apimachinery.objects.field import invalid
from engine.apiserver.schema.definitions import name_of
from engine.apiserver.schema.jsonbody import parse_json
from engine.apiserver.schema.problems import Strict, Where, WrongType
from engine.apiserver.schema.types import count_keys, named_type
from engine.apiserver.schema.yamlbody import parse_yaml

FieldValidation = Literal["Strict", "Warn", "Ignore"]
Json = dict[str, Any]

_KEY_OR_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?')
_SHOWN = 30


@dataclass(frozen=True, slots=True)
class TypeMeta:
    """Which type a request's body should be."""

    group: str
    version: str
    kind: str
    decoder: Callable[[Json, Strict], Json] | None = None
    """For a type that is not among the published definitions."""

    @property
    def api_version(self) -> str:
        """`v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version


def decode(
    body: bytes, expected: TypeMeta, *, validation: FieldValidation = "Warn", content_type: str = "application/json"
) -> tuple[Json, list[str]]:
    """Decode a body to (object, warnings). A missing apiVersion or kind is filled in.

    Raises BadRequest with upstream's text for malformed documents, another kind, wrong types and, when `Strict`,
    unknown and duplicate fields; UnsupportedMediaType.
    """
    obj, duplicates = _parse(body, expected, content_type, look_for_duplicates=validation != "Ignore")
    found = TypeMeta("", obj.get("apiVersion") or "", obj.get("kind") or "")
    if found.version and found.version != expected.api_version:
        raise BadRequest(
            f"the API version in the data ({found.version}) does not match"
            f" the expected API version ({expected.api_version})"
        )
    if found.kind and found.kind != expected.kind:
        raise BadRequest(
            f'{found.kind} in version "{expected.version}" cannot be handled as a {expected.kind}:'
            f' no kind "{expected.kind}" is in the data'
        )
    try:
        decoded, strict = _typed(obj, expected)
    except WrongType as error:
        raise _cannot_be_handled(body, found, expected, str(error)) from error
    messages = duplicates + strict.messages
    if messages and validation == "Strict":
        raise _cannot_be_handled(body, found, expected, strict_text(messages))
    return decoded, messages if validation == "Warn" else []


def decode_patched(
    patched: Json, expected: TypeMeta, problems: Sequence[str] = (), *, validation: FieldValidation = "Warn"
) -> tuple[Json, list[str]]:
    """Bring a patched object into stored form: (object, warnings). `problems` are those of the patch itself.

    Raises Invalid about the patch, as upstream does.
    """
    try:
        decoded, strict = _typed(patched, expected)
        messages = [*problems, *strict.messages]
        if messages and validation == "Strict":
            raise WrongType(strict_text(messages))
    except WrongType as error:
        shown = json.dumps(patched, separators=(",", ":"), ensure_ascii=False)
        raise Invalid.of("", "", "", [invalid("patch", shown, str(error))]) from error
    return decoded, messages if validation == "Warn" else []


def strict_text(messages: list[str]) -> str:
    """The text of an error about unknown and duplicate fields."""
    return f"strict decoding error: {', '.join(messages)}"


def _typed(obj: Json, expected: TypeMeta) -> tuple[Json, Strict]:
    strict = Strict()
    if expected.decoder is not None:
        decoded = expected.decoder(obj, strict)
    else:
        struct = named_type(name_of(expected.group, expected.version, expected.kind))
        decoded = obj if struct.count(obj) >= 0 else struct.decode(obj, Where(), strict)
    decoded["apiVersion"] = expected.api_version
    decoded["kind"] = expected.kind
    return decoded, strict


def _cannot_be_handled(body: bytes, found: TypeMeta, expected: TypeMeta, problem: str) -> BadRequest:
    if found.kind:
        return BadRequest(
            f'{found.kind} in version "{expected.version}" cannot be handled as a {expected.kind}: {problem}'
        )
    return _unrecognized(body, expected, problem)


def _unrecognized(body: bytes, expected: TypeMeta, problem: str) -> BadRequest:
    return BadRequest(
        f"the object provided is unrecognized (must be of type {expected.kind}): {problem} ({_summary(body)})"
    )


def _summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    start = body[:_SHOWN]
    shown = start.decode("utf-8", "replace") if body.startswith(b"{") else start.hex()
    return f"{shown} ..." if len(body) > _SHOWN else shown


def _parse(body: bytes, expected: TypeMeta, content_type: str, *, look_for_duplicates: bool) -> tuple[Json, list[str]]:
    media_type = content_type.partition(";")[0].strip().lower()
    duplicates: list[str] = []
    try:
        match media_type:
            case "application/json" | "":
                document = parse_json(body)
                if look_for_duplicates:
                    duplicates = duplicate_fields(body, document)
            case "application/yaml":
                document, duplicates = parse_yaml(body)
            case _:
                raise UnsupportedMediaType(
                    "the body of the request was in an unknown format - accepted media types include:"
                    " application/json, application/yaml, application/vnd.kubernetes.protobuf"
                )
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise _unrecognized(body, expected, f"couldn't get version/kind; json parse error: {error}") from error
    if type(document) is not dict:
        raise _unrecognized(
            body,
            expected,
            "couldn't get version/kind; json parse error:"
            f" {Where().cannot_hold(document, 'struct { APIVersion string; Kind string }')}",
        )
    return document, duplicates


def duplicate_fields(body: bytes, document: Any) -> list[str]:
    """Name the fields that stand more than once in a JSON text.

    The parser keeps one of them silently, so the text has more keys than the document; only then is it read again.
    """
    written = sum(1 for match in _KEY_OR_STRING.finditer(body) if match.start(1) >= 0)
    if written == count_keys(document):
        return []
    strict = Strict()
    _walk_pairs(json.loads(body, object_pairs_hook=_Pairs), "", strict)
    return strict.messages


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its members, in their order."""


def _walk_pairs(value: Any, path: str, strict: Strict) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, element in value:
            below = f"{path}.{key}" if path else key
            if key in seen:
                strict.duplicate(below)
            seen.add(key)
            _walk_pairs(element, below, strict)
    elif isinstance(value, list):
        for position, element in enumerate(value):
            _walk_pairs(element, f"{path}[{position}]", strict)
