"""Who did what, one JSON line (audit.k8s.io/v1 Event, level Metadata) for each request: never bodies, never secrets.

The file is private and is put aside when it has grown; the last few are kept.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import msgspec

from apimachinery.aio.clock import Clock
from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import format_micro_time
from engine.apiserver.authn.reviews import user_info
from engine.apiserver.request import Answer, Handler, Request, Response
from engine.apiserver.route import Route, parse

_LIMIT = 100 << 20
_KEPT = 3


class AuditLog:
    """Appends lines to one file."""

    def __init__(self, path: Path, *, limit: int = _LIMIT) -> None:
        self._path = path
        self._limit = limit
        self._descriptor = self._open()
        self._size = os.fstat(self._descriptor).st_size

    def write(self, event: dict[str, Any]) -> None:
        line = msgspec.json.encode(event) + b"\n"
        if self._size + len(line) > self._limit:
            self._put_aside()
        self._size += os.write(self._descriptor, line)

    def close(self) -> None:
        os.close(self._descriptor)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _put_aside(self) -> None:
        os.close(self._descriptor)
        for number in range(_KEPT, 0, -1):
            newer = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            if newer.exists():
                newer.replace(self._path.with_name(f"{self._path.name}.{number}"))
        self._descriptor, self._size = self._open(), 0


class Audited:
    """Hands requests on, and writes down what came of them."""

    def __init__(self, handler: Handler, log: AuditLog, clock: Clock) -> None:
        self._handler = handler
        self._log = log
        self._clock = clock

    async def handle(self, request: Request) -> Answer:
        received = format_micro_time(self._clock.now())
        answer = await self._handler.handle(request)
        self._log.write(_event(request, answer, received, format_micro_time(self._clock.now())))
        return answer


def _event(request: Request, answer: Answer, received: str, done: str) -> dict[str, Any]:
    try:
        route = parse(request.method, request.path, request.query)
    except StatusError:
        route = None
    event: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": str(uuid.uuid4()),
        "stage": "ResponseComplete" if isinstance(answer, Response) else "ResponseStarted",
        "requestURI": request.path,
        "verb": route.verb if route is not None else request.method.lower(),
        "user": user_info(request.impersonator or request.user),
        "userAgent": request.header("user-agent"),
        "responseStatus": {"metadata": {}, "code": answer.status if isinstance(answer, Response) else 200},
        "requestReceivedTimestamp": received,
        "stageTimestamp": done,
    }
    if request.impersonator is not None:
        event["impersonatedUser"] = user_info(request.user)
    if request.audit:
        event["annotations"] = request.audit
    if route is not None:
        event["objectRef"] = _object(route)
    return event


def _object(route: Route) -> dict[str, str]:
    named = {
        "resource": route.plural,
        "namespace": route.namespace,
        "name": route.name,
        "apiGroup": route.group,
        "apiVersion": route.version,
        "subresource": route.subresource,
    }
    return {key: value for key, value in named.items() if value}
