"""Which flow schema and priority level a request was counted under, told in headers as upstream does.

There are two of each that mean anything: the exempt one for masters, the catch-all for everybody else (overload.py).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.apiserver.overload import MASTERS
from engine.apiserver.registry.flowcontrol.bootstrap import CATCH_ALL, EXEMPT
from engine.apiserver.registry.flowcontrol.flowschema import FLOW_SCHEMA
from engine.apiserver.registry.flowcontrol.prioritylevel import PRIORITY_LEVEL_CONFIGURATION
from engine.apiserver.request import User
from engine.store.protocol import Change, Store

_HEADERS = {
    FLOW_SCHEMA.storage_prefix: "x-kubernetes-pf-flowschema-uid",
    PRIORITY_LEVEL_CONFIGURATION.storage_prefix: "x-kubernetes-pf-prioritylevel-uid",
}


class _Identity(msgspec.Struct, frozen=True):
    uid: str = ""


class _Object(msgspec.Struct, frozen=True):
    metadata: _Identity = _Identity()


class Flows:
    """Follows the objects of both kinds in a store."""

    def __init__(self, store: Store) -> None:
        self._headers: dict[str, dict[str, str]] = {EXEMPT: {}, CATCH_ALL: {}}
        for prefix in _HEADERS:
            for record in store.list(prefix).records:
                self._note(prefix, record.key, record.value)
        self._subscriptions = [store.watch(prefix, 0, self._changed) for prefix in _HEADERS]

    def headers(self, user: User) -> Mapping[str, str]:
        """What to tell with the answer to this user's request."""
        return self._headers[EXEMPT if MASTERS in user.groups else CATCH_ALL]

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()

    def _changed(self, change: Change) -> None:
        prefix = next(prefix for prefix in _HEADERS if change.key.startswith(prefix))
        self._note(prefix, change.key, change.after.value if change.after is not None else None)

    def _note(self, prefix: str, key: str, value: bytes | None) -> None:
        headers = self._headers.get(key.removeprefix(prefix))
        if headers is None:
            return
        if value is None:
            headers.pop(_HEADERS[prefix], None)
        else:
            headers[_HEADERS[prefix]] = msgspec.json.decode(value, type=_Object).metadata.uid
