"""Gives a pod's claims their volumes before the pod is bound: writes what was chosen, and waits for the others to act.

The volume controller completes a binding that we begin by a volume's `claimRef`; a provisioner makes a volume for a
claim on which we name the machine.
"""

import asyncio

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import split_key
from engine.controllers.actions import Json
from engine.runtime.schedulerwrites import NotBound
from engine.scheduler.storage import SELECTED_NODE, Storage, VolumePlan
from engine.scheduler.views import CLAIMS, VOLUMES

BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
LOOK_EVERY = 1.0
"""Seconds between looks at the claims, should no change be told."""
_FAILED = 'running PreBind plugin "VolumeBinding": binding volumes'


class VolumeWriter:
    def __init__(self, client: Client, storage: Storage) -> None:
        self._client = client
        self._storage = storage
        self._changed = asyncio.Event()

    def look_again(self) -> None:
        """A claim changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def write(self, plan: VolumePlan, machine: str) -> None:
        """Return when all claims of the plan are bound. Raises NotBound."""
        try:
            for claim, volume in plan.bindings:
                await self._bind(claim, volume)
            for claim in plan.provisions:
                await self._select(claim, machine)
        except (StatusError, ConnectionFailed) as error:
            raise NotBound(f"{_FAILED}: {error}") from error
        asked = set(plan.provisions)
        seen: set[str] = set()
        while not self._storage.all_bound(plan.claims):
            for name in asked:
                found = self._storage.claims.get(name)
                if found is None:
                    raise NotBound(f'{_FAILED}: persistentvolumeclaim "{name.partition("/")[2]}" not found')
                selected = found.metadata.annotations.get(SELECTED_NODE)
                if selected == machine:
                    seen.add(name)
                elif name in seen:
                    # The provisioner cannot make it there and asks for another machine.
                    raise NotBound(f'{_FAILED}: provisioning failed for PVC "{name.partition("/")[2]}"')
            changed = self._changed
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _bind(self, claim: str, volume: str) -> None:
        wanted, found = self._storage.claims.get(claim), self._storage.volumes.get(volume)
        if wanted is None or found is None:
            raise NotBound(f"{_FAILED}: claim {claim} or volume {volume} is gone")
        namespace, name = split_key(claim)
        reference: Json = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": namespace,
            "name": name,
            "uid": wanted.metadata.uid,
            "resourceVersion": wanted.metadata.resource_version,
        }
        body: Json = {
            "metadata": {
                "resourceVersion": found.metadata.resource_version,
                "annotations": {BOUND_BY_CONTROLLER: "yes"},
            },
            "spec": {"claimRef": reference},
        }
        if found.spec.claim_ref is not None:
            # It was set aside for this claim by hand: that stays visible.
            del body["metadata"]["annotations"]
        await self._client.patch(VOLUMES, volume, body)

    async def _select(self, claim: str, machine: str) -> None:
        namespace, name = split_key(claim)
        found = self._storage.claims.get(claim)
        if found is not None and found.metadata.annotations.get(SELECTED_NODE) == machine:
            return
        await self._client.patch(CLAIMS, name, {"metadata": {"annotations": {SELECTED_NODE: machine}}}, namespace)
