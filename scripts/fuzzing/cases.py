"""One request at a time, chosen by chance from what the server says that it serves."""

import base64
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from scripts.fuzzing import encoding, raw
from scripts.fuzzing.values import NAMES, Json, Schemas, damaged

PATCHES = (
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_CONTENT_TYPES = (
    "", "text/html", "application/json; charset=latin1", "application/yaml", "application/cbor", _PROTOBUF, "a/b;;;=",
    "multipart/form-data; boundary=x", "application/json;stream=watch", "\xff", "x" * 3000, *PATCHES,
)  # fmt: skip
_ACCEPTS = (
    "application/json;as=Table;v=v1;g=meta.k8s.io", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/yaml", "*/*", "application/yaml;as=Table;v=v1;g=meta.k8s.io",
)  # fmt: skip
_BAD_ACCEPTS = (
    "", "text/html", _PROTOBUF, "application/json;as=Nothing;g=meta.k8s.io;v=v1", ";;;,,,=", "application/json;q=2;as",
    "application/json;as=Table;v=v9;g=x, application/json", "x" * 4000, "\xe9\xff", "application/apidiscovery.v2;as=x",
)  # fmt: skip
_ODD_NUMBERS = (
    "0",
    "-1",
    "1",
    "500",
    "99999999999999999999",
    "1e3",
    "²",
    "١٢",
    "0x1",
    " 1",
    "+5",
    "1_0",
    "1" * 5000,
    "a",
    "",
)
_SELECTORS = (
    "a=b", "a!=b", "a in (b,c)", "a notin ()", "!a", "a", "a==", "=", "a in (", ",", "a=b,,c=d", "\x00", "é=ü", "a>1", "a<x",
    "x" * 5000, "a in (b),c notin (d),!e", "metadata.name=a", "spec.nodeName=a", "status.phase!=Running", "metadata.name",
    "metadata.nope=1", "metadata.name=\\", "metadata.name=a\\,b", "a=b=c", "(" * 3000,
)  # fmt: skip
_TOKENS = (
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJkZWZhdWx0L2EifQ", "e30", "a", "!!!!", "%", "\x00", "x" * 5000,
    base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":-1,"start":"a"}').decode(),
    base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":99999999999999999999,"start":"a"}').decode(),
    base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":1,"start":"../../secrets/"}').decode(),
    base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":1,"start":"\\u0000"}').decode(),
)  # fmt: skip
_FLAGS = ("true", "false", "1", "0", "", "yes", "\x00", "TRUE ")
_QUERY: Mapping[str, Sequence[str]] = {
    "limit": _ODD_NUMBERS, "resourceVersion": _ODD_NUMBERS, "timeoutSeconds": ("1", "0", "-1", "²", "1" * 5000, "a"),
    "gracePeriodSeconds": _ODD_NUMBERS, "continue": _TOKENS, "labelSelector": _SELECTORS, "fieldSelector": _SELECTORS,
    "resourceVersionMatch": ("Exact", "NotOlderThan", "", "exact", "\xff"), "sendInitialEvents": _FLAGS, "watch": _FLAGS,
    "allowWatchBookmarks": _FLAGS, "pretty": _FLAGS, "force": _FLAGS, "orphanDependents": _FLAGS,
    "ignoreStoreReadErrorWithClusterBreakingPotential": _FLAGS, "includeObject": ("Object", "None", "Metadata", "x", ""),
    "propagationPolicy": ("Foreground", "Background", "Orphan", "foreground", "", "x" * 3000, "\x00"),
    "fieldManager": ("a", "x" * 129, "\x00", "é", "\n", "a/b"), "dryRun": ("All", "all", "", "None", "\xff"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "strict", "\x00"), "container": ("c", "i", "x", "\x00", "../.."),
    "follow": _FLAGS, "tailLines": _ODD_NUMBERS, "sinceTime": ("2024-01-01T00:00:00Z", "x"), "command": ("a", "\x00"),
    "ports": ("80", "0", "99999999", "x", "80,81"), "path": ("/", "../.."), "unknown": ("x",), "": ("",),
}  # fmt: skip
_HEADERS: Mapping[str, Sequence[str]] = {
    "Authorization": ("Bearer x", "Bearer ", "Bearer a.b.c", "Basic YTpi", "Bearer eyJhbGciOiJub25lIn0.e30.", "\xff", "Bearer " + "x" * 5000),
    "Impersonate-User": ("a", "", "system:serviceaccount:default:default", "system:serviceaccount:", "system:node:a", "\xe9", "system:anonymous"),
    "Impersonate-Group": ("system:masters", "", "\xff", "g" * 3000),
    "Impersonate-Uid": ("1", "", "\xff"),
    "Impersonate-Extra-Scopes": ("a", "\xff"),
    "Impersonate-Extra-%zz%00%ff": ("a",),
    "Accept-Encoding": ("gzip", "br", "gzip;q=0", "\xff"),
    "If-None-Match": ("x", '"y"', "*"),
    "Upgrade": ("websocket", "SPDY/3.1", "x"),
    "X-Forwarded-For": ("1.2.3.4", "\xff"),
    "User-Agent": ("a/1", "\xff", "x" * 3000, "é"),
    "Audit-Id": ("x" * 3000,),
    "Host": ("", "a b", "x" * 3000, "[::1"),
    "Content-Encoding": ("br", "gzip, gzip", "identity", "x"),
    "Range": ("bytes=0-1",),
}  # fmt: skip
_OTHER_PATHS = (
    "/", "/api", "/apis", "/apis/apps", "/apis/nope/v1", "/api/v1", "/version", "/healthz", "/readyz?verbose", "/livez/x",
    "/metrics", "/openapi/v2", "/openapi/v3", "/openapi/v3/apis/apps/v1", "/openapi/v3/nope", "/openid/v1/jwks",
    "/.well-known/openid-configuration", "//api//v1//pods", "/api/v1/", "/api/v1/namespaces/default/", "/api/v2/pods",
    "/apis/metrics.k8s.io/v1beta1/nodes", "/api/v1/watch/pods", "/api/v1/nodes/a/proxy/x", "/api/v1/namespaces/default/pods/a/proxy/",
    "/api/v1/namespaces/default/services/a/proxy/x", "/%2e%2e/%2e%2e/etc/passwd", "/api/v1/namespaces/%00/pods", "/api/v1/namespaces/%ff/pods/%fe",
    "/api/v1/pods/a/b/c/d/e/f/g", "/pilothouse/nodes/a/exec/x/y/z", "/pilothouse/nodes/", "/" + "x" * 6000, "/é", "/api/v1/namespaces/a%2fb/configmaps/a%2fb",
    "/api/v1/namespaces/default/configmaps/..", "/api/v1/namespaces/default/configmaps/%2e%2e%2f", "*", "/api/v1/componentstatuses", "/logs/", "/apis/example.com/v1/namespaces/default/widgets",
)  # fmt: skip
# Kinds that, once stored, rule over other requests: those are tried and not kept.
_RULING = ("admissionregistration.k8s.io", "apiregistration.k8s.io")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "FOO", "get")


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that the server says it can do."""

    method: str
    path: str
    group: str
    version: str
    kind: str
    body: str = ""
    """The type of what it takes."""


@dataclass(slots=True)
class Case:
    """A request. `wire` is what goes over the connection, as it is."""

    number: int
    wire: bytes
    method: str = ""
    """Empty: not HTTP as it should be, so nothing is expected of the answer but that it is no 5xx."""
    target: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    body: bytes = b""
    certificate: bool = True

    @property
    def last(self) -> bool:
        """Whether no other request may follow on the same connection: what came with this one is then no body."""
        return self.method == "CONNECT" or any(name == "Upgrade" for name, _ in self.headers)

    @property
    def lasting(self) -> bool:
        """Whether the answer may go on for as long as the server likes."""
        return "watch=" in self.target or "follow=" in self.target or "/watch/" in self.target

    def command(self) -> str:
        """How to ask the same by hand; HOST, and the admin's key and certificate, are the reader's to fill in."""
        if not self.method:
            return f"echo {base64.b64encode(self.wire).decode()} | base64 -d | openssl s_client -quiet -connect HOST"
        words = ["curl", "-sk", "--path-as-is", "-X", self.method]
        words += ["--cert", "admin.crt", "--key", "admin.key"] if self.certificate else []
        for name, value in self.headers:
            words += ["-H", f"{name}: {value}" if value else f"{name};"]
        line = shlex.join([*words, f"https://HOST{self.target}"])
        if not self.body:
            return line
        return f"echo {base64.b64encode(self.body).decode()} | base64 -d | {line} --data-binary @-"


class Cases:
    """Makes case number N of a seed, always the same one from the same documents."""

    def __init__(self, seed: int, documents: Sequence[Json]) -> None:
        self._seed = seed
        self._schemas = Schemas()
        self._operations: list[Operation] = []
        for document in documents:
            self._schemas.definitions.update(document.get("components", {}).get("schemas", {}))
            self._operations += _operations(document)
        text = (Path(__file__).parent / "seeds.yaml").read_text(encoding="utf-8")
        self.seeds: list[Json] = list(yaml.safe_load_all(text))
        self._by_kind = {(seed["apiVersion"], seed["kind"]): seed for seed in self.seeds}
        self._with_seed = [o for o in self._operations if o.body and self._seed_of(o) is not None]

    def collections(self) -> list[str]:
        """The paths that list every kind."""
        lists = (o.path for o in self._operations if o.method == "GET" and "{" not in o.path)
        return sorted(set(lists))

    def case(self, number: int) -> Case:
        random = Random(f"{self._seed}/{number}")
        choice = random.random()
        if choice < 0.03:
            return Case(number, raw.garbage(random))
        if choice < 0.08:
            return self._elsewhere(number, random)
        return self._operation(number, random)

    def _elsewhere(self, number: int, random: Random) -> Case:
        target = random.choice(_OTHER_PATHS)
        if random.random() < 0.5:
            target += ("&" if "?" in target else "?") + _query(random)
        body = encoding.broken(random, b'{"kind":"Pod","apiVersion":"v1"}') if random.random() < 0.3 else b""
        return _http(number, random, random.choice(METHODS), target, body, "application/json")

    def _operation(self, number: int, random: Random) -> Case:
        operation = random.choice(self._with_seed if random.random() < 0.6 else self._operations)
        target = _path(random, operation.path)
        ruling = operation.group in _RULING
        query = _query(random) if random.random() < 0.25 else ""
        if operation.method == "GET" and "{name}" not in operation.path and random.random() < 0.1:
            query += "&watch=1&timeoutSeconds=1"
        if ruling and operation.method != "GET":
            query = "dryRun=All"
        if query:
            target += f"?{query}"
        method = random.choice(METHODS) if random.random() < 0.02 and not ruling else operation.method
        if not operation.body and (method != "DELETE" or random.random() < 0.7):
            body = b"x" if random.random() < 0.02 else b""
            return _http(number, random, method, target, body, "")
        value = self._value(random, operation)
        if method == "PATCH":
            content_type = random.choice(PATCHES)
            value = _json_patch(random, value) if content_type == PATCHES[2] else _partly(random, value)
        else:
            content_type = random.choice(("application/json", "application/json", "application/yaml"))
        if random.random() < 0.06:
            content_type = _PROTOBUF
            body = encoding.protobuf(random, _api_version(operation), operation.kind)
        else:
            body = encoding.to_json(random, value)
            if random.random() < 0.06:
                body = encoding.broken(random, body)
        if random.random() < 0.04:
            content_type = random.choice(_CONTENT_TYPES)
        return _http(number, random, method, target, body, content_type)

    def _value(self, random: Random, operation: Operation) -> Any:
        seed = self._seed_of(operation)
        if seed is not None and random.random() < 0.8:
            value = seed
        else:
            reference = operation.body if not operation.body.endswith(".Patch") else self._reference(operation)
            value = self._schemas.value(random, reference)
            if isinstance(value, dict):
                value |= {"apiVersion": _api_version(operation), "kind": operation.kind}
                value["metadata"] = {"name": random.choice(NAMES), **(value.get("metadata") or {})}
        for _ in range(random.choice((0, 1, 1, 1, 2, 4))):
            value = damaged(random, value)
        return value

    def _seed_of(self, operation: Operation) -> Json | None:
        return self._by_kind.get((_api_version(operation), operation.kind))

    def _reference(self, operation: Operation) -> str:
        tail = f".{operation.version}.{operation.kind}"
        return next((name for name in self._schemas.definitions if name.endswith(tail)), "")


def _operations(document: Json) -> list[Operation]:
    found: list[Operation] = []
    for path, item in document.get("paths", {}).items():
        for method in ("get", "post", "put", "patch", "delete"):
            operation = item.get(method)
            if operation is None:
                continue
            gvk = operation.get("x-kubernetes-group-version-kind", {"group": "", "version": "", "kind": ""})
            content = operation.get("requestBody", {}).get("content", {})
            body = next((entry["schema"].get("$ref", "") for entry in content.values()), "")
            found.append(Operation(method.upper(), path, gvk["group"], gvk["version"], gvk["kind"], body))
    return found


def _api_version(operation: Operation) -> str:
    return f"{operation.group}/{operation.version}" if operation.group else operation.version


def _path(random: Random, template: str) -> str:
    odd = random.random() < 0.05
    names = ("\x00", "é", "..", "a" * 300, "A_B", "%", "a/b", " ", "") if odd else ("a",) * 20 + NAMES
    namespace = random.choice(names) if odd else random.choice(("default",) * 12 + ("new", "nope"))
    return template.replace("{name}", quote(random.choice(names), safe="")).replace(
        "{namespace}", quote(namespace, safe="")
    )


def _query(random: Random) -> str:
    names = random.choices(list(_QUERY), k=random.choice((1, 1, 2, 3, 5)))
    pairs = [(name, random.choice(_QUERY[name])) for name in names]
    if random.random() < 0.1:
        return (
            "&".join(f"{name}={value}" for name, value in pairs)
            .encode("ascii", "ignore")
            .decode()
            .replace(" ", "")
            .replace("\n", "")
            .replace("\x00", "%00")
        )
    encoding_errors: Callable[..., str] = urlencode
    return encoding_errors(pairs, errors="surrogatepass") + random.choice(
        ("", "", "", "", "", "&&;=", "&%zz=%", "&%ff=%fe")
    )


def _json_patch(random: Random, value: Any) -> Any:
    paths = (
        "/metadata/labels",
        "/metadata/labels/a",
        "/spec",
        "/spec/replicas",
        "/metadata",
        "",
        "/",
        "/~2",
        "/spec/ports/-",
        "/spec/ports/²",
        "/spec/ports/01",
        "/spec/template/spec/containers/0/image",
        "/metadata/name",
        "/data/a",
        "a",
    )
    operations = [
        {
            "op": random.choice(("add", "replace", "remove", "test", "move", "copy", "x")),
            "path": random.choice(paths),
            "from": random.choice(paths),
            "value": damaged(random, value),
        }
        for _ in range(random.choice((1, 1, 2, 20)))
    ]
    return damaged(random, operations) if random.random() < 0.4 else operations


def _partly(random: Random, value: Any) -> Any:
    if not isinstance(value, dict) or random.random() < 0.3:
        return value
    kept = {
        key: inner for key, inner in value.items() if key in ("kind", "apiVersion", "metadata") or random.random() < 0.6
    }
    if random.random() < 0.2:
        kept["$patch"] = random.choice(("delete", "replace", "merge", 1))
    if random.random() < 0.2 and isinstance(kept.get("spec"), dict):
        kept["spec"] = {
            **kept["spec"],
            "$setElementOrder/containers": random.choice(([], [{"name": "c"}], "x", [1], [{}])),
            "$deleteFromPrimitiveList/x": [1],
            "$retainKeys": ["x"],
        }
    return kept


def _http(number: int, random: Random, method: str, target: str, body: bytes, content_type: str) -> Case:
    headers: list[tuple[str, str]] = []
    choice = random.random()
    if choice < 0.35:
        headers.append(("Accept", random.choice(_ACCEPTS if choice < 0.3 else _BAD_ACCEPTS)))
    if content_type:
        headers.append(("Content-Type", content_type))
    if random.random() < 0.06:
        name = random.choice(list(_HEADERS))
        headers.append((name, random.choice(_HEADERS[name])))
    if body and random.random() < 0.04:
        body = encoding.packed(random, body)
        headers.append(("Content-Encoding", "gzip"))
    target = target.encode("utf-8", "surrogatepass").decode("latin-1")
    head = [f"{method} {target} HTTP/1.1"]
    if not any(name == "Host" for name, _ in headers):
        head.append("Host: localhost")
    head += [f"{name}: {value}" for name, value in headers]
    certificate = random.random() > 0.04
    if body or method in ("POST", "PUT", "PATCH"):
        if random.random() < 0.05:
            head.append("Transfer-Encoding: chunked")
            size = len(body) // 2 + 1
            parts = [body[at : at + size] for at in range(0, len(body), size)]
            sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        else:
            head.append(f"Content-Length: {len(body)}")
            sent = body
    else:
        sent = b""
    wire = "\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n" + sent
    return Case(number, wire, method, target, headers, body, certificate)
