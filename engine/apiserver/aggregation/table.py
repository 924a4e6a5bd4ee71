"""The APIServices as they stand: kept current by the store's changes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.apiserver.registry.apiregistration.apiservice import API_SERVICE, AVAILABLE
from engine.store.protocol import Change, Record, Store

PREFIX = API_SERVICE.storage_prefix


class ServiceReference(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    port: int = 443


class Spec(msgspec.Struct, frozen=True, rename="camel"):
    version: str
    group: str = ""
    service: ServiceReference | None = None
    ca_bundle: str = ""
    insecure_skip_tls_verify: bool = msgspec.field(default=False, name="insecureSkipTLSVerify")
    group_priority_minimum: int = 0
    version_priority: int = 0


class Condition(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""


class Status(msgspec.Struct, frozen=True):
    conditions: tuple[Condition, ...] = ()


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    resource_version: str = ""
    labels: dict[str, str] = {}


class APIService(msgspec.Struct, frozen=True):
    """What this package reads of one."""

    metadata: Metadata
    spec: Spec
    status: Status = Status()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def group_version(self) -> tuple[str, str]:
        return self.spec.group, self.spec.version

    @property
    def available(self) -> bool:
        return any(one.type == AVAILABLE and one.status == "True" for one in self.status.conditions)


_decode = msgspec.json.Decoder(APIService).decode


class APIServices:
    """All of them by name; those of others, which a Service serves, also by group and version."""

    def __init__(self, store: Store) -> None:
        self.changed: list[Callable[[], None]] = []
        self._by_name: dict[str, APIService] = {}
        self._remote: dict[tuple[str, str], APIService] = {}
        self._subscription = store.watch(PREFIX, 0, self._on_change)
        for record in store.list(PREFIX).records:
            self._set(record)
        self._sort()

    def close(self) -> None:
        self._subscription.close()

    def all(self) -> list[APIService]:
        return list(self._by_name.values())

    def remote(self) -> list[APIService]:
        """Those that a Service serves, the most important groups and versions first."""
        return list(self._remote.values())

    def serving(self, group: str, version: str) -> APIService | None:
        """Whose Service serves a group and version; None when we do, or nobody."""
        return self._remote.get((group, version))

    def _on_change(self, change: Change) -> None:
        if change.after is not None:
            self._set(change.after)
        else:
            self._by_name.pop(change.key[len(PREFIX) :], None)
        self._sort()
        for listener in self.changed:
            listener()

    def _set(self, record: Record) -> None:
        service = _decode(record.value)
        self._by_name[service.name] = service

    def _sort(self) -> None:
        remote = [one for one in self._by_name.values() if one.spec.service is not None]
        highest: dict[str, int] = {}
        for one in remote:
            highest[one.spec.group] = max(highest.get(one.spec.group, 0), one.spec.group_priority_minimum)
        remote.sort(
            key=lambda one: (-highest[one.spec.group], one.spec.group, -one.spec.version_priority, one.spec.version)
        )
        self._remote = {one.group_version: one for one in remote}
