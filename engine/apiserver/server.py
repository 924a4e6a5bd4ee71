"""The API server put together: store in, requests served over HTTPS and within the process."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric import ec

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.objects.meta import parse_time
from engine.apiserver import stored, wire
from engine.apiserver.addresses import followed_pools
from engine.apiserver.admission.claims import ClaimResize
from engine.apiserver.admission.limitranges import ChangedLimits
from engine.apiserver.admission.owners import OwnerReferences
from engine.apiserver.admission.podsecurity.plugin import PodSecurity
from engine.apiserver.aggregation.availability import Availability
from engine.apiserver.aggregation.discovery import Joined
from engine.apiserver.aggregation.registration import Registration
from engine.apiserver.aggregation.serving import Aggregation, FrontProxy
from engine.apiserver.aggregation.table import APIServices
from engine.apiserver.allocators import claims_of
from engine.apiserver.audit import Audited, AuditLog
from engine.apiserver.authn import discovery
from engine.apiserver.authn.accounts import AccountTokens
from engine.apiserver.authn.authenticator import Authenticator
from engine.apiserver.authn.jose import SigningKey
from engine.apiserver.authn.oidc import OidcSettings, OidcTokens
from engine.apiserver.authn.reviews import IdentityReviews
from engine.apiserver.authn.tokenfile import TokenFile
from engine.apiserver.authn.tokenrequest import TokenRequests
from engine.apiserver.authz.escalation import EscalationGuard
from engine.apiserver.authz.noderestriction import NodeRestriction
from engine.apiserver.authz.reviews import AccessReviews
from engine.apiserver.authz.signers import SignerGuard
from engine.apiserver.authz.union import Union
from engine.apiserver.components import Components
from engine.apiserver.custom.converter import Converter
from engine.apiserver.custom.lifecycle import Lifecycle
from engine.apiserver.custom.table import CustomKinds
from engine.apiserver.documents import Documents
from engine.apiserver.dynamic.admission import DynamicAdmission
from engine.apiserver.dynamic.calling import Caller
from engine.apiserver.eviction import Evicting
from engine.apiserver.flow.control import Flows
from engine.apiserver.guard import Guard
from engine.apiserver.http import HttpServer
from engine.apiserver.inprocess import InProcessTransport, component
from engine.apiserver.metrics import MEDIA_TYPE, Metrics
from engine.apiserver.nodes import NoConnections, NodeProxy
from engine.apiserver.pipe import Pipe
from engine.apiserver.reach.ways import Ways
from engine.apiserver.registry.core.node import NODE
from engine.apiserver.registry.core.pod import POD
from engine.apiserver.request import Response
from engine.apiserver.usage.server import UsageServer
from engine.store.errors import StoreError, StoreUnavailable
from engine.store.etcdaccess import EtcdAccess
from engine.store.protocol import Store
from engine.store.sealing import OPEN, Sealing
from engine.store.sqlite import SqliteStore

log = structlog.get_logger(__name__)

VOLATILE = ("/registry/leases/kube-node-lease/",)
"""Heartbeats of machines: kept in memory, for the sake of SD cards."""

_BOOKMARK_EVERY = 30.0
_EVENTS = "/registry/events/"
_EVENT_TTL = timedelta(hours=1)
_SWEEP_EVERY = 60.0
_SWEEP_BATCH = 500


_SEALED = ("/registry/secrets/",)


def sealing_of(read_keys: Callable[[], Mapping[str, bytes]]) -> Sealing:
    """What the disk may not show."""
    return Sealing(read_keys(), _SEALED, read_keys)


async def open_store(path: Path, sealing: Sealing = OPEN) -> SqliteStore:
    """The SQLite store as the API server needs it. Raises StoreUnavailable."""
    return await SqliteStore.open(path, decorate=wire.with_revision, sealing=sealing, volatile=VOLATILE)


async def open_etcd(access: EtcdAccess, sealing: Sealing) -> Store:
    """The etcd store as the API server needs it. Raises StoreUnavailable."""
    # Loads grpc, which the engine does without otherwise.
    try:
        from engine.store.etcd import EtcdStore
    except ImportError as error:
        raise StoreUnavailable(f"the etcd store needs its libraries: install pilothouse[etcd] ({error})") from error
    return await EtcdStore.open(access, decorate=wire.with_revision, sealing=sealing, claims=claims_of)


class ApiServer:
    """Serves a store. Make one with `serve_api`."""

    def __init__(
        self,
        pipe: Pipe,
        documents: Documents,
        http: HttpServer,
        nodes: NodeProxy,
        *,
        accounts: AccountTokens,
        components: Components,
    ) -> None:
        self.pipe = pipe
        self.documents = documents
        self.http = http
        self.nodes = nodes
        self.accounts = accounts
        self.components = components

    def client(self, name: str) -> Client:
        """A client for a part of this engine, as user `system:NAME`."""
        return Client(InProcessTransport(self.pipe, component(f"system:{name}")), field_manager=name)


@asynccontextmanager
async def serve_api(
    store: Store,
    clock: Clock,
    *,
    listen: tuple[str, int],
    tls: ssl.SSLContext | None,
    tokens: Path,
    account_key: ec.EllipticCurvePrivateKey,
    issuer: str,
    service_cidr: str,
    node_ports: tuple[int, int],
    audit_log: Path | None = None,
    front_proxy: FrontProxy | None = None,
    pod_security: PodSecurity | None = None,
    owner_references: bool = False,
    oidc: OidcSettings | None = None,
) -> AsyncGenerator[ApiServer]:
    """Serve until the block is left. Raises OSError when the address is taken.

    `front_proxy`: how the servers behind APIServices know us.
    """
    addresses, ports = followed_pools(store, service_cidr, node_ports)
    kinds = CustomKinds(store)
    nodes = NodeProxy(NoConnections())
    ways = Ways(store, nodes.endpoint)
    documents, metrics = Documents(kinds.kinds, clock), Metrics()
    documents.pages["/metrics"] = lambda: Response(200, metrics.text().encode(), MEDIA_TYPE)
    authorizer = Union()
    authorizer.follow(store)
    caller = Caller(ways.to_service_port)
    converter = Converter(caller)
    dynamic = DynamicAdmission(store, kinds, authorizer, converter, caller)
    accounts = AccountTokens(SigningKey(account_key), issuer, partial(stored.lookup, store, ""))
    documents.pages.update(discovery.pages(accounts))
    people = OidcTokens(oidc, clock) if oidc is not None else None
    authenticator = Authenticator(TokenFile.load(tokens), accounts, clock, people)
    guards = (NodeRestriction(), EscalationGuard(authorizer), SignerGuard(authorizer))
    documents.to_agent = ways.to_agent
    aggregation = Aggregation(APIServices(store), ways, front_proxy)
    owners = (OwnerReferences(authorizer, kinds.kinds),) if owner_references else ()
    judges: tuple[Guard, ...] = (pod_security or PodSecurity(), ClaimResize(), ChangedLimits(), *owners)
    usage = UsageServer(
        nodes.fetch,
        clock,
        nodes=lambda: store.list(NODE.storage_prefix).records,
        pods=lambda namespace: store.list(f"{POD.storage_prefix}{namespace}{'/' if namespace else ''}").records,
    )
    components = Components()
    pipe = Pipe(
        store,
        clock,
        authorizer=authorizer,
        documents=documents,
        kinds=kinds,
        dynamic=dynamic,
        converter=converter,
        metrics=metrics,
        measured={
            ("", "componentstatuses"): components.look,
            ("metrics.k8s.io", "nodes"): lambda _: usage.of_nodes(),
            ("metrics.k8s.io", "pods"): usage.of_pods,
        },
        service_ips=addresses,
        node_ports=ports,
        ways=ways,
        aggregation=aggregation,
        guards=guards,
        judges=judges,
        creators={
            **AccessReviews(authorizer).creators(),
            **IdentityReviews(authenticator).creators(),
            ("", "pods", "eviction"): Evicting(store, guards, dynamic, converter).evict,
            ("", "serviceaccounts", "token"): TokenRequests(accounts, guards).create,
        },
    )
    async with nodes, ways, converter, TaskScope("apiserver") as scope:
        audit = AuditLog(audit_log) if audit_log is not None else None
        handler = Audited(pipe, audit, clock) if audit is not None else pipe
        flows = Flows(store)
        http = HttpServer(handler, authenticator, authorizer, nodes, flows=flows, tls=tls, passes_on=pipe.passes_on)
        _show(metrics, pipe, http, flows)
        await http.start(*listen)
        own = Client(InProcessTransport(pipe, component("system:apiserver")))
        lifecycle = Lifecycle(kinds, store, own, clock)
        registration = Registration(aggregation.services, kinds.kinds, store, own)
        availability = Availability(aggregation, ways, store, own, clock)
        documents.joined = Joined(aggregation.services.remote, availability.described, lambda: availability.generation)
        loops = {
            "bookmarks": lambda: _bookmarks(pipe, clock),
            "custom-resources": lifecycle.run,
            "apiservices": registration.run,
            "apiservice-availability": availability.run,
            "flow-schemas": lambda: flows.run(own, clock),
            "event-ttl": lambda: _expire_events(store, clock),
            **({"oidc-keys": people.run} if people is not None else {}),
        }
        for name, loop in loops.items():
            scope.supervise(name, loop)
        try:
            yield ApiServer(pipe, documents, http, nodes, accounts=accounts, components=components)
        finally:
            documents.health.ready = False
            pipe.close()
            kinds.close()
            for part in (registration, availability, aggregation.services, flows):
                part.close()
            await http.stop()
            if audit is not None:
                audit.close()


def _show(metrics: Metrics, pipe: Pipe, http: HttpServer, flows: Flows) -> None:
    for name, purpose, read in flows.gauges():
        metrics.gauge(name, purpose, read)
    metrics.gauge("apiserver_longrunning_requests", "Watches that are open.", pipe.watches)
    metrics.gauge("apiserver_resource_objects", "Objects stored, by resource.", pipe.objects)
    metrics.gauge(
        "apiserver_current_inflight_requests",
        "Requests being worked on.",
        lambda: [({"request_kind": side}, http.in_flight.taken[side]) for side in ("readOnly", "mutating")],
    )


async def _bookmarks(pipe: Pipe, clock: Clock) -> None:
    while True:
        await clock.sleep(_BOOKMARK_EVERY)
        pipe.bookmark()


class _Created(msgspec.Struct, frozen=True, rename="camel"):
    creation_timestamp: str = ""


class _EventTime(msgspec.Struct, frozen=True, rename="camel"):
    metadata: _Created
    last_timestamp: str | None = None


async def _expire_events(store: Store, clock: Clock) -> None:
    """Forget events an hour after they were last seen, as upstream's --event-ttl."""
    while True:
        horizon = clock.now() - _EVENT_TTL
        for number, record in enumerate(store.list(_EVENTS).records):
            event = msgspec.json.decode(record.value, type=_EventTime)
            seen = event.last_timestamp or event.metadata.creation_timestamp
            if seen and parse_time(seen) < horizon:
                try:
                    await store.delete(record.key, record.revision)
                except StoreError:
                    continue
            if number % _SWEEP_BATCH == 0:
                await asyncio.sleep(0)
        await clock.sleep(_SWEEP_EVERY)
