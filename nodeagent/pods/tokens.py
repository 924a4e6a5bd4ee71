"""Tokens of service accounts for this machine's pods: asked for in time, kept on disk for when the engine is away."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import parse_time
from apimachinery.objects.resources import SERVICEACCOUNTS
from nodeagent import disk
from nodeagent.pods.view import Pod
from nodeagent.volumes.objects import TOKEN, MissingReference, Reference, token_key
from nodeagent.volumes.view import ServiceAccountTokenSource

log = structlog.get_logger(__name__)
_SHARE_OF_LIFE = 0.8
_LONGEST = 24 * 3600.0
_JSON = {"accept": "application/json", "content-type": "application/json"}


class Held(msgspec.Struct, frozen=True):
    """A token as it lies on disk; times in seconds of the epoch."""

    token: str
    obtained: float
    expires: float

    def due(self, now: float) -> bool:
        """Whether it is time for the next one, as the kubelet judges."""
        life = self.expires - self.obtained
        return now > self.obtained + min(life * _SHARE_OF_LIFE, _LONGEST) or now < self.obtained


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    token: str
    expiration_timestamp: str


class _Answer(msgspec.Struct, frozen=True):
    status: _Status


class Tokens:
    """`folder` holds one file for each token."""

    def __init__(self, client: Client, folder: Path, clock: Clock) -> None:
        self._client = client
        self._folder = folder
        self._clock = clock
        self._held: dict[Path, Held] = {}

    async def contents(
        self, pod: Pod, sources: Iterable[ServiceAccountTokenSource]
    ) -> dict[Reference, Mapping[str, bytes]]:
        """The tokens that the sources ask for, fresh while the engine answers, else as last known.

        Raises MissingReference when one cannot be had and never was.
        """
        found: dict[Reference, Mapping[str, bytes]] = {}
        for source in sources:
            token = await self._token(pod, source)
            found[TOKEN, token_key(source)] = {TOKEN: token.encode()}
        return found

    def keep_only(self, uids: Iterable[str]) -> None:
        """Forget, on disk too, the tokens of all other pods."""
        wanted = set(uids)
        self._held = {file: held for file, held in self._held.items() if _uid(file) in wanted}
        if self._folder.is_dir():
            for file in self._folder.iterdir():
                if _uid(file) not in wanted:
                    file.unlink(missing_ok=True)

    async def _token(self, pod: Pod, source: ServiceAccountTokenSource) -> str:
        file = self._file(pod, source)
        held = self._held.get(file) or _remembered(file)
        now = self._clock.now().timestamp()
        if held is None or held.due(now):
            try:
                held = await self._request(pod, source, now)
            except (ConnectionFailed, StatusError) as error:
                if held is None:
                    raise MissingReference(f"failed to fetch token: {error}") from error
                log.info("token not renewed; the pod keeps the last one", pod=pod.full_name, error=str(error))
            else:
                disk.write_private(file, msgspec.json.encode(held))
        self._held[file] = held
        return held.token

    async def _request(self, pod: Pod, source: ServiceAccountTokenSource, now: float) -> Held:
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod.metadata.name, "uid": pod.uid}
        spec: dict[str, Any] = {"expirationSeconds": source.expiration_seconds, "boundObjectRef": bound}
        if source.audience:
            spec["audiences"] = [source.audience]
        account = pod.spec.service_account_name or "default"
        path = SERVICEACCOUNTS.path(pod.metadata.namespace, account, "token")
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        raw = await self._client.call("POST", path, headers=_JSON, body=msgspec.json.encode(body))
        status = msgspec.json.decode(raw, type=_Answer).status
        return Held(status.token, now, parse_time(status.expiration_timestamp).timestamp())

    def _file(self, pod: Pod, source: ServiceAccountTokenSource) -> Path:
        digest = hashlib.sha256(token_key(source).encode()).hexdigest()[:16]
        return self._folder / f"{pod.uid}_{digest}.json"


def _uid(file: Path) -> str:
    return file.name.partition("_")[0]


def _remembered(file: Path) -> Held | None:
    raw = disk.read_if_there(file)
    try:
        return None if raw is None else msgspec.json.decode(raw, type=Held)
    except msgspec.MsgspecError:
        return None
