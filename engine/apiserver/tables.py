"""Server-side tables: what kubectl prints. Rows come from the notes beside each record, ages are filled in here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from engine.apiserver.negotiate import Form
from engine.apiserver.notes import PLAIN_COLUMNS, Notes
from engine.apiserver.registry.kind import Column, Kind, Since

_NAME_DESCRIPTION = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. "
    "More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_AGE_DESCRIPTION = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC."
)
_HEAD = b'{"kind":"Table","apiVersion":"meta.k8s.io/%b","metadata":%b,"columnDefinitions":%b,"rows":['
_BEFORE_METADATA = b'],"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":'
_DESCRIPTIONS = {"Name": _NAME_DESCRIPTION, "Age": _AGE_DESCRIPTION}


def table(
    kind: Kind, rows: Iterable[Notes], now: float, form: Form, list_metadata: bytes, *, headed: bool = True
) -> Sequence[bytes]:
    """A meta.k8s.io Table in pieces; `list_metadata` is the JSON of its metadata, `now` in seconds of the epoch.

    `headed`: whether it says what its columns are.
    """
    version = form.version.encode()
    pieces = [_HEAD % (version, list_metadata, _definitions(kind.columns or PLAIN_COLUMNS) if headed else b"null")]
    add = pieces.append
    before, before_metadata = b'{"cells":[', _BEFORE_METADATA % version
    for notes in rows:
        add(before)
        for part in notes.row(kind):
            add(part if isinstance(part, bytes) else _aged(part, now))
        if form.include == "Metadata":
            add(before_metadata)
            add(notes.metadata())
            add(b"}}")
        elif form.include == "Object":
            add(b'],"object":')
            add(notes.value)
            add(b"}")
        else:
            add(b"]}")
        before = b',{"cells":['
    add(b"]}")
    return pieces


def empty_row_table(metadata: bytes, version: str) -> bytes:
    """The table that carries a watch's bookmark."""
    row = b'{"cells":[],"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":%b}}'
    return b'{"kind":"Table","apiVersion":"meta.k8s.io/%b","metadata":%b,"columnDefinitions":[],"rows":[%b]}' % (
        version.encode(),
        metadata,
        row % (version.encode(), metadata),
    )


def partial(notes: Notes, version: str) -> bytes:
    """The object as PartialObjectMetadata of a version of meta.k8s.io."""
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":%b}' % (
        version.encode(),
        notes.metadata(),
    )


def human_duration(seconds: float) -> str:
    """How long ago, in two or three figures. Follows k8s.io/apimachinery/pkg/util/duration.HumanDuration."""
    s = int(seconds)
    if s < -1:
        return "<invalid>"
    s = max(s, 0)
    if s < 60 * 2:
        return f"{s}s"
    minutes = s // 60
    if minutes < 10:
        return _two(minutes, "m", s % 60, "s")
    hours = s // 3600
    if minutes < 60 * 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 24 * 8:
        return _two(days, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    if hours < 24 * 365 * 8:
        return _two(hours // 24 // 365, "y", days % 365, "d")
    return f"{hours // 24 // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def _aged(cell: Since, now: float) -> bytes:
    return _cell(cell.before, None if cell.at is None else int(now - cell.at), cell.after)


@lru_cache(4096)
def _cell(before: str, seconds: int | None, after: str) -> bytes:
    passed = "<unknown>" if seconds is None else human_duration(seconds)
    return msgspec.json.encode(f"{before}{passed}{after}")


@lru_cache(512)
def _definitions(columns: tuple[Column, ...]) -> bytes:
    return msgspec.json.encode(
        [
            {
                "name": column.name,
                "type": column.type,
                "format": column.format,
                "description": column.description or _DESCRIPTIONS.get(column.name, ""),
                "priority": column.priority,
            }
            for column in columns
        ]
    )
