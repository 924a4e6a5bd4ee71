"""Makes the claims of pods' ephemeral volumes: `POD-VOLUME`, which live as long as the pod.

Source: pkg/controller/volume/ephemeral.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from apimachinery.objects.meta import controller_of, key, object_key
from apimachinery.objects.resources import PERSISTENTVOLUMECLAIMS, PODS
from engine.controllers.actions import About, Action, Create, Emit, Json, Note
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.ownership import is_controlled_by, owner_reference
from engine.controllers.storage.views import CLAIM_SOURCE, Claim, is_going
from engine.controllers.views import POD_SOURCE, Pod, PodVolume


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`claims`: those that are there under the names of the pod's ephemeral volumes."""

    pod: Pod
    claims: Mapping[str, Claim] = field(default_factory=dict[str, Claim])


def plan(observed: Observed) -> list[Action]:
    pod = observed.pod
    if is_going(pod.metadata):
        return []
    actions: list[Action] = []
    for volume in pod.spec.volumes:
        if volume.ephemeral is None:
            continue
        name = _claim_name(pod, volume)
        found = observed.claims.get(name)
        if found is None:
            actions.append(_create(pod, volume, name))
        elif not is_controlled_by(found, pod.metadata.uid):
            namespace = pod.metadata.namespace
            text = f"PVC {namespace}/{name} was not created for pod {namespace}/{pod.metadata.name} (pod is not owner)"
            actions.append(Emit(note=_failed(pod, volume, text)))
    return actions


def _create(pod: Pod, volume: PodVolume, name: str) -> Create:
    meta = pod.metadata
    raw = volume.ephemeral.volume_claim_template if volume.ephemeral is not None else b"{}"
    template: Json = msgspec.json.decode(raw)
    described: Json = template.get("metadata") or {}
    kept = {field: described[field] for field in ("annotations", "labels") if described.get(field)}
    return Create(
        resource=PERSISTENTVOLUMECLAIMS,
        namespace=meta.namespace,
        body={
            "apiVersion": PERSISTENTVOLUMECLAIMS.api_version,
            "kind": PERSISTENTVOLUMECLAIMS.kind,
            "metadata": {
                "name": name,
                "namespace": meta.namespace,
                **kept,
                "ownerReferences": [owner_reference(PODS, pod)],
            },
            "spec": template.get("spec") or {},
        },
        failed=_failed(pod, volume, f"create PVC {name}: {{error}}"),
    )


def _failed(pod: Pod, volume: PodVolume, text: str) -> Note:
    message = f"ephemeral volume {volume.name}: {text}"
    return Note(about=About.of(PODS, pod), reason="FailedBinding", message=message, type="Warning")


def _claim_name(pod: Pod, volume: PodVolume) -> str:
    return f"{pod.metadata.name}-{volume.name}"


class EphemeralVolumes:
    name = "ephemeral-volume"
    component = "ephemeral_volume"

    def __init__(self) -> None:
        self.watches = (
            Watch(POD_SOURCE, _if_ephemeral),
            Watch(CLAIM_SOURCE, _pod_of_claim),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        pod = reader.get(POD_SOURCE, key)
        if pod is None:
            return None
        names = [_claim_name(pod, volume) for volume in pod.spec.volumes if volume.ephemeral is not None]
        found = {name: reader.get(CLAIM_SOURCE, object_key(pod.metadata.namespace, name)) for name in names}
        return Observed(pod=pod, claims={name: claim for name, claim in found.items() if claim is not None})

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _if_ephemeral(pod: Pod, _reader: Reader) -> Iterable[str]:
    return [key(pod)] if any(volume.ephemeral is not None for volume in pod.spec.volumes) else []


def _pod_of_claim(claim: Claim, _reader: Reader) -> Iterable[str]:
    owner = controller_of(claim.metadata)
    return [object_key(claim.metadata.namespace, owner.name)] if owner is not None and owner.kind == "Pod" else []
