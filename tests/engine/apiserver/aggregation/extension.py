"""A small extension API server, as somebody else would write one: flunders of wardle.example.com, kept in memory.

Believes who asks only from a client with a certificate of the front proxy's authority.
"""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

from aiohttp import web

Json = dict[str, Any]
GROUP, VERSION = "wardle.example.com", "v1alpha1"
BASE = f"/apis/{GROUP}/{VERSION}"
RESOURCES = [
    {
        "name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "shortNames": ["fl"],
        "verbs": ["create", "delete", "get", "list", "watch"],
    },
    {"name": "flunders/status", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["get"]},
]  # fmt: skip
_KIND = [{"group": GROUP, "version": VERSION, "kind": "Flunder"}]
_TYPE = {
    "type": "object",
    "description": "Flunder is what wardles have.",
    "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "spec": {"type": "object"}},
    "x-kubernetes-group-version-kind": _KIND,
}
_GET = {
    "responses": {"200": {"description": "OK"}},
    "x-kubernetes-action": "get",
    "x-kubernetes-group-version-kind": _KIND[0],
}


class Extension:
    """`users`: who asked, as the engine said. `healthy` False answers everything with 500."""

    def __init__(self) -> None:
        self.users: list[tuple[str, str, tuple[str, ...]]] = []
        self.headers: list[dict[str, str]] = []
        self.objects: dict[tuple[str, str], Json] = {}
        self.healthy = True

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._who])
        named = BASE + "/namespaces/{namespace}/flunders"
        app.router.add_get(BASE, self._resources)
        app.router.add_get("/openapi/v2", self._v2)
        app.router.add_get("/openapi/v3", self._index)
        app.router.add_get(f"/openapi/v3{BASE}", self._v3)
        app.router.add_get(f"{BASE}/flunders", self._list)
        app.router.add_get(f"{BASE}/moved", self._moved)
        app.router.add_get(named, self._list)
        app.router.add_post(named, self._create)
        app.router.add_get(f"{named}/{{name}}", self._get)
        app.router.add_delete(f"{named}/{{name}}", self._delete)
        return app

    @web.middleware
    async def _who(self, request: web.Request, handler: Any) -> web.StreamResponse:
        certificate = request.transport.get_extra_info("peercert") if request.transport is not None else None
        subject = [pair for part in (certificate or {}).get("subject", ()) for pair in part]
        if ("commonName", "front-proxy-client") not in subject:
            return web.json_response({"message": "who are you?"}, status=401)
        user = request.headers.get("X-Remote-User", "")
        self.users.append((request.path, user, tuple(request.headers.getall("X-Remote-Group", []))))
        self.headers.append(dict(request.headers))
        if not self.healthy:
            return web.json_response({}, status=500)
        return await handler(request)

    async def _resources(self, _: web.Request) -> web.Response:
        return _answer("APIResourceList", groupVersion=f"{GROUP}/{VERSION}", resources=RESOURCES)

    async def _v2(self, _: web.Request) -> web.Response:
        definitions = {
            "com.example.wardle.v1alpha1.Flunder": {**_TYPE, "properties": {**_TYPE["properties"], "metadata": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}}},
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object", "description": "not the engine's"},
            "unused": {"type": "string"},
        }  # fmt: skip
        path = f"{BASE}/namespaces/{{namespace}}/flunders/{{name}}"
        schema = {"$ref": "#/definitions/com.example.wardle.v1alpha1.Flunder"}
        get = {**_GET, "responses": {"200": {"description": "OK", "schema": schema}}}
        return web.json_response(
            {"swagger": "2.0", "paths": {path: {"get": get}, "/version": {"get": {}}}, "definitions": definitions}
        )

    async def _index(self, _: web.Request) -> web.Response:
        return web.json_response({"paths": {BASE[1:]: {"serverRelativeURL": f"/openapi/v3{BASE}?hash=ABC"}}})

    async def _v3(self, _: web.Request) -> web.Response:
        paths = {f"{BASE}/namespaces/{{namespace}}/flunders/{{name}}": {"get": _GET}}
        schemas = {"com.example.wardle.v1alpha1.Flunder": _TYPE}
        return web.json_response(
            {"openapi": "3.0.0", "info": {"title": "wardle", "version": "1"}, "paths": paths, "components": {"schemas": schemas}}
        )  # fmt: skip

    async def _moved(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://elsewhere.example.com/"})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            for one in self.objects.values():
                await response.write(json.dumps({"type": "ADDED", "object": one}).encode() + b"\n")
            return response
        namespace = request.match_info.get("namespace")
        items = [one for (where, _), one in self.objects.items() if namespace in (None, where)]
        return _answer("FlunderList", api=f"{GROUP}/{VERSION}", metadata={"resourceVersion": "1"}, items=items)

    async def _create(self, request: web.Request) -> web.Response:
        obj = await request.json()
        namespace = request.match_info["namespace"]
        obj["metadata"] |= {"namespace": namespace, "uid": "u", "resourceVersion": "1"}
        self.objects[namespace, obj["metadata"]["name"]] = obj
        return web.json_response(obj, status=201)

    async def _get(self, request: web.Request) -> web.Response:
        found = self.objects.get((request.match_info["namespace"], request.match_info["name"]))
        if found is None:
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            return web.json_response({**status, "message": "no such flunder"}, status=404)
        return web.json_response(found)

    async def _delete(self, request: web.Request) -> web.Response:
        self.objects.pop((request.match_info["namespace"], request.match_info["name"]), None)
        return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"})


def server_tls(certificate: Path, key: Path, clients: Path) -> ssl.SSLContext:
    """Serves with a certificate and asks clients for one that `clients`, an authority, has signed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(certificate, key)
    return context


def _answer(kind: str, api: str = "v1", **more: Any) -> web.Response:
    return web.json_response({"kind": kind, "apiVersion": api, **more})
