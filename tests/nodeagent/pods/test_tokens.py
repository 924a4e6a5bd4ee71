"""Tokens for pods: asked for once, renewed in time, kept when the engine is away."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apimachinery.aio.clock import FakeClock
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.transport import Response, StreamResponse, WebSocket
from apimachinery.objects.meta import ObjectMeta, format_time
from nodeagent.pods.tokens import Tokens
from nodeagent.pods.view import Pod, PodSpec
from nodeagent.volumes.objects import TOKEN, MissingReference, token_key
from nodeagent.volumes.view import ServiceAccountTokenSource

POD = Pod(metadata=ObjectMeta(name="web", namespace="shop", uid="u1"), spec=PodSpec(service_account_name="clerk"))
SOURCE = ServiceAccountTokenSource(audience="bank", expiration_seconds=7200, path="token")


class Engine:
    """Answers token requests with numbered tokens, or not at all."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.away = False
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def request(self, method: str, path: str, *, body: bytes | None = None, **_: Any) -> Response:
        if self.away:
            raise ConnectionFailed("the engine is away")
        spec = json.loads(body or b"")["spec"]
        self.asked.append((path, spec))
        expires = format_time(self._clock.now() + timedelta(seconds=spec["expirationSeconds"]))
        status = {"token": f"token-{len(self.asked)}", "expirationTimestamp": expires}
        return Response(201, json.dumps({"status": status}).encode(), {})

    def stream(self, *_: Any, **__: Any) -> AbstractAsyncContextManager[StreamResponse]:
        raise NotImplementedError

    async def websocket(self, *_: Any, **__: Any) -> WebSocket:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def engine(clock: FakeClock) -> Engine:
    return Engine(clock)


def modes(folder: Path) -> list[int]:
    return [file.stat().st_mode & 0o777 for file in folder.iterdir()]


async def token(tokens: Tokens) -> str:
    return (await tokens.contents(POD, [SOURCE]))[TOKEN, token_key(SOURCE)][TOKEN].decode()


async def test_token_is_bound_to_the_pod_and_asked_for_once(engine: Engine, clock: FakeClock, tmp_path: Path) -> None:
    tokens = Tokens(Client(engine), tmp_path, clock)
    assert [await token(tokens), await token(tokens)] == ["token-1", "token-1"]
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "u1"}
    spec = {"expirationSeconds": 7200, "boundObjectRef": bound, "audiences": ["bank"]}
    assert engine.asked == [("/api/v1/namespaces/shop/serviceaccounts/clerk/token", spec)]


async def test_token_is_renewed_at_four_fifths_of_its_life(engine: Engine, clock: FakeClock, tmp_path: Path) -> None:
    tokens = Tokens(Client(engine), tmp_path, clock)
    await token(tokens)
    await clock.advance(5700)
    assert await token(tokens) == "token-1"
    await clock.advance(100)
    assert await token(tokens) == "token-2"


async def test_last_token_serves_while_the_engine_is_away(engine: Engine, clock: FakeClock, tmp_path: Path) -> None:
    await token(Tokens(Client(engine), tmp_path, clock))
    engine.away = True
    await clock.advance(7000)
    restarted = Tokens(Client(engine), tmp_path, clock)
    assert await token(restarted) == "token-1"
    engine.away = False
    assert await token(restarted) == "token-2"


async def test_without_any_token_the_volume_has_to_wait(engine: Engine, clock: FakeClock, tmp_path: Path) -> None:
    engine.away = True
    with pytest.raises(MissingReference, match="failed to fetch token: the engine is away"):
        await token(Tokens(Client(engine), tmp_path, clock))


async def test_tokens_of_pods_that_went_are_forgotten(engine: Engine, clock: FakeClock, tmp_path: Path) -> None:
    tokens = Tokens(Client(engine), tmp_path, clock)
    await token(tokens)
    assert modes(tmp_path) == [0o600]
    tokens.keep_only(["u2"])
    assert modes(tmp_path) == []
    assert await token(tokens) == "token-2"
