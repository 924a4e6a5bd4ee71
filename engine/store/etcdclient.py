"""Talks to etcd v3: several endpoints, TLS, user and password, one retry policy. The one module that imports grpc.

Imported only where the store is etcd. Everything raised is a StoreError.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The engine starts ssh and other programs: grpc must not run code of its own in their first moments, nor speak.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import grpc.aio
import structlog
from aetcd import rpc as _untyped_rpc

from apimachinery.aio.backoff import Backoff
from engine.store.errors import Compacted, StoreError, StoreFull, StoreUnavailable
from engine.store.etcdaccess import EtcdAccess

log = structlog.get_logger(__name__)
rpc: Any = _untyped_rpc
"""etcd's messages, as generated."""

ATTEMPT = 3.0
"""Seconds for one try at one member."""
_PAUSE = 0.05
_PAGE = 1000
_QUIET = 5.0

# Dead peers are noticed in seconds; etcd refuses pings more frequent than one in five seconds.
_CHANNEL = (
    ("grpc.keepalive_time_ms", 6000),
    ("grpc.keepalive_timeout_ms", 3000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Proxies in the environment are for the web, not for the cluster's own store.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)
_MOVE_ON = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
_END: Any = getattr(grpc.aio, "EOF")  # noqa: B009 - grpc's types do not know it
_COMPACTED = "required revision has been compacted"
_LOGIN_AGAIN = ("invalid auth token", "revision of auth store is old", "user name is empty")


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and whether an earlier try of the same request may have taken effect as well."""

    response: Any
    repeated: bool


class _Member:
    """One endpoint's channel and stubs."""

    def __init__(self, endpoint: str, credentials: grpc.ChannelCredentials | None) -> None:
        self.endpoint = endpoint
        target = endpoint.partition("://")[2].rstrip("/")
        if endpoint.startswith("https://"):
            self.channel = grpc.aio.secure_channel(target, credentials, _CHANNEL)  # pyright: ignore[reportArgumentType]
        else:
            self.channel = grpc.aio.insecure_channel(target, _CHANNEL)
        self.kv = rpc.KVStub(self.channel)
        self.watches = rpc.WatchStub(self.channel)
        self.auth = rpc.AuthStub(self.channel)


class EtcdClient:
    """Make it inside a running loop; `close` it."""

    def __init__(self, access: EtcdAccess) -> None:
        if not access.endpoints:
            raise StoreUnavailable("no etcd endpoints were given; name them with --etcd-endpoints")
        for endpoint in access.endpoints:
            if not endpoint.startswith(("http://", "https://")):
                raise StoreUnavailable(f"etcd endpoint {endpoint!r} is not a URL such as https://10.0.0.1:2379")
        self._access = access
        credentials = _credentials(access)
        self._members = [_Member(endpoint, credentials) for endpoint in access.endpoints]
        self._current = 0
        self._left_at = float("-inf")
        self._token = ""
        self._login_lock = asyncio.Lock()

    @property
    def endpoints(self) -> str:
        return ", ".join(member.endpoint for member in self._members)

    async def close(self) -> None:
        for member in self._members:
            await member.channel.close(grace=None)

    async def range(self, request: Any) -> Any:
        """Raises Compacted (with the oldest unknown: 0), StoreUnavailable."""
        return (await self._call(lambda member: member.kv.Range, request)).response

    async def txn(self, request: Any) -> Answered:
        """Raises StoreUnavailable; then nobody knows whether it took effect."""
        return await self._call(lambda member: member.kv.Txn, request)

    async def compact(self, revision: int) -> None:
        """Forget what was before; a revision compacted already is no error."""
        try:
            await self._call(lambda member: member.kv.Compact, rpc.CompactionRequest(revision=revision))
        except Compacted:
            return

    async def pages(self, prefix: str, revision: int) -> AsyncGenerator[Sequence[Any]]:
        """All key-values under a prefix as they were at `revision`, in order of key."""
        start, end = prefix.encode(), end_of(prefix)
        while True:
            found = await self.range(
                rpc.RangeRequest(key=start, range_end=end, revision=revision, limit=_PAGE),
            )
            if found.kvs:
                yield found.kvs
            if not found.more:
                return
            start = found.kvs[-1].key + b"\0"

    async def watch(self, prefix: str, start_revision: int) -> AsyncGenerator[Any]:
        """Responses of one watch, beginning with its confirmation. Ends by an exception only.

        Raises Compacted, StoreUnavailable; the next call asks the next member.
        """
        member = self._members[self._current]
        create = rpc.WatchCreateRequest(
            key=prefix.encode(), range_end=end_of(prefix), start_revision=start_revision, progress_notify=True
        )
        try:
            if self._access.user and not self._token:
                await self._login(member, "")
            call: Any = member.watches.Watch(metadata=self._metadata())
            try:
                await call.write(rpc.WatchRequest(create_request=create))
                while True:
                    response: Any = await call.read()
                    if response is _END:
                        raise StoreUnavailable(f"etcd at {member.endpoint} ended the watch")
                    if response.compact_revision:
                        raise Compacted(start_revision, response.compact_revision)
                    if response.canceled:
                        self._token = ""
                        raise StoreUnavailable(f"etcd at {member.endpoint} ended the watch: {response.cancel_reason}")
                    yield response
            finally:
                call.cancel()
        except grpc.aio.AioRpcError as error:
            if _asks_for_login(error):
                self._token = ""
            else:
                self._leave(member)
            raise self._translated(error, member) from error

    async def compacted_at(self, prefix: str) -> int:
        """The revision that the history has been cut at; only to be called when something has been compacted."""
        try:
            async with asyncio.timeout(self._access.patience), aclosing(self.watch(f"{prefix}\0none", 1)) as responses:
                async for _ in responses:
                    continue
        except Compacted as error:
            return error.oldest
        except TimeoutError as error:
            raise StoreUnavailable(f"etcd at {self.endpoints} does not say where its history begins") from error
        return 0

    async def _call(self, method: Callable[[_Member], Any], request: Any) -> Answered:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._access.patience
        pauses = Backoff(initial=_PAUSE, maximum=1.0)
        logins = 0
        repeated = False
        while True:
            member = self._members[self._current]
            token = self._token
            try:
                if self._access.user and not token:
                    await self._login(member, "")
                response = await method(member)(request, timeout=ATTEMPT, metadata=self._metadata())
                return Answered(response, repeated)
            except grpc.aio.AioRpcError as error:
                if _asks_for_login(error) and self._access.user and logins < 3:
                    logins += 1
                    await self._login(member, token)
                    continue
                if error.code() not in _MOVE_ON or loop.time() > deadline:
                    raise self._translated(error, member) from error
                repeated = True
                self._leave(member)
            await asyncio.sleep(pauses.next())

    def _leave(self, member: _Member) -> None:
        """Ask the next member from now on, unless somebody moved on already."""
        if self._members[self._current] is member and len(self._members) > 1:
            self._current = (self._current + 1) % len(self._members)
            now = asyncio.get_running_loop().time()
            if now - self._left_at > _QUIET:
                # Once for a spell of trouble, however many callers meet it.
                log.info("etcd member does not answer; asking another", endpoint=member.endpoint)
            self._left_at = now

    async def _login(self, member: _Member, stale: str) -> None:
        async with self._login_lock:
            if self._token and self._token != stale:
                return
            request = rpc.AuthenticateRequest(name=self._access.user, password=self._access.password)
            self._token = (await member.auth.Authenticate(request, timeout=ATTEMPT)).token

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        # A member cut off from the others says so instead of answering late or never.
        leader = ("hasleader", "true")
        return (leader, ("token", self._token)) if self._token else (leader,)

    def _translated(self, error: grpc.aio.AioRpcError, member: _Member) -> StoreError:
        details = error.details() or error.code().name
        if _COMPACTED in details:
            return Compacted(0, 0)
        if "database space exceeded" in details:
            return StoreFull(f"etcd at {member.endpoint} has reached its quota: compact and defragment it, then disarm")
        if error.code() in _MOVE_ON:
            return StoreUnavailable(f"etcd at {self.endpoints} does not answer: {details}")
        return StoreUnavailable(f"etcd at {member.endpoint} refused: {details.removeprefix('etcdserver: ')}")


def end_of(prefix: str) -> bytes:
    """Where the keys that begin with `prefix` end."""
    raw = prefix.encode()
    return raw[:-1] + bytes((raw[-1] + 1,))


def _asks_for_login(error: grpc.aio.AioRpcError) -> bool:
    details = error.details() or ""
    return any(text in details for text in _LOGIN_AGAIN)


def _credentials(access: EtcdAccess) -> grpc.ChannelCredentials | None:
    if not any(endpoint.startswith("https://") for endpoint in access.endpoints):
        return None

    def content(path: Path | None) -> bytes | None:
        if path is None:
            return None
        try:
            return path.read_bytes()
        except OSError as error:
            raise StoreUnavailable(f"cannot read {path} for etcd: {error.strerror}") from error

    return grpc.ssl_channel_credentials(
        root_certificates=content(access.ca_file),
        private_key=content(access.key_file),
        certificate_chain=content(access.cert_file),
    )
