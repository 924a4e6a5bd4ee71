"""Names that stay: of pods, their claims and host names (upstream's stateful_set_utils.go)."""

import re
from collections.abc import Mapping

from apimachinery.objects.meta import Object, OwnerReference
from apimachinery.objects.resources import PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from engine.controllers.actions import Json
from engine.controllers.history import HASH_LABEL
from engine.controllers.podtemplate import pod_of
from engine.controllers.statefulset.views import StatefulSet
from engine.controllers.views import Pod

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)")


def parent_and_ordinal(name: str) -> tuple[str, int]:
    """What a pod's name says; ("", -1) where it has not the form of ours."""
    match = _NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else ("", -1)


def ordinal_of(pod: Pod) -> int:
    return parent_and_ordinal(pod.metadata.name)[1]


def pod_name(stateful_set: StatefulSet, ordinal: int) -> str:
    return f"{stateful_set.metadata.name}-{ordinal}"


def identity_labels(stateful_set: StatefulSet, ordinal: int) -> dict[str, str]:
    return {POD_NAME_LABEL: pod_name(stateful_set, ordinal), POD_INDEX_LABEL: str(ordinal)}


def claim_name(stateful_set: StatefulSet, claim_template: Mapping[str, Json], ordinal: int) -> str:
    return f"{claim_template['metadata']['name']}-{pod_name(stateful_set, ordinal)}"


def claim_names(stateful_set: StatefulSet, ordinal: int) -> list[str]:
    return [claim_name(stateful_set, template, ordinal) for template in stateful_set.spec.volume_claim_templates]


def pod_with_identity(stateful_set: StatefulSet, template: Json, revision: str, ordinal: int) -> Json:
    """The pod of this ordinal, its volumes naming its own claims."""
    pod = pod_of(template, STATEFULSETS, stateful_set)
    name = pod_name(stateful_set, ordinal)
    pod["metadata"]["name"] = name
    pod["metadata"]["labels"] |= {**identity_labels(stateful_set, ordinal), HASH_LABEL: revision}
    claims = {
        claim["metadata"]["name"]: claim_name(stateful_set, claim, ordinal)
        for claim in stateful_set.spec.volume_claim_templates
    }
    volumes = [
        {"name": volume, "persistentVolumeClaim": {"claimName": claim, "readOnly": False}}
        for volume, claim in claims.items()
    ]
    volumes += [v for v in template["spec"].get("volumes") or () if v.get("name") not in claims]
    pod["spec"] = {**template["spec"], "hostname": name}
    if stateful_set.spec.service_name:
        pod["spec"]["subdomain"] = stateful_set.spec.service_name
    if volumes:
        pod["spec"]["volumes"] = volumes
    return pod


def new_claim(stateful_set: StatefulSet, claim_template: Json, ordinal: int) -> Json:
    meta: Json = dict(claim_template["metadata"])
    matching = stateful_set.spec.selector.get("matchLabels") or {}
    meta |= {
        "name": claim_name(stateful_set, claim_template, ordinal),
        "namespace": stateful_set.metadata.namespace,
        "labels": {**(meta.get("labels") or {}), **matching},
    }
    if owners := claim_owners(stateful_set, None):
        meta["ownerReferences"] = owners
    return {
        "apiVersion": PERSISTENTVOLUMECLAIMS.api_version,
        "kind": PERSISTENTVOLUMECLAIMS.kind,
        "metadata": meta,
        "spec": claim_template.get("spec") or {},
    }


def claim_owners(stateful_set: StatefulSet, condemned: Pod | None) -> list[Json]:
    """Owners that the retention policy gives a claim: with the last of them the collector removes it.

    `condemned`: the claim's pod where it is to go because the set shrinks.
    """
    policy = stateful_set.spec.claim_retention
    if condemned is not None and policy.when_scaled == "Delete":
        return [_owner(PODS.api_version, PODS.kind, condemned)]
    if policy.when_deleted == "Delete":
        return [_owner(STATEFULSETS.api_version, STATEFULSETS.kind, stateful_set)]
    return []


def kept_owners(claim: Object, stateful_set: StatefulSet, pod: Pod | None) -> list[OwnerReference]:
    """Owners of a claim that are neither the set nor its pod."""
    ours = {stateful_set.metadata.uid, pod.metadata.uid if pod is not None else ""}
    return [owner for owner in claim.metadata.owner_references if owner.uid not in ours]


def _owner(api_version: str, kind: str, obj: Object) -> Json:
    return {"apiVersion": api_version, "kind": kind, "name": obj.metadata.name, "uid": obj.metadata.uid}
