"""What this machine knows of the cluster's Services, EndpointSlices and Nodes: from disk first, then from watches."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from apimachinery.objects.meta import Object, ObjectMeta, key
from nodeagent.network.policies.state import PolicySnapshot, PolicyState
from nodeagent.network.views import Endpoint, EndpointSliceView, NodeView, ServiceView

V = TypeVar("V", bound=Object)
ServiceListener = Callable[[str], None]
NodeListener = Callable[[], None]


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything at one moment, as it is kept on disk."""

    services: tuple[ServiceView, ...] = ()
    slices: tuple[EndpointSliceView, ...] = ()
    nodes: tuple[NodeView, ...] = ()
    policies: PolicySnapshot = PolicySnapshot()


class ClusterState:
    """Readable at any time without waiting. Listeners hear the key of each Service that changed in any way.

    `learned` is set once there is something whole to go by, from disk or from the API; `changes` counts since.
    """

    def __init__(self, start: Snapshot | None = None) -> None:
        self.learned = asyncio.Event()
        self.policies = PolicyState(start.policies if start is not None else None)
        self._changes = 0
        self.services: dict[str, ServiceView] = {}
        self.slices: dict[str, EndpointSliceView] = {}
        self.nodes: dict[str, NodeView] = {}
        self._by_service: dict[str, dict[str, EndpointSliceView]] = {}
        self._service_listeners: list[ServiceListener] = []
        self._node_listeners: list[NodeListener] = []
        if start is not None:
            self.learned.set()
            for service in start.services:
                self.service_changed(None, service)
            for piece in start.slices:
                self.slice_changed(None, piece)
            for node in start.nodes:
                self.node_changed(None, node)

    @property
    def changes(self) -> int:
        return self._changes + self.policies.changes

    @property
    def known(self) -> bool:
        return self.learned.is_set()

    def on_service(self, listener: ServiceListener) -> Callable[[], None]:
        """Call the listener from now on; the answer takes it off again."""
        self._service_listeners.append(listener)
        return lambda: self._service_listeners.remove(listener)

    def on_node(self, listener: NodeListener) -> Callable[[], None]:
        self._node_listeners.append(listener)
        return lambda: self._node_listeners.remove(listener)

    def slices_of(self, service_key: str) -> Iterable[EndpointSliceView]:
        return self._by_service.get(service_key, {}).values()

    def endpoints_at(self, address: str) -> list[Endpoint]:
        """What Services say of the pod at this address."""
        return [
            endpoint
            for piece in self.slices.values()
            for endpoint in piece.endpoints or ()
            if address in endpoint.addresses[:1]
        ]

    def snapshot(self) -> Snapshot:
        """Everything as it is now, without what nobody here reads."""
        return Snapshot(_slim(self.services), _slim(self.slices), _slim(self.nodes), self.policies.snapshot())

    # The three handlers have the shape that informers call: (old, new), new is None for what is gone.

    def service_changed(self, old: ServiceView | None, new: ServiceView | None) -> None:
        name = _keep(self.services, old, new)
        self._service_changed(name)

    def slice_changed(self, old: EndpointSliceView | None, new: EndpointSliceView | None) -> None:
        # What we hold may be older than the informer's `old`, or from disk: our own copy tells the former owner.
        gone = old or new
        previous = self.slices.get(key(gone)) if gone is not None else None
        name = _keep(self.slices, old, new)
        touched: set[str] = set()
        if previous is not None:
            touched.add(previous.service_key)
            siblings = self._by_service.get(previous.service_key, {})
            siblings.pop(name, None)
            if not siblings:
                self._by_service.pop(previous.service_key, None)
        if new is not None and new.service_key:
            touched.add(new.service_key)
            self._by_service.setdefault(new.service_key, {})[name] = new
        for service_key in touched - {""}:
            self._service_changed(service_key)

    def node_changed(self, old: NodeView | None, new: NodeView | None) -> None:
        name = key(new or old or NodeView())
        before = self.nodes.get(name)
        _keep(self.nodes, old, new)
        if before is not None and new is not None and (before.spec, before.status) == (new.spec, new.status):
            return  # a heartbeat: conditions are no concern here
        self._changes += 1
        for listener in list(self._node_listeners):
            listener()

    def forget_all_but(
        self, *, services: set[str] | None = None, slices: set[str] | None = None, nodes: set[str] | None = None
    ) -> None:
        """Drop what came from disk and is not in the first whole list."""
        if services is not None:
            for name in self.services.keys() - services:
                self.service_changed(self.services[name], None)
        if slices is not None:
            for name in self.slices.keys() - slices:
                self.slice_changed(self.slices[name], None)
        if nodes is not None:
            for name in self.nodes.keys() - nodes:
                self.node_changed(self.nodes[name], None)

    def _service_changed(self, service_key: str) -> None:
        self._changes += 1
        for listener in list(self._service_listeners):
            listener(service_key)


def _slim(objects: dict[str, V]) -> tuple[V, ...]:
    return tuple(msgspec.structs.replace(obj, metadata=_slim_meta(obj.metadata)) for obj in objects.values())


def _slim_meta(meta: ObjectMeta) -> ObjectMeta:
    return ObjectMeta(
        name=meta.name, namespace=meta.namespace, labels=meta.labels, creation_timestamp=meta.creation_timestamp
    )


def _keep(objects: dict[str, V], old: V | None, new: V | None) -> str:
    if new is not None:
        objects[key(new)] = new
        return key(new)
    name = key(old) if old is not None else ""
    objects.pop(name, None)
    return name
