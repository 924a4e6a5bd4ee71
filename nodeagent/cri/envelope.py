"""containerd's own event stream, decoded by hand.

CRI's GetContainerEvents is not in containerd 1.6. The native service's stubs would be the only use of a large
generated package; what we read of it is two levels of length-delimited fields:
Envelope{timestamp=1, namespace=2, topic=3, event=4 Any{type_url=1, value=2 TaskExit{container_id=1, id=2, ...}}}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nodeagent.cri.runtime import TaskEvent

METHOD = "/containerd.services.events.v1.Events/Subscribe"
TOPICS = ('namespace=="k8s.io",topic=="/tasks/exit"', 'namespace=="k8s.io",topic=="/tasks/oom"')
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def subscription(filters: Sequence[str]) -> bytes:
    """SubscribeRequest{filters=1}; an event is sent when any of the filters matches."""
    encoded = (text.encode() for text in filters)
    return b"".join(b"\x0a" + _varint(len(text)) + text for text in encoded)


def task_event(message: bytes) -> TaskEvent | None:
    """The event in an envelope; None for the end of an exec'd process, which has an id of its own."""
    outer = dict(_fields(message))
    topic = _text(outer, 3)
    payload = dict(_fields(dict(_fields(outer.get(4, b""))).get(2, b"")))
    container_id = _text(payload, 1)
    process_id = _text(payload, 2)
    if not container_id or (topic == "/tasks/exit" and process_id != container_id):
        return None
    return TaskEvent(container_id=container_id, topic=topic)


def _text(fields: Mapping[int, bytes], number: int) -> str:
    return fields.get(number, b"").decode(errors="replace")


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, payload) of each length-delimited field; others are stepped over."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        kind = tag & 7
        if kind == _BYTES:
            size, at = _read_varint(message, at)
            yield tag >> 3, message[at : at + size]
            at += size
        elif kind == _VARINT:
            _, at = _read_varint(message, at)
        elif kind == _FIXED64:
            at += 8
        elif kind == _FIXED32:
            at += 4
        else:
            return


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(message):
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return number, at
