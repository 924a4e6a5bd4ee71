"""Webhooks as a test serves them: over HTTPS on loopback, with a certificate of their own."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from engine.pki import Pki

Json = dict[str, Any]
RULE = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}


class Hooks:
    """A server of webhooks: each path answers by its function; what was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Json]] = []
        self.answers: dict[str, Callable[[Json], Json]] = {}
        self.url = ""
        self.bundle = ""

    async def handle(self, request: web.Request) -> web.Response:
        review = await request.json()
        asked = review["request"]
        self.asked.append((request.path, asked))
        answer = self.answers[request.path](asked)
        if answer.get("slow"):
            await asyncio.sleep(5)
        return web.json_response({**review, "request": None, "response": {"uid": asked["uid"], **answer}})

    def webhook(self, path: str, **more: Any) -> Json:
        return {
            "name": f"{path}.hooks.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"url": f"{self.url}/{path}", "caBundle": self.bundle}, "rules": [RULE], **more,
        }  # fmt: skip

    def client(self, path: str) -> Json:
        """Where a path is, for a clientConfig."""
        return {"url": f"{self.url}/{path}", "caBundle": self.bundle}


@asynccontextmanager
async def serve_hooks(folder: Path) -> AsyncIterator[Hooks]:
    served = Hooks()
    pki = Pki.ensure(folder / "hooks", names=(), domain="cluster.local")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "hooks/pki/server.crt", folder / "hooks/pki/server.key")
    app = web.Application()
    app.router.add_post("/{path}", served.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    served.url, served.bundle = f"https://127.0.0.1:{port}", base64.b64encode(pki.ca_pem).decode()
    try:
        yield served
    finally:
        await runner.cleanup()
