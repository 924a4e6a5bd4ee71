"""How objects are laid out as bytes, so that most of the work on them needs no decoding.

A stored object starts `{"kind":…,"apiVersion":…,"metadata":{` and has no resourceVersion; in memory the store's
revision is spliced in as the first member of metadata. Bytes in memory are thus what goes on the wire.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.store.protocol import Record

_METADATA = b'"metadata":{'
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def encode(obj: dict[str, Any]) -> bytes:
    """The stored form of an object; its metadata must hold at least one member."""
    metadata = obj["metadata"]
    if "resourceVersion" in metadata:
        metadata = {key: value for key, value in metadata.items() if key != "resourceVersion"}
    ordered: dict[str, Any] = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": None}
    ordered.update(obj)
    ordered["metadata"] = metadata
    return msgspec.json.encode(ordered)


def with_revision(stored: bytes, revision: int) -> bytes:
    """The form in memory and on the wire."""
    at = stored.index(_METADATA) + len(_METADATA)
    return b'%b"resourceVersion":"%d",%b' % (stored[:at], revision, stored[at:])


def at_revision(record: Record, revision: int) -> bytes:
    """A record's bytes as if written at another revision: the last state of a deleted object carries its deletion's."""
    at = record.value.index(_METADATA) + len(_METADATA)
    end = record.value.index(b",", at)
    return b'%b"resourceVersion":"%d"%b' % (record.value[:at], revision, record.value[end:])


def decode(record: Record) -> dict[str, Any]:
    """The whole object, for changing it."""
    return _decode(record.value)
