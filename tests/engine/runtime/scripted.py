"""A transport that answers as the test says and remembers what it was asked."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from apimachinery.client.client import Client
from apimachinery.client.transport import Response, StreamResponse
from apimachinery.objects.errors import StatusError

Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    body: Json


class Scripted:
    """`answer(asked)` is the body of the answer; a StatusError it raises becomes the API's."""

    def __init__(self, answer: Callable[[Asked], Json]) -> None:
        self._answer = answer
        self.asked: list[Asked] = []

    @property
    def client(self) -> Client:
        return Client(self)

    async def request(self, method: str, path: str, **facts: Any) -> Response:
        asked = Asked(method, path, msgspec.json.decode(facts.get("body") or b"{}"))
        self.asked.append(asked)
        try:
            return Response(200, msgspec.json.encode(self._answer(asked)), {})
        except StatusError as error:
            return Response(error.code, msgspec.json.encode(error.to_status()), {})

    @asynccontextmanager
    async def stream(self, method: str, path: str, **facts: Any) -> AsyncGenerator[StreamResponse]:
        yield StreamResponse(200, {}, _nothing())

    async def websocket(self, path: str, **facts: Any) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing is open."""


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in ():
        yield chunk


def named(name: str, revision: int = 1, **meta: Any) -> Mapping[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": str(revision), **meta}}
