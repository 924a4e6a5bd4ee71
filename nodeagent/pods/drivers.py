"""Volumes of storage drivers for pods: what the API says of driver, attachment and secrets, then the driver's calls."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import structlog

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects import quantity
from apimachinery.objects.errors import NotFound, StatusError
from apimachinery.objects.resources import CSIDRIVERS, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, VOLUMEATTACHMENTS
from nodeagent.pods.recorder import Recorder
from nodeagent.pods.references import References
from nodeagent.pods.view import Pod
from nodeagent.volumes.csi.client import DriverFailed
from nodeagent.volumes.csi.mounting import Mounter, StageFailed, Wanted
from nodeagent.volumes.group import hand_to_group
from nodeagent.volumes.objects import SECRET, MissingReference
from nodeagent.volumes.persistent import Bound, Claim, CsiDriver, PersistentVolume, VolumeAttachment
from nodeagent.volumes.podvolumes import MountFailed
from nodeagent.volumes.view import CsiSource, SecretReference, Volume

log = structlog.get_logger(__name__)
ATTACH_SECONDS, LOOK_SECONDS = 20.0, 0.5
"""How long one attempt waits for the volume to be attached to this machine, and how often it looks."""


class DriverVolumes:
    """For all pods of this machine, `node`."""

    def __init__(self, client: Client, node: str, mounter: Mounter, references: References, recorder: Recorder) -> None:
        self._client = client
        self._node = node
        self._mounter = mounter
        self._references = references
        self._recorder = recorder

    async def provide(self, pod: Pod, volume: Volume, bound: Bound | None) -> Path:
        """Raises MountFailed."""
        name = bound.volume.metadata.name if bound is not None else volume.name
        try:
            return await self._provide(pod, volume, bound)
        except StageFailed as error:
            raise MountFailed(f'MountVolume.MountDevice failed for volume "{name}" : {error}') from error
        except (DriverFailed, MissingReference, StatusError, ConnectionFailed, OSError) as error:
            raise MountFailed(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error

    async def take_back(self, uid: str) -> None:
        """Raises OSError."""
        try:
            await self._mounter.take_back(uid)
        except DriverFailed as error:
            raise OSError(f"volume not unmounted: {error}") from error

    async def grow(self, pod: Pod, bound: Bound) -> None:
        """Let the file system of a volume that has grown take all of it, and say so on the claim."""
        namespace = pod.metadata.namespace
        name = bound.volume.metadata.name
        try:
            claim = await self._client.get(PERSISTENTVOLUMECLAIMS, bound.claim, namespace, view=Claim)
            if not any(c.type == "FileSystemResizePending" and c.status == "True" for c in claim.status.conditions):
                return
            volume = await self._client.get(PERSISTENTVOLUMES, name, view=PersistentVolume)
            size = volume.spec.capacity.get("storage", "0")
            wanted = await self._wanted(pod, Volume(), bound)
            await self._mounter.expand(pod.uid, wanted, quantity.value(size))
            gone = [{"$patch": "delete", "type": kind} for kind in ("Resizing", "FileSystemResizePending")]
            status = {"capacity": {"storage": size}, "allocatedResourceStatuses": None, "conditions": gone}
            await self._client.patch(
                PERSISTENTVOLUMECLAIMS, bound.claim, {"status": status}, namespace, kind="strategic",
                subresource="status", view=Claim,
            )  # fmt: skip
        except DriverFailed as error:
            text = f'MountVolume.NodeExpandVolume failed for volume "{name}" : {error}'
            self._recorder.pod(pod, "Warning", "VolumeResizeFailed", text)
        except (StatusError, ConnectionFailed, MissingReference) as error:
            log.info("volume not grown; trying again", volume=name, error=str(error))
        else:
            text = f'MountVolume.NodeExpandVolume succeeded for volume "{name}" {self._node}'
            self._recorder.pod(pod, "Normal", "FileSystemResizeSuccessful", text)

    async def _provide(self, pod: Pod, volume: Volume, bound: Bound | None) -> Path:
        wanted = await self._wanted(pod, volume, bound)
        known = await asyncio.to_thread(self._mounter.is_published, pod.uid, wanted.name)
        driver = CsiDriver()
        if not known:
            driver = await self._driver(wanted.driver)
            if wanted.inline and "Ephemeral" not in driver.spec.volume_lifecycle_modes:
                raise DriverFailed("Unknown", f"driver {wanted.driver} does not support ephemeral inline volumes")
            wanted = await self._completed(pod, wanted, driver)
        path, grouped = await self._mounter.publish(pod.uid, wanted)
        group = pod.spec.security_context.fs_group
        if group is not None and not grouped and not wanted.read_only and _takes_group(driver, wanted):
            policy = pod.spec.security_context.fs_group_change_policy
            await asyncio.to_thread(hand_to_group, path, group, policy=policy, read_only=False)
        return path

    async def _wanted(self, pod: Pod, volume: Volume, bound: Bound | None) -> Wanted:
        """As far as pod and volume tell."""
        group = pod.spec.security_context.fs_group
        if bound is None:
            inline = volume.csi or CsiSource()
            handle = hashlib.sha256(f"{pod.uid}{volume.name}".encode()).hexdigest()
            secret = inline.node_publish_secret_ref
            own = SecretReference(name=secret.name, namespace=pod.metadata.namespace) if secret is not None else None
            return Wanted(
                driver=inline.driver, handle=f"csi-{handle}", name=volume.name, inline=True,
                read_only=inline.read_only, fs_type=inline.fs_type, context=inline.volume_attributes, group=group,
                publish_secrets=await self._secrets(own),
            )  # fmt: skip
        spec = bound.volume.spec
        source = spec.csi or CsiSource()
        return Wanted(
            driver=source.driver, handle=source.volume_handle, name=bound.volume.metadata.name,
            read_only=source.read_only or bound.read_only, fs_type=source.fs_type, options=spec.mount_options,
            access_modes=spec.access_modes, context=source.volume_attributes, group=group,
            stage_secrets=await self._secrets(source.node_stage_secret_ref),
            publish_secrets=await self._secrets(source.node_publish_secret_ref),
        )  # fmt: skip

    async def _completed(self, pod: Pod, wanted: Wanted, driver: CsiDriver) -> Wanted:
        """With what the API knows of attachment and pod."""
        fields = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
        if driver.spec.attach_required and not wanted.inline:
            fields["publish_context"] = await self._attached(wanted)
        if driver.spec.pod_info_on_mount:
            prefix = "csi.storage.k8s.io"
            fields["context"] = {
                **wanted.context,
                f"{prefix}/pod.name": pod.metadata.name,
                f"{prefix}/pod.namespace": pod.metadata.namespace,
                f"{prefix}/pod.uid": pod.uid,
                f"{prefix}/serviceAccount.name": pod.spec.service_account_name,
                f"{prefix}/ephemeral": "true" if wanted.inline else "false",
            }
        return Wanted(**fields)

    async def _driver(self, name: str) -> CsiDriver:
        """Upstream's defaults for a driver that nobody has described."""
        try:
            return await self._client.get(CSIDRIVERS, name, view=CsiDriver)
        except NotFound:
            return CsiDriver()

    async def _attached(self, wanted: Wanted) -> dict[str, str]:
        """What attaching gave, once the driver's attacher has attached the volume. Raises StageFailed."""
        name = attachment_name(wanted.driver, wanted.handle, self._node)
        until = asyncio.get_running_loop().time() + ATTACH_SECONDS
        while True:
            try:
                found = await self._client.get(VOLUMEATTACHMENTS, name, view=VolumeAttachment)
            except NotFound:
                found = VolumeAttachment()
            if found.status.attached:
                return found.status.attachment_metadata
            if asyncio.get_running_loop().time() >= until:
                raise StageFailed(f"volume {wanted.handle} is not attached to this node: timed out waiting for {name}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _secrets(self, reference: SecretReference | None) -> dict[str, str]:
        if reference is None or not reference.name:
            return {}
        wanted = {(SECRET, reference.name)}
        contents = await self._references.contents(reference.namespace, wanted, max_age=10.0)
        found = contents.get(SECRET, reference.name, optional=False)
        return {key: value.decode(errors="replace") for key, value in found.items()}


def attachment_name(driver: str, handle: str, node: str) -> str:
    """The name that all agree on for the attachment of a volume to a machine."""
    return f"csi-{hashlib.sha256(f'{handle}{driver}{node}'.encode()).hexdigest()}"


def _takes_group(driver: CsiDriver, wanted: Wanted) -> bool:
    match driver.spec.fs_group_policy:
        case "File":
            return True
        case "None":
            return False
        case _:
            return bool(wanted.fs_type) and wanted.access_modes == ("ReadWriteOnce",)
