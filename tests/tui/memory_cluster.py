"""A small API server in memory behind the Transport protocol: tables, lists, watches, patches, logs, from fixed data.

It serves what the terminal app asks for, the way the API does, so that screens can be tested with no engine.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.transport import NO_HEADERS, NO_QUERY, Query, Response, StreamResponse, WebSocket
from apimachinery.objects.errors import AlreadyExists, Conflict, NotFound, StatusError
from apimachinery.objects.selectors import parse_field_selector, parse_label_selector

JSON = dict[str, Any]


def _column(name: str, type_: str = "string", priority: int = 0) -> JSON:
    return {"name": name, "type": type_, "format": "", "description": name, "priority": priority}


@dataclass
class Kind:
    group: str
    plural: str
    kind: str
    namespaced: bool
    columns: list[JSON]
    cells: Callable[[JSON], list[Any]]
    short: tuple[str, ...] = ()
    fields: Callable[[JSON], dict[str, str]] = lambda obj: {}
    subresources: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        return f"/apis/{self.group}/v1" if self.group else "/api/v1"


def _pod_cells(pod: JSON) -> list[Any]:
    status = pod["status"]
    statuses = status.get("containerStatuses", [])
    ready = sum(1 for one in statuses if one["ready"])
    restarts = sum(one.get("restartCount", 0) for one in statuses)
    waiting = next((s["state"]["waiting"]["reason"] for s in statuses if "waiting" in s.get("state", {})), None)
    word = waiting or status["phase"]
    name, node = pod["metadata"]["name"], pod["spec"].get("nodeName", "<none>")
    return [name, f"{ready}/{len(pod['spec']['containers'])}", word, restarts, "", status.get("podIP", "<none>"), node]


def _deployment_cells(obj: JSON) -> list[Any]:
    status, wanted = obj["status"], obj["spec"]["replicas"]
    ready = f"{status.get('readyReplicas', 0)}/{wanted}"
    images = ",".join(c["image"] for c in obj["spec"]["template"]["spec"]["containers"])
    return [
        obj["metadata"]["name"],
        ready,
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        "",
        images,
    ]


KINDS = (
    Kind(
        "", "pods", "Pod", True,
        [_column("Name"), _column("Ready"), _column("Status"), _column("Restarts", "integer"), _column("Age"),
         _column("IP", priority=1), _column("Node", priority=1)],
        _pod_cells, ("po",),
        fields=lambda pod: {"spec.nodeName": pod["spec"].get("nodeName", ""), "status.phase": pod["status"]["phase"]},
        subresources=("log", "exec"),
    ),
    Kind(
        "apps", "deployments", "Deployment", True,
        [_column("Name"), _column("Ready"), _column("Up-to-date", "integer"), _column("Available", "integer"),
         _column("Age"), _column("Images", priority=1)],
        _deployment_cells, ("deploy",), subresources=("scale",),
    ),
    Kind(
        "apps", "replicasets", "ReplicaSet", True,
        [_column("Name"), _column("Desired", "integer"), _column("Current", "integer"), _column("Ready", "integer"),
         _column("Age")],
        lambda o: [o["metadata"]["name"], o["spec"]["replicas"], o["status"].get("replicas", 0),
                   o["status"].get("readyReplicas", 0), ""],
        ("rs",),
    ),
    Kind(
        "", "namespaces", "Namespace", False, [_column("Name"), _column("Status"), _column("Age")],
        lambda o: [o["metadata"]["name"], "Active", ""], ("ns",),
    ),
    Kind(
        "", "nodes", "Node", False,
        [_column("Name"), _column("Status"), _column("Roles"), _column("Age"), _column("Version")],
        lambda o: [o["metadata"]["name"], o["status"].get("word", "Ready"), "<none>", "", "v1.36.0"], ("no",),
    ),
    Kind(
        "", "services", "Service", True,
        [_column("Name"), _column("Type"), _column("Cluster-IP"), _column("External-IP"), _column("Port(s)"),
         _column("Age")],
        lambda o: [o["metadata"]["name"], o["spec"].get("type", "ClusterIP"), o["spec"]["clusterIP"], "<none>",
                   ",".join(f"{p['port']}/TCP" for p in o["spec"]["ports"]), ""],
        ("svc",),
    ),
    Kind(
        "", "events", "Event", True,
        [_column("Last Seen"), _column("Type"), _column("Reason"), _column("Object"), _column("Message")],
        lambda o: ["2m", o["type"], o["reason"],
                   f"{o['involvedObject']['kind'].lower()}/{o['involvedObject']['name']}", o["message"]],
        ("ev",),
        fields=lambda o: {"type": o["type"]} | {f"involvedObject.{k}": v for k, v in o["involvedObject"].items()},
    ),
    Kind("", "serviceaccounts", "ServiceAccount", True, [_column("Name"), _column("Age")],
         lambda o: [o["metadata"]["name"], ""], ("sa",)),
    Kind("batch", "cronjobs", "CronJob", True,
         [_column("Name"), _column("Schedule"), _column("Suspend"), _column("Active", "integer"), _column("Age")],
         lambda o: [o["metadata"]["name"], o["spec"]["schedule"], str(o["spec"].get("suspend", False)), 0, ""], ("cj",)),
    Kind("batch", "jobs", "Job", True, [_column("Name"), _column("Completions"), _column("Age")],
         lambda o: [o["metadata"]["name"], "0/1", ""]),
    Kind("apps", "statefulsets", "StatefulSet", True, [_column("Name"), _column("Ready"), _column("Age")],
         lambda o: [o["metadata"]["name"], f"{o['status'].get('readyReplicas', 0)}/{o['spec']['replicas']}", ""], ("sts",),
         subresources=("scale",)),
    Kind("", "configmaps", "ConfigMap", True, [_column("Name"), _column("Data", "integer"), _column("Age")],
         lambda o: [o["metadata"]["name"], len(o.get("data") or {}), ""], ("cm",)),
    Kind("", "secrets", "Secret", True, [_column("Name"), _column("Type"), _column("Data", "integer"), _column("Age")],
         lambda o: [o["metadata"]["name"], o.get("type", "Opaque"), len(o.get("data") or {}), ""],
         fields=lambda o: {"type": o.get("type", "Opaque")}),
    *(
        Kind("rbac.authorization.k8s.io", plural, kind, namespaced, [_column("Name"), _column("Age")],
             lambda o: [o["metadata"]["name"], ""])
        for plural, kind, namespaced in (
            ("clusterroles", "ClusterRole", False), ("clusterrolebindings", "ClusterRoleBinding", False),
            ("roles", "Role", True), ("rolebindings", "RoleBinding", True),
        )
    ),
    Kind("example.com", "boats", "Boat", True, [_column("Name"), _column("Harbour"), _column("Age", "date")],
         lambda o: [o["metadata"]["name"], o["spec"]["harbour"], "5d"], ("bo",)),
)  # fmt: skip


@dataclass
class MemoryCluster:
    """`objects` by path of the collection and key. `down` makes every request fail as a dead network does."""

    objects: dict[tuple[str, str], JSON] = field(default_factory=dict)
    logs: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    revision: int = 1000
    down: bool = False
    refuse: dict[str, StatusError] = field(default_factory=dict)
    refuse_paths: dict[str, StatusError] = field(default_factory=dict)
    expired_once: StatusError | None = None
    """The next watch is answered with this ERROR event."""
    usage: dict[str, JSON] = field(default_factory=dict)
    """What metrics.k8s.io tells, by `namespace/pod` or node; nothing: it is not served."""
    answers: dict[str, Callable[[JSON], JSON]] = field(default_factory=dict)
    """What a POST to a path is answered: reviews, which are kept nowhere."""
    held: asyncio.Event | None = None
    """While it is not set, nothing is answered."""
    doors: dict[str, Callable[[str, list[tuple[str, str]]], WebSocket]] = field(default_factory=dict)
    """By `namespace/pod`: what answers exec, attach and port-forward there."""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    _watchers: list[tuple[Kind, str, dict[str, str], bool, asyncio.Queue[bytes | None]]] = field(default_factory=list)
    _log_followers: list[tuple[tuple[str, str, str], asyncio.Queue[bytes | None]]] = field(default_factory=list)

    # what tests do to it

    def put(self, plural: str, obj: JSON) -> None:
        kind = next(kind for kind in KINDS if kind.plural == plural)
        self.revision += 1
        obj = copy.deepcopy(obj)
        meta = obj["metadata"]
        meta["resourceVersion"] = str(self.revision)
        meta.setdefault("uid", f"uid-{plural}-{meta.get('namespace', '')}-{meta['name']}")
        meta.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        key = (plural, _key(obj))
        event = "MODIFIED" if key in self.objects else "ADDED"
        self.objects[key] = {"apiVersion": f"{kind.group}/v1".lstrip("/"), "kind": kind.kind, **obj}
        self._tell(kind, event, self.objects[key])

    def drop(self, plural: str, key: str) -> None:
        kind = next(kind for kind in KINDS if kind.plural == plural)
        self.revision += 1
        self._tell(kind, "DELETED", self.objects.pop((plural, key)))

    def get(self, plural: str, key: str) -> JSON:
        return self.objects[plural, key]

    def say(self, namespace: str, pod: str, container: str, line: str) -> None:
        """One more log line; `line` begins with its time stamp."""
        key = (namespace, pod, container)
        self.logs.setdefault(key, []).append(line)
        for followed, queue in self._log_followers:
            if followed == key:
                queue.put_nowait(f"{line}\n".encode())

    def cut(self) -> None:
        """The network dies: streams break, requests fail until `heal`."""
        self.down = True
        self.break_streams()

    def break_streams(self) -> None:
        for *_, queue in (*self._watchers, *self._log_followers):
            queue.put_nowait(None)

    def heal(self) -> None:
        self.down = False

    # Transport

    async def request(self, method: str, path: str, *, query: Query = NO_QUERY, headers: Mapping[str, str] = NO_HEADERS,
                      body: bytes | None = None, timeout: float | None = None) -> Response:  # fmt: skip
        await asyncio.sleep(0)
        asked = dict(query)
        self.requests.append((method, path, asked))
        if self.held is not None:
            await self.held.wait()
        if self.down:
            raise ConnectionFailed("https://127.0.0.1:6443: connection refused")
        try:
            answer = self._answer(method, path, asked, headers, body)
        except StatusError as error:
            return Response(error.code, msgspec.json.encode(error.to_status()))
        return Response(200, answer if isinstance(answer, bytes) else msgspec.json.encode(answer))

    @asynccontextmanager
    async def stream(self, method: str, path: str, *, query: Query = NO_QUERY, headers: Mapping[str, str] = NO_HEADERS,
                     body: bytes | None = None) -> AsyncIterator[StreamResponse]:  # fmt: skip
        await asyncio.sleep(0)
        asked = dict(query)
        self.requests.append((method, path, asked))
        if self.held is not None:
            await self.held.wait()
        if self.down:
            raise ConnectionFailed("https://127.0.0.1:6443: connection refused")
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        entry: Any
        if path.endswith("/log"):
            parts = path.split("/")
            key = (parts[4], parts[6], asked.get("container", ""))
            entry = (key, queue)
            known = self.logs.get(key, [])
            since = asked.get("sinceTime", "")
            tail = int(asked["tailLines"]) if "tailLines" in asked else len(known)
            chosen = [line for line in known if line[:19] >= since[:19]] if since else known[len(known) - tail :]
            for line in chosen:
                queue.put_nowait(f"{line}\n".encode())
            if asked.get("follow") != "true":
                queue.put_nowait(None)
            self._log_followers.append(entry)
        else:
            kind, namespace, _, _ = self._route(path)
            entry = (kind, namespace, asked, "as=Table" in headers.get("Accept", ""), queue)
            since_revision = int(asked.get("resourceVersion") or 0)
            for (plural, _), obj in self.objects.items():
                if plural == kind.plural and int(obj["metadata"]["resourceVersion"]) > since_revision:
                    self._tell_one(entry, "ADDED", obj)
            self._watchers.append(entry)
            if self.expired_once is not None:
                queue.put_nowait(
                    msgspec.json.encode({"type": "ERROR", "object": self.expired_once.to_status()}) + b"\n"
                )
                self.expired_once = None

        async def chunks() -> AsyncIterator[bytes]:
            while (chunk := await queue.get()) is not None:
                yield chunk

        try:
            yield StreamResponse(200, {}, chunks())
        finally:
            (self._log_followers if path.endswith("/log") else self._watchers).remove(entry)

    async def websocket(self, path: str, *, query: Query = NO_QUERY, headers: Mapping[str, str] = NO_HEADERS,
                        subprotocols: Sequence[str] = ()) -> WebSocket:  # fmt: skip
        await asyncio.sleep(0)
        self.requests.append(("CONNECT", path, dict(query)))
        if self.down:
            raise ConnectionFailed("https://127.0.0.1:6443: connection refused")
        parts = path.split("/")
        door = self.doors.get(f"{parts[4]}/{parts[6]}")
        if door is None:
            raise NotFound(f"{path}: no container runs here")
        return door(parts[7], list(query.items() if isinstance(query, Mapping) else query))

    async def close(self) -> None: ...

    # below

    def _answer(
        self, method: str, path: str, query: dict[str, str], headers: Mapping[str, str], body: bytes | None
    ) -> JSON | bytes:
        if path in self.refuse_paths:
            raise self.refuse_paths[path]
        if (answer := self._beside_objects(method, path, body)) is not None:
            return answer
        kind, namespace, name, subresource = self._route(path)
        if kind.plural in self.refuse:
            raise self.refuse[kind.plural]
        if method == "POST" and subresource == "eviction":
            return self._evict(namespace, name)
        if method == "POST":
            return self._create(kind, namespace, msgspec.json.decode(body or b"{}"), dry="dryRun" in query)
        if subresource == "log":
            return "".join(
                f"{line}\n" for line in self.logs.get((namespace, name, query.get("container", "")), [])
            ).encode()
        if not name:
            return self._list(kind, namespace, query, "as=Table" in headers.get("Accept", ""))
        key = f"{namespace}/{name}" if kind.namespaced else name
        if (kind.plural, key) not in self.objects:
            raise NotFound.of(kind.plural, name)
        obj = self.objects[kind.plural, key]
        if method in ("DELETE", "PUT", "PATCH"):
            obj = self._written(method, kind, key, query, headers, msgspec.json.decode(body or b"{}"))
        if subresource == "scale":
            return {"kind": "Scale", "metadata": obj["metadata"], "spec": {"replicas": obj["spec"]["replicas"]}}
        return obj

    def _beside_objects(self, method: str, path: str, body: bytes | None) -> JSON | None:
        """What is answered without an object that is kept; None for a path of objects."""
        if path == "/version":
            return {"gitVersion": "v1.36.0"}
        if path in ("/api", "/apis"):
            return self._discovery(core=path == "/api")
        if path.startswith("/apis/metrics.k8s.io/v1beta1/"):
            return self._metrics(path)
        if method == "POST" and path in self.answers:
            return self.answers[path](msgspec.json.decode(body or b"{}"))
        return None

    def _metrics(self, path: str) -> JSON:
        if not self.usage or "metrics" in self.refuse:
            raise self.refuse.get("metrics") or NotFound("the server could not find the requested resource")
        parts = path.removeprefix("/apis/metrics.k8s.io/v1beta1/").split("/")
        if parts[0] == "nodes" and len(parts) == 2:
            if parts[1] not in self.usage:
                raise NotFound.of("nodemetrics", parts[1])
            return self.usage[parts[1]]
        if parts[0] == "nodes":
            return {"items": [one for key, one in self.usage.items() if "/" not in key]}
        namespace = parts[1] if parts[0] == "namespaces" else ""
        if len(parts) == 4:
            if (one := self.usage.get(f"{namespace}/{parts[3]}")) is None:
                raise NotFound.of("podmetrics", parts[3])
            return one
        return {
            "items": [
                one
                for key, one in self.usage.items()
                if key.startswith(f"{namespace}/" if namespace else "") and "/" in key
            ]
        }

    def measure(self, key: str, cpu: str, memory: str, container: str = "web") -> None:
        """What a pod (`namespace/name`) or a node is using."""
        namespace, _, name = key.rpartition("/")
        used: JSON = {"usage": {"cpu": cpu, "memory": memory}}
        if namespace:
            used = {"containers": [{"name": container, **used}]}
        self.usage[key] = {"metadata": {"name": name, "namespace": namespace} if namespace else {"name": name}, **used}

    def _written(
        self, method: str, kind: Kind, key: str, query: dict[str, str], headers: Mapping[str, str], sent: Any
    ) -> JSON:
        obj = self.objects[kind.plural, key]
        if method == "DELETE":
            self.drop(kind.plural, key)
            return {"kind": "Status", "status": "Success"}
        if isinstance(sent, dict):
            self._guard(kind, obj, sent)
        obj = sent if method == "PUT" else self._patched(kind, obj, headers["Content-Type"], sent)
        if "dryRun" not in query:
            self.put(kind.plural, obj)
        return obj

    def _guard(self, kind: Kind, obj: JSON, wanted: JSON) -> None:
        if problem := self.refuse.get(f"write {kind.plural}"):
            raise problem
        version = (wanted.get("metadata") or {}).get("resourceVersion")
        if version and version != obj["metadata"]["resourceVersion"]:
            raise Conflict.of(
                kind.plural,
                obj["metadata"]["name"],
                "the object has been modified; please apply your changes to the latest version and try again",
            )

    def _create(self, kind: Kind, namespace: str, obj: JSON, *, dry: bool) -> JSON:
        if kind.namespaced:
            obj["metadata"]["namespace"] = namespace
        if (kind.plural, _key(obj)) in self.objects:
            raise AlreadyExists.of(kind.plural, obj["metadata"]["name"])
        obj.setdefault("status", {})
        if not dry:
            obj["metadata"].pop("uid", None)
            self.put(kind.plural, obj)
        return obj

    def _evict(self, namespace: str, name: str) -> JSON:
        if problem := self.refuse.get(f"evict {name}"):
            raise problem
        self.drop("pods", f"{namespace}/{name}")
        return {"kind": "Status", "status": "Success"}

    def _patched(self, kind: Kind, obj: JSON, content_type: str, patch: Any) -> JSON:
        obj = copy.deepcopy(obj)
        if "json-patch" in content_type:
            for operation in patch:
                *parents, last = operation["path"].strip("/").split("/")
                target = obj
                for part in parents:
                    target = target[part]
                target[last] = operation["value"]
            return obj
        return _merge(obj, patch, by_name="strategic" in content_type)

    def _route(self, path: str) -> tuple[Kind, str, str, str]:
        parts = path.strip("/").split("/")
        group, rest = (parts[1], parts[3:]) if parts[0] == "apis" else ("", parts[2:])
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        kind = next((k for k in KINDS if k.group == group and k.plural == rest[0]), None)
        if kind is None:
            raise NotFound("the server could not find the requested resource")
        return kind, namespace, rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else ""

    def _chosen(self, kind: Kind, namespace: str, query: dict[str, str]) -> list[JSON]:
        found = [obj for (plural, _), obj in sorted(self.objects.items()) if plural == kind.plural]
        return [obj for obj in found if _selected(kind, namespace, query, obj)]

    def _list(self, kind: Kind, namespace: str, query: dict[str, str], table: bool) -> JSON:
        chosen = self._chosen(kind, namespace, query)
        start, limit = int(query.get("continue") or 0), int(query.get("limit") or 0) or len(chosen)
        page = chosen[start : start + limit]
        more = str(start + limit) if start + limit < len(chosen) else ""
        meta = {"resourceVersion": str(self.revision), "continue": more}
        return (
            _table(kind, page, meta, whole=query.get("includeObject") == "Object")
            if table
            else {"kind": f"{kind.kind}List", "metadata": meta, "items": page}
        )

    def _tell(self, kind: Kind, event: str, obj: JSON) -> None:
        for entry in self._watchers:
            if entry[0] is kind:
                self._tell_one(entry, event, obj)

    def _tell_one(self, entry: Any, event: str, obj: JSON) -> None:
        kind, namespace, query, table, queue = entry
        if _selected(kind, namespace, query, obj):
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            whole = query.get("includeObject") == "Object"
            shown = _table(kind, [obj], meta, whole=whole) if table else obj
            queue.put_nowait(msgspec.json.encode({"type": event, "object": shown}) + b"\n")

    def _discovery(self, *, core: bool) -> JSON:
        groups: dict[str, list[JSON]] = {}
        for kind in KINDS:
            if bool(kind.group) is not core:
                groups.setdefault(kind.group, []).append(
                    {
                        "resource": kind.plural,
                        "responseKind": {"kind": kind.kind},
                        "scope": "Namespaced" if kind.namespaced else "Cluster",
                        "singularResource": kind.kind.lower(),
                        "shortNames": list(kind.short),
                        "verbs": ["get", "list", "watch"],
                        "subresources": [{"subresource": name} for name in kind.subresources],
                    }
                )
        items = [
            {"metadata": {"name": group}, "versions": [{"version": "v1", "resources": resources}]}
            for group, resources in groups.items()
        ]
        return {"kind": "APIGroupDiscoveryList", "items": items}


def _key(obj: JSON) -> str:
    meta = obj["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]


def _selected(kind: Kind, namespace: str, query: dict[str, str], obj: JSON) -> bool:
    meta = obj["metadata"]
    if namespace and meta.get("namespace") != namespace:
        return False
    fields = {"metadata.name": meta["name"], "metadata.namespace": meta.get("namespace", ""), **kind.fields(obj)}
    if not parse_field_selector(query.get("fieldSelector", "")).matches(fields):
        return False
    return parse_label_selector(query.get("labelSelector", "")).matches(meta.get("labels"))


def _table(kind: Kind, objects: list[JSON], meta: JSON, *, whole: bool) -> JSON:
    rows = [{"cells": kind.cells(obj), "object": obj if whole else {"metadata": obj["metadata"]}} for obj in objects]
    return {"kind": "Table", "metadata": meta, "columnDefinitions": kind.columns, "rows": rows}


def _merge(into: Any, patch: Any, *, by_name: bool) -> Any:
    if not isinstance(patch, dict) or not isinstance(into, dict):
        if by_name and isinstance(patch, list) and isinstance(into, list) and patch and "name" in patch[0]:
            named = {item["name"]: item for item in patch}
            return [_merge(item, named[item["name"]], by_name=True) if item["name"] in named else item for item in into]
        return patch
    result = dict(into)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value, by_name=by_name)
    return result
