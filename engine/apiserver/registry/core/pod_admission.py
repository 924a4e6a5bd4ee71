"""What upstream's built-in admission plugins do to new pods.

ServiceAccount, Priority, DefaultTolerationSeconds, RuntimeClass, PodTopologyLabels: plugin/pkg/admission.
"""

from __future__ import annotations

from collections.abc import Iterator

from apimachinery.objects.errors import Forbidden
from apimachinery.objects.quantity import parse
from engine.apiserver.registry.core.accounttoken import mount_account_token
from engine.apiserver.registry.kind import Context, Json
from engine.apiserver.registry.scheduling.priorityclass import SYSTEM_CLASSES

_DEFAULT_ACCOUNT = "default"
_EVICTION_AFTER = 300
_AUTOMATIC_TOLERATIONS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
# They count even where somebody deleted them.
_SYSTEM_CLASSES: dict[str, Json] = {
    name: {"metadata": {"name": name}, "value": value} for name, value in SYSTEM_CLASSES.items()
}
_MIRROR = "kubernetes.io/config.mirror"
_ENFORCE_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"
TOPOLOGY_LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


def admit(obj: Json, context: Context) -> None:
    """Do what all of them do. May be asked again about a pod that was admitted and then changed."""
    spec: Json = obj["spec"]
    if _MIRROR in obj["metadata"].get("annotations", {}):
        _check_mirror(obj)
    else:
        _admit_account(obj, context)
    _admit_priority(obj, context)
    for key in _AUTOMATIC_TOLERATIONS:
        tolerations: list[Json] = spec.setdefault("tolerations", [])
        if not any(
            toleration.get("key", "") in {key, ""} and toleration.get("effect", "") in {"NoExecute", ""}
            for toleration in tolerations
        ):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _EVICTION_AFTER}
            )
    _admit_runtime_class(obj, context)
    if spec.get("nodeName"):
        copy_topology_labels(obj["metadata"], spec["nodeName"], context)


def copy_topology_labels(metadata: Json, node: str, context: Context) -> None:
    """Give a pod, or the binding of one, the zone and region of its machine; what it says itself stays."""
    found = context.lookup("", "nodes", "", node)
    labels: dict[str, str] = found["metadata"].get("labels") or {} if found is not None else {}
    copied = {name: labels[name] for name in TOPOLOGY_LABELS if name in labels}
    if copied:
        metadata["labels"] = {**copied, **(metadata.get("labels") or {})}


def _check_mirror(obj: Json) -> None:
    spec: Json = obj["spec"]
    if spec.get("serviceAccountName"):
        raise _refused(obj, "a mirror pod may not reference service accounts")
    volumes: list[Json] = spec.get("volumes") or []
    if any(volume.get("secret") is not None for volume in volumes):
        raise _refused(obj, "a mirror pod may not reference secrets")
    projected = [source for volume in volumes for source in (volume.get("projected") or {}).get("sources") or ()]
    if any(source.get("serviceAccountToken") is not None for source in projected):
        raise _refused(obj, "a mirror pod may not use ServiceAccountToken volume projections")


def _admit_account(obj: Json, context: Context) -> None:
    spec, meta = obj["spec"], obj["metadata"]
    name = spec.get("serviceAccountName") or _DEFAULT_ACCOUNT
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    account = context.lookup("", "serviceaccounts", meta.get("namespace", ""), name)
    if account is None:
        # The default account is made a moment after its namespace: a pod created in between need not fail.
        if name != _DEFAULT_ACCOUNT:
            detail = (
                f'error looking up service account {meta.get("namespace")}/{name}: serviceaccount "{name}" not found'
            )
            raise _refused(obj, detail)
        account = {}
    if (account.get("metadata", {}).get("annotations") or {}).get(_ENFORCE_MOUNTABLE, "").lower() in _TRUE:
        problem = next(_forbidden_secrets(spec, account, name), "")
        if problem:
            raise _refused(obj, problem)
    mount_account_token(obj, account)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = account["imagePullSecrets"]


_TRUE = frozenset({"1", "t", "true"})


def _forbidden_secrets(spec: Json, account: Json, name: str) -> Iterator[str]:
    """What the pod uses of Secrets that its account does not name."""
    allowed = {one.get("name") for one in account.get("secrets") or ()}
    because = f"because service account {name} does not reference that secret"
    for volume in spec.get("volumes") or ():
        secret = (volume.get("secret") or {}).get("secretName")
        if secret is not None and secret not in allowed:
            yield f'volume with secret.secretName="{secret}" is not allowed {because}'
    for field, word in (("initContainers", "init container"), ("containers", "container")):
        for container in spec.get(field) or ():
            for variable in container.get("env") or ():
                secret = ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name")
                if secret is not None and secret not in allowed:
                    yield (
                        f"{word} {container.get('name')} with envVar {variable.get('name')} referencing"
                        f' secret.secretName="{secret}" is not allowed {because}'
                    )
    pulls = {one.get("name") for one in account.get("imagePullSecrets") or ()}
    for index, pull in enumerate(spec.get("imagePullSecrets") or ()):
        if pull.get("name") not in pulls:
            yield (
                f'imagePullSecrets[{index}].name="{pull.get("name")}" is not allowed because service account {name}'
                " does not reference that imagePullSecret"
            )


def _admit_runtime_class(obj: Json, context: Context) -> None:
    spec: Json = obj["spec"]
    name = spec.get("runtimeClassName")
    found: Json = {}
    if name:
        known = context.lookup("node.k8s.io", "runtimeclasses", "", name)
        if known is None:
            raise _refused(obj, f'pod rejected: RuntimeClass "{name}" not found')
        found = known
    overhead: dict[str, str] | None = (found.get("overhead") or {}).get("podFixed")
    given: dict[str, str] | None = spec.get("overhead")
    if given is not None and overhead is None:
        raise _refused(obj, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")
    if overhead is not None:
        if given is not None and not _same_amounts(given, overhead):
            raise _refused(obj, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        spec["overhead"] = dict(overhead)
    scheduling: Json = found.get("scheduling") or {}
    selector: dict[str, str] = scheduling.get("nodeSelector") or {}
    chosen: dict[str, str] = spec.get("nodeSelector") or {}
    for key, value in selector.items():
        if chosen.get(key, value) != value:
            raise _refused(
                obj,
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value};"
                f" pod.spec.nodeSelector[{key}] = {chosen[key]}",
            )
    if selector:
        spec["nodeSelector"] = {**chosen, **selector}
    tolerations: list[Json] = spec.get("tolerations") or []
    spec["tolerations"] = [
        *tolerations,
        *(one for one in scheduling.get("tolerations") or () if one not in tolerations),
    ]


def _same_amounts(left: dict[str, str], right: dict[str, str]) -> bool:
    return left.keys() == right.keys() and all(parse(left[name]) == parse(right[name]) for name in left)


def _admit_priority(obj: Json, context: Context) -> None:
    spec: Json = obj["spec"]
    name = spec.get("priorityClassName", "")
    found = _priority_class(name, context)
    if found is None and name:
        raise _refused(obj, f"no PriorityClass with name {name} was found")
    found = found or {}
    if not name and found:
        spec["priorityClassName"] = found["metadata"]["name"]
    priority = found.get("value", 0)
    if spec.setdefault("priority", priority) != priority:
        raise _refused(
            obj,
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec;"
            f" priority admission controller computed {priority} from the given PriorityClass name",
        )
    policy = found.get("preemptionPolicy", "PreemptLowerPriority")
    if spec.setdefault("preemptionPolicy", policy) != policy:
        raise _refused(
            obj,
            f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec;"
            f" priority admission controller computed {policy} from the given PriorityClass name",
        )


def _priority_class(name: str, context: Context) -> Json | None:
    """The class named; for no name the one that is marked as default, the lowest if there are several."""
    if name:
        return context.lookup("scheduling.k8s.io", "priorityclasses", "", name) or _SYSTEM_CLASSES.get(name)
    marked = [item for item in context.find("scheduling.k8s.io", "priorityclasses", "") if item.get("globalDefault")]
    return min(marked, key=lambda item: item.get("value", 0), default=None)


def _refused(obj: Json, detail: str) -> Forbidden:
    name = obj["metadata"].get("name", "")
    return Forbidden(f'pods "{name}" is forbidden: {detail}', details={"name": name, "kind": "pods"})
