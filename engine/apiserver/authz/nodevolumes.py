"""Which PersistentVolumes are a node's business: those that its pods' claims hold, and the folders on its own disk."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from apimachinery.objects import localpath
from engine.apiserver.authz.attributes import ALLOWED, Attributes, Decision
from engine.apiserver.authz.views import view
from engine.apiserver.registry.core.persistentvolume import PERSISTENT_VOLUME
from engine.apiserver.registry.storage.volumeattachment import VOLUME_ATTACHMENT
from engine.store.protocol import Change, Record, Store, Subscription

ClaimKey = tuple[str, str]
"""(namespace, name)"""


class _Claim(msgspec.Struct, frozen=True):
    namespace: str = ""
    name: str = ""


class _Metadata(msgspec.Struct, frozen=True):
    name: str = ""
    labels: dict[str, str] = {}


class _Csi(msgspec.Struct, frozen=True, rename="camel"):
    node_stage_secret_ref: _Claim | None = None
    node_publish_secret_ref: _Claim | None = None
    node_expand_secret_ref: _Claim | None = None


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    claim_ref: _Claim | None = None
    csi: _Csi | None = None


class _Volume(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    spec: _Spec = _Spec()


class _AttachmentSpec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""


class _Attachment(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    spec: _AttachmentSpec = _AttachmentSpec()


class NodeVolumes:
    """Feed it a store with `follow`."""

    def __init__(self) -> None:
        self._claims: dict[str, ClaimKey] = {}
        self._machines: dict[str, str] = {}
        self._secrets: dict[ClaimKey, set[str]] = {}
        """The volumes whose driver needs the secret."""
        self._attached: dict[str, str] = {}

    def follow(self, store: Store) -> list[Subscription]:
        """Take in what is there and what changes from now on."""
        for record in store.list(PERSISTENT_VOLUME.storage_prefix).records:
            self._take(record)
        for record in store.list(VOLUME_ATTACHMENT.storage_prefix).records:
            self._take_attachment(record)
        return [
            store.watch(PERSISTENT_VOLUME.storage_prefix, 0, self._changed),
            store.watch(VOLUME_ATTACHMENT.storage_prefix, 0, self._attachment_changed),
        ]

    def claim_of(self, volume: str) -> ClaimKey | None:
        """The claim that holds the volume."""
        return self._claims.get(volume)

    def claims_needing(self, namespace: str, secret: str) -> Iterator[ClaimKey]:
        """The claims whose volumes cannot be mounted without the secret."""
        for volume in self._secrets.get((namespace, secret), ()):
            claim = self._claims.get(volume)
            if claim is not None:
                yield claim

    def is_attached_to(self, attachment: str, node: str) -> bool:
        return self._attached.get(attachment) == node

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
            volume = view(before.value, _Volume)
            name = volume.metadata.name
            self._claims.pop(name, None)
            self._machines.pop(name, None)
            for secret in _secrets_of(volume):
                self._secrets.get(secret, set()).discard(name)
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
        for secret in _secrets_of(volume):
            self._secrets.setdefault(secret, set()).add(name)

    def _attachment_changed(self, change: Change) -> None:
        if change.after is not None:
            self._take_attachment(change.after)
        elif change.before is not None:
            self._attached.pop(view(change.before.value, _Attachment).metadata.name, None)

    def _take_attachment(self, record: Record) -> None:
        attachment = view(record.value, _Attachment)
        self._attached[attachment.metadata.name] = attachment.spec.node_name


def _secrets_of(volume: _Volume) -> Iterator[ClaimKey]:
    csi = volume.spec.csi
    if csi is not None:
        for reference in (csi.node_stage_secret_ref, csi.node_publish_secret_ref, csi.node_expand_secret_ref):
            if reference is not None:
                yield reference.namespace, reference.name
