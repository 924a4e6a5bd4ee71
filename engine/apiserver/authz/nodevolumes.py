"""Which PersistentVolumes are a node's business: those that its pods' claims hold, and the folders on its own disk."""

from __future__ import annotations

import msgspec

from apimachinery.objects import localpath
from engine.apiserver.authz.attributes import ALLOWED, Attributes, Decision
from engine.apiserver.authz.views import view
from engine.apiserver.registry.core.persistentvolume import PERSISTENT_VOLUME
from engine.store.protocol import Change, Record, Store, Subscription

ClaimKey = tuple[str, str]
"""(namespace, name)"""


class _Claim(msgspec.Struct, frozen=True):
    namespace: str = ""
    name: str = ""


class _Metadata(msgspec.Struct, frozen=True):
    name: str = ""
    labels: dict[str, str] = {}


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    claim_ref: _Claim | None = None


class _Volume(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    spec: _Spec = _Spec()


class NodeVolumes:
    """Feed it a store with `follow`."""

    def __init__(self) -> None:
        self._claims: dict[str, ClaimKey] = {}
        self._machines: dict[str, str] = {}

    def follow(self, store: Store) -> list[Subscription]:
        """Take in what is there and what changes from now on."""
        for record in store.list(PERSISTENT_VOLUME.storage_prefix).records:
            self._take(record)
        return [store.watch(PERSISTENT_VOLUME.storage_prefix, 0, self._changed)]

    def claim_of(self, volume: str) -> ClaimKey | None:
        """The claim that holds the volume."""
        return self._claims.get(volume)

    def decide_own(self, node: str, asked: Attributes) -> Decision | None:
        """About folders on the node's own disk; None where it asks for something else."""
        if asked.verb in ("list", "watch"):
            own = f"{localpath.MACHINE}={node}"
            return (
                ALLOWED if asked.labels == own else Decision(False, f"can only list and watch with labelSelector {own}")
            )
        if asked.verb in ("get", "patch") and self._machines.get(asked.name) == node:
            return ALLOWED
        return None

    def _changed(self, change: Change) -> None:
        before = change.before
        if before is not None:
            name = view(before.value, _Volume).metadata.name
            self._claims.pop(name, None)
            self._machines.pop(name, None)
        if change.after is not None:
            self._take(change.after)

    def _take(self, record: Record) -> None:
        volume = view(record.value, _Volume)
        name, claim = volume.metadata.name, volume.spec.claim_ref
        if claim is not None:
            self._claims[name] = (claim.namespace, claim.name)
        machine = volume.metadata.labels.get(localpath.MACHINE)
        if machine:
            self._machines[name] = machine
