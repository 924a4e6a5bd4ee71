"""Requests and answers as they are on the wire: nothing filled in, unpacked or followed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import yaml

from tests.engine.conftest import RunningEngine

_AUTOMATIC = {"accept", "accept-encoding", "user-agent", "content-type"}
JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Got:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """What a Status says, whether it is written in JSON or YAML."""
        return yaml.safe_load(self.body)["message"]

    @property
    def refusal(self) -> tuple[int, str, str]:
        """(code, reason, message) of a Status."""
        status = self.json
        assert status["code"] == self.status
        return self.status, status["reason"], status["message"]


class Caller:
    """Asks one engine as its administrator."""

    def __init__(self, engine: RunningEngine, session: aiohttp.ClientSession) -> None:
        self._engine = engine
        self._session = session

    async def __call__(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Got:
        """`body` is sent as it is when it is bytes, as JSON otherwise; `headers` have `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not body:
            named.setdefault("content-type", JSON)
        async with self._session.request(
            method, f"{self._engine.url}{path}", data=data, headers=named, allow_redirects=False
        ) as answer:
            return Got(answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read())


@asynccontextmanager
async def calling(engine: RunningEngine) -> AsyncIterator[Caller]:
    connector = aiohttp.TCPConnector(ssl=engine.ssl())
    async with aiohttp.ClientSession(
        connector=connector, auto_decompress=False, skip_auto_headers=_AUTOMATIC
    ) as session:
        yield Caller(engine, session)
