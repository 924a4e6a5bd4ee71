"""Which volumes are attached where."""

from typing import Any

import pytest

from apimachinery.objects.meta import ObjectMeta
from engine.controllers.actions import Action, Create, Delete, Emit
from engine.controllers.storage.attaching import (
    AttachError,
    AttachmentSource,
    AttachmentSpec,
    AttachmentStatus,
    Observed,
    VolumeAttachment,
    plan,
)
from engine.controllers.storage.views import CsiSource
from tests.engine.controllers.objects import pod
from tests.engine.controllers.storage.objects import volume

DISK = volume(csi=CsiSource(driver="d.example", volume_handle="h"))


def attached(node: str, *, error: str = "", done: bool = True) -> VolumeAttachment:
    return VolumeAttachment(
        metadata=ObjectMeta(name=f"a-{node}", uid=f"uid-{node}"),
        spec=AttachmentSpec(attacher="d.example", node_name=node, source=AttachmentSource("disk")),
        status=AttachmentStatus(attached=done, attach_error=AttachError(error) if error else None),
    )


@pytest.mark.parametrize(
    ("observed", "kinds"),
    [
        pytest.param(Observed(volume=volume(), pods=(pod(),)), [], id="no driver's volume"),
        pytest.param(Observed(volume=DISK), [], id="no pod"),
        pytest.param(Observed(volume=DISK, pods=(pod(node=""),)), [], id="pod without machine"),
        pytest.param(Observed(volume=DISK, pods=(pod(),)), [Create], id="wanted"),
        pytest.param(Observed(volume=DISK, pods=(pod(),), attach_required=False), [], id="driver attaches nothing"),
        pytest.param(Observed(volume=DISK, pods=(pod(),), attachments=(attached("m1"),)), [], id="attached"),
        pytest.param(Observed(volume=DISK, attachments=(attached("m1"),)), [Delete], id="wanted no more"),
        pytest.param(
            Observed(volume=DISK, pods=(pod(phase="Succeeded"),), attachments=(attached("m1"),)),
            [Delete],
            id="pod ended",
        ),
        pytest.param(
            Observed(volume=DISK, pods=(pod("a"), pod("b", node="m2")), attachments=(attached("m1"),)),
            [Emit],
            id="exclusive elsewhere",
        ),
        pytest.param(
            Observed(volume=DISK, pods=(pod(),), attachments=(attached("m1", error="no", done=False),)),
            [Emit],
            id="fails",
        ),
    ],
)
def test_volume_is_attached_where_a_pod_needs_it(observed: Observed, kinds: list[type[Action]]) -> None:
    assert [type(action) for action in plan(observed)] == kinds


def test_shared_volume_is_attached_to_several_machines() -> None:
    shared = volume(csi=CsiSource(driver="d.example", volume_handle="h"), access_modes=("ReadWriteMany",))
    pods = (pod("a"), pod("b", node="m2"))
    (made,) = plan(Observed(volume=shared, pods=pods, attachments=(attached("m1"),)))
    assert isinstance(made, Create)
    spec: dict[str, Any] = made.body["spec"]
    assert spec == {"attacher": "d.example", "nodeName": "m2", "source": {"persistentVolumeName": "disk"}}
    # sha256 of handle, driver and machine, as external-attacher and kubelet reckon it
    assert made.body["metadata"]["name"].startswith("csi-")
    assert len(made.body["metadata"]["name"]) == 4 + 64


def test_texts_are_upstreams() -> None:
    (emitted,) = plan(Observed(volume=DISK, pods=(pod("b", node="m2"),), attachments=(attached("m3"),)))[1:]
    assert isinstance(emitted, Emit)
    assert emitted.note.reason == "FailedAttachVolume"
    assert emitted.note.message == (
        'Multi-Attach error for volume "disk" Volume is already exclusively attached to one node and can\'t be attached'
        " to another"
    )
