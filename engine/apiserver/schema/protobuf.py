"""Request bodies in Kubernetes' protobuf, read as the JSON that they stand for. Pure.

Typed clients (`kubectl create deployment`, for one) send nothing else. Which number stands for which field is in
protobuf.json, made by scripts/protobuf-fields. The envelope is documented in apimachinery/pkg/runtime/generated.proto.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from apimachinery.objects.errors import BadRequest
from apimachinery.objects.meta import format_micro_time, format_time
from engine.apiserver.schema.jsonbody import MAX_DEPTH, parse_json

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\x00"
_META = "k8s.io.apimachinery.pkg.apis.meta.v1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Kinds that every group shares, whatever apiVersion they carry.
_SHARED = frozenset({"DeleteOptions", "Status", "CreateOptions", "UpdateOptions", "PatchOptions"})
# Numbers and booleans that upstream holds by pointer: a zero there was said by someone.
_ZERO_IS_MEANT = frozenset(
    {
        "activeDeadlineSeconds", "allocateLoadBalancerNodePorts", "allowPrivilegeEscalation", "averageUtilization",
        "automountServiceAccountToken", "backoffLimit", "blockOwnerDeletion", "completions", "controller",
        "defaultMode", "deletionGracePeriodSeconds", "enableServiceLinks", "expirationSeconds",
        "failedJobsHistoryLimit", "fsGroup", "globalDefault", "gracePeriodSeconds", "immutable",
        "leaseDurationSeconds", "leaseTransitions", "maxSurge", "maxUnavailable", "minAvailable", "minReplicas", "mode",
        "optional", "orphanDependents", "parallelism", "partition", "priority", "privileged",
        "progressDeadlineSeconds", "readOnlyRootFilesystem", "ready", "replicas", "revisionHistoryLimit", "runAsGroup",
        "runAsNonRoot", "runAsUser", "serving", "setHostnameAsFQDN", "shareProcessNamespace", "started",
        "successfulJobsHistoryLimit", "suspend", "terminating", "terminationGracePeriodSeconds", "timeoutSeconds",
        "tolerationSeconds", "ttlSecondsAfterFinished", "value",
    }
)  # fmt: skip
_OUR_OWN_NAMES = {"": "core", "rbac.authorization.k8s.io": "rbac"}

Fields = dict[str, list[str]]


class _Malformed(ValueError):
    pass


def to_json(body: bytes) -> bytes:
    """The object of a protobuf body as JSON. Raises BadRequest."""
    try:
        if not body.startswith(_MAGIC):
            raise _Malformed("the body does not start as Kubernetes protobuf does")
        api_version, kind, raw = _envelope(body[len(_MAGIC) :])
        obj = _message(_message_name(api_version, kind), raw, MAX_DEPTH)
    except (_Malformed, IndexError, struct.error, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise BadRequest(f"the object provided is unrecognized (protobuf): {error}") from error
    return msgspec.json.encode({"apiVersion": api_version, "kind": kind, **obj})


def _envelope(data: bytes) -> tuple[str, str, bytes]:
    api_version = kind = ""
    raw = b""
    for number, value in read_pairs(data):
        if number == 1 and isinstance(value, bytes):
            names = {part: text.decode() for part, text in read_pairs(value) if isinstance(text, bytes)}
            api_version, kind = names.get(1, ""), names.get(2, "")
        elif number == 2 and isinstance(value, bytes):
            raw = value
    return api_version, kind, raw


def _message_name(api_version: str, kind: str) -> str:
    if kind in _SHARED:
        return f"{_META}.{kind}"
    group, _, version = api_version.rpartition("/")
    package = _OUR_OWN_NAMES.get(group) or group.partition(".")[0]
    return f"k8s.io.api.{package}.{version}.{kind}"


@cache
def _table() -> dict[str, msgspec.Raw]:
    text = (Path(__file__).parent / "protobuf.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, msgspec.Raw])


@cache
def _fields(name: str) -> Fields:
    raw = _table().get(name)
    if raw is None:
        raise _Malformed(f"no message {name} is known; send JSON")
    return msgspec.json.decode(raw, type=Fields)


def _message(name: str, data: bytes, levels: int) -> Any:
    """`levels`: how much deeper it may nest."""
    if not levels:
        raise _Malformed("exceeded max depth")
    special = _SPECIAL.get(name)
    if special is not None:
        return special(data)
    fields = _fields(name)
    obj: dict[str, Any] = {}
    for number, value in read_pairs(data):
        field = fields.get(str(number))
        if field is not None:
            _put(obj, field, value, levels - 1)
        elif value not in {0, b""}:
            # An empty field says nothing, and upstream writes those that it has come to have as well.
            raise _Malformed(f"field {number} of {name} is not known; send JSON")
    return obj


def _put(obj: dict[str, Any], field: list[str], value: int | bytes, levels: int) -> None:
    name, kind = field[0], field[1]
    match field[2] if len(field) > 2 else "":
        case "list":
            obj.setdefault(name, []).append(_value(kind, value, levels))
        case "map":
            entry = dict(read_pairs(value)) if isinstance(value, bytes) else {}
            key = entry.get(1, b"")
            obj.setdefault(name, {})[_text(key)] = _value(kind, entry.get(2, b""), levels)
        case "inline":
            obj.update(_value(kind, value, levels))
        case _:
            plain = _value(kind, value, levels)
            # Upstream writes fields that are no pointers even when they are empty; in JSON they are left out.
            if plain or plain == {} or (name in _ZERO_IS_MEANT and plain not in {None, ""}):
                obj[name] = plain


def _value(kind: str, value: int | bytes, levels: int = 1) -> Any:
    match kind:
        case "string":
            return _text(value)
        case "bytes":
            return base64.b64encode(_bytes(value)).decode()
        case "bool":
            return bool(value)
        case "int":
            number = value if isinstance(value, int) else 0
            return number - (1 << 64) if number >> 63 else number
        case "double":
            return struct.unpack("<d", _bytes(value))[0]
        case _:
            return _message(kind, _bytes(value), levels)


def _text(value: int | bytes) -> str:
    return _bytes(value).decode()


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _Malformed("a number stands where bytes belong")
    return value


def read_pairs(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value): an integer for varints, bytes for everything else."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
                yield tag >> 3, value
                continue
            case 2:
                size, at = _varint(data, at)
            case 1:
                size = 8
            case 5:
                size = 4
            case wire:
                raise _Malformed(f"wire type {wire} is not known")
        if at + size > len(data):
            raise _Malformed("the body ends in the middle of a field")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise _Malformed("a number is longer than 64 bits")


def _seconds(data: bytes) -> datetime | None:
    parts = dict(read_pairs(data))
    seconds, nanos = parts.get(1, 0), parts.get(2, 0)
    if not data or isinstance(seconds, bytes) or isinstance(nanos, bytes):
        return None
    return _EPOCH + timedelta(seconds=_value("int", seconds), microseconds=nanos // 1000)


def _time(data: bytes) -> str | None:
    moment = _seconds(data)
    return None if moment is None else format_time(moment)


def _micro_time(data: bytes) -> str | None:
    moment = _seconds(data)
    return None if moment is None else format_micro_time(moment)


def _quantity(data: bytes) -> str:
    return _text(dict(read_pairs(data)).get(1, b""))


def _int_or_string(data: bytes) -> int | str:
    parts = dict(read_pairs(data))
    return _text(parts.get(3, b"")) if parts.get(1) == 1 else _value("int", parts.get(2, 0))


def _embedded(data: bytes) -> Any:
    return parse_json(_bytes(dict(read_pairs(data)).get(1, b"null")))


def _items(data: bytes) -> list[str]:
    return [_text(value) for _, value in read_pairs(data)]


_SPECIAL: dict[str, Callable[[bytes], Any]] = {
    f"{_META}.Time": _time,
    f"{_META}.MicroTime": _micro_time,
    f"{_META}.FieldsV1": _embedded,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": _quantity,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "k8s.io.apimachinery.pkg.runtime.RawExtension": _embedded,
    "k8s.io.api.authentication.v1.ExtraValue": _items,
    "k8s.io.api.authorization.v1.ExtraValue": _items,
    "k8s.io.api.certificates.v1.ExtraValue": _items,
}
