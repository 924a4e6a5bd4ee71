"""Typed calls to the Kubernetes API over any Transport.

Every answer that is not a success is raised as its StatusError; trouble on the way as ConnectionFailed.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, overload

import msgspec

from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.transport import DEFAULT_TIMEOUT, NO_HEADERS, NO_QUERY, Query, Response, Transport
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import Resource

T = TypeVar("T")
JSON = dict[str, Any]
PatchKind = Literal["json", "merge", "strategic", "apply"]
Propagation = Literal["Background", "Foreground", "Orphan"]

_PATCH_TYPES: dict[PatchKind, str] = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
_JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
_ACCEPT_JSON = {"Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class ListPage(Generic[T]):
    """One page of a list; `continue_` is empty on the last. `resource_version` is where a watch takes over."""

    items: list[T]
    resource_version: str
    continue_: str


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK. `raw` is the object as it came over the wire."""

    type: str
    object: T
    raw: bytes


class _ListMeta(msgspec.Struct, frozen=True, rename={"resource_version": "resourceVersion", "continue_": "continue"}):
    resource_version: str = ""
    continue_: str = ""


class _List(msgspec.Struct):
    metadata: _ListMeta = _ListMeta()
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


_decode_list = msgspec.json.Decoder(_List).decode
_decode_event = msgspec.json.Decoder(_Event).decode


class Client:
    """`field_manager` names us as the owner of the fields that we write."""

    def __init__(self, transport: Transport, *, field_manager: str = "pilothouse") -> None:
        self.transport = transport
        self._field_manager = field_manager
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    # Reading

    @overload
    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> JSON: ...
    @overload
    async def get(self, resource: Resource, name: str, namespace: str | None = None, *, view: type[T]) -> T: ...
    async def get(self, resource: Resource, name: str, namespace: str | None = None, *, view: Any = dict) -> Any:
        body = await self.call("GET", resource.path(namespace, name))
        return self._decoder(view).decode(body)

    @overload
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_: str = "",
        resource_version: str | None = None,
    ) -> ListPage[JSON]: ...
    @overload
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        view: type[T],
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_: str = "",
        resource_version: str | None = None,
    ) -> ListPage[T]: ...
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        view: Any = dict,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_: str = "",
        resource_version: str | None = None,
    ) -> ListPage[Any]:
        """One page; without `limit` the whole. `resource_version="0"` takes whatever the server's cache has."""
        query = _given(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=str(limit) if limit else "",
            **{"continue": continue_},
        )
        if resource_version is not None and not continue_:
            query["resourceVersion"] = resource_version
        page = _decode_list(await self.call("GET", resource.path(namespace), query=query))
        decode = self._decoder(view).decode
        return ListPage([decode(i) for i in page.items or ()], page.metadata.resource_version, page.metadata.continue_)

    @overload
    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int = 0,
    ) -> AsyncIterator[WatchEvent[JSON]]: ...
    @overload
    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        view: type[T],
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int = 0,
    ) -> AsyncIterator[WatchEvent[T]]: ...
    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        view: Any = dict,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int = 0,
    ) -> AsyncIterator[WatchEvent[Any]]:
        """Changes after `resource_version`, bookmarks included, until the server ends the watch.

        Raises Expired when the revision is too old (list again), and any other error the server sends.
        """
        query = _given(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            timeoutSeconds=str(timeout_seconds) if timeout_seconds else "",
        )
        query |= {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": resource_version}
        decode = self._decoder(view).decode
        async for line in self.lines("GET", resource.path(namespace), query=query, headers=_ACCEPT_JSON):
            event = _decode_event(line)
            if event.type == "ERROR":
                raise StatusError.from_status(bytes(event.object), 500)
            raw = bytes(event.object)
            yield WatchEvent(event.type, decode(raw), raw)

    # Writing

    @overload
    async def create(
        self, resource: Resource, obj: Mapping[str, Any], namespace: str | None = None, *, dry_run: bool = False
    ) -> JSON: ...
    @overload
    async def create(
        self,
        resource: Resource,
        obj: Mapping[str, Any],
        namespace: str | None = None,
        *,
        view: type[T],
        dry_run: bool = False,
    ) -> T: ...
    async def create(
        self,
        resource: Resource,
        obj: Mapping[str, Any],
        namespace: str | None = None,
        *,
        view: Any = dict,
        dry_run: bool = False,
    ) -> Any:
        where = namespace or obj.get("metadata", {}).get("namespace")
        query = self._write_query(dry_run)
        body = await self.call(
            "POST", resource.path(where), query=query, headers=_JSON_HEADERS, body=msgspec.json.encode(obj)
        )
        return self._decoder(view).decode(body)

    async def update(
        self, resource: Resource, obj: Mapping[str, Any], *, subresource: str | None = None, dry_run: bool = False
    ) -> JSON:
        """Replace the whole object; its metadata.resourceVersion guards against lost updates."""
        meta = obj["metadata"]
        body = await self.call(
            "PUT",
            resource.path(meta.get("namespace"), meta["name"], subresource),
            query=self._write_query(dry_run),
            headers=_JSON_HEADERS,
            body=msgspec.json.encode(obj),
        )
        return msgspec.json.decode(body)

    @overload
    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        kind: PatchKind = "merge",
        subresource: str | None = None,
        field_manager: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> JSON: ...
    @overload
    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        view: type[T],
        kind: PatchKind = "merge",
        subresource: str | None = None,
        field_manager: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> T: ...
    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        view: Any = dict,
        kind: PatchKind = "merge",
        subresource: str | None = None,
        field_manager: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> Any:
        query = self._write_query(dry_run, field_manager)
        if force:
            query["force"] = "true"
        body = await self.call(
            "PATCH",
            resource.path(namespace, name, subresource),
            query=query,
            headers={"Content-Type": _PATCH_TYPES[kind], "Accept": "application/json"},
            body=msgspec.json.encode(patch),
        )
        return self._decoder(view).decode(body)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_seconds: int | None = None,
        propagation: Propagation | None = None,
        dry_run: bool = False,
    ) -> JSON:
        """Delete one object; `uid` and `resource_version` are preconditions (Conflict when they do not hold)."""
        options: JSON = {"apiVersion": "v1", "kind": "DeleteOptions"}
        preconditions = {k: v for k, v in (("uid", uid), ("resourceVersion", resource_version)) if v is not None}
        if preconditions:
            options["preconditions"] = preconditions
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        if propagation is not None:
            options["propagationPolicy"] = propagation
        if dry_run:
            options["dryRun"] = ["All"]
        body = await self.call(
            "DELETE", resource.path(namespace, name), headers=_JSON_HEADERS, body=msgspec.json.encode(options)
        )
        return msgspec.json.decode(body)

    async def delete_collection(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> None:
        query = _given(labelSelector=label_selector, fieldSelector=field_selector)
        await self.call("DELETE", resource.path(namespace), query=query, headers=_ACCEPT_JSON)

    # Anything else

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = NO_QUERY,
        headers: Mapping[str, str] = _ACCEPT_JSON,
        body: bytes | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> bytes:
        """The body of a successful answer. Raises StatusError for any other, ConnectionFailed for none."""
        answer = await self.exchange(method, path, query=query, headers=headers, body=body, timeout=timeout)
        return answer.body

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Query = NO_QUERY,
        headers: Mapping[str, str] = _ACCEPT_JSON,
        body: bytes | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> Response:
        """As `call`, with status and headers (warnings, audit ids)."""
        answer = await self.transport.request(method, path, query=query, headers=headers, body=body, timeout=timeout)
        if answer.status >= 400:
            raise StatusError.from_status(answer.body, answer.status)
        return answer

    async def lines(
        self,
        method: str,
        path: str,
        *,
        query: Query = NO_QUERY,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> AsyncIterator[bytes]:
        """The body line by line as it arrives (watches, logs), without the line ends.

        A last line without an end is given too: a log may stop anywhere.
        """
        async with self.transport.stream(method, path, query=query, headers=headers) as answer:
            if answer.status >= 400:
                raise StatusError.from_status(b"".join([chunk async for chunk in answer.chunks]), answer.status)
            rest: list[bytes] = []
            async for chunk in answer.chunks:
                first, *others = chunk.split(b"\n")
                rest.append(first)
                if not others:
                    continue
                yield b"".join(rest)
                for line in others[:-1]:
                    yield line
                rest = [others[-1]]
            last = b"".join(rest)
            if last:
                yield last

    async def close(self) -> None:
        await self.transport.close()

    def _write_query(self, dry_run: bool, field_manager: str = "") -> dict[str, str]:
        query = {"fieldManager": field_manager or self._field_manager}
        if dry_run:
            query["dryRun"] = "All"
        return query

    def _decoder(self, view: Any) -> msgspec.json.Decoder[Any]:
        decoder = self._decoders.get(view)
        if decoder is None:
            decoder = self._decoders[view] = msgspec.json.Decoder(view)
        return decoder


def _given(**parameters: str) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value}


__all__ = ["Client", "ConnectionFailed", "ListPage", "WatchEvent"]
