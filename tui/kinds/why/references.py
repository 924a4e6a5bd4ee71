"""What a pod refers to and is not there: configuration, secrets, keys, accounts, volumes, the network. Pure."""

from collections.abc import Iterator

from tui.kinds.why.case import JSON, Advice, Case, Finding, Rule, finding, only
from tui.kinds.why.wording import Wording, both, rules, waiting, warned


def references(pod: JSON) -> list[tuple[str, str]]:
    """(kind, name) of everything in its namespace that a pod's spec cannot do without, each once."""
    spec = pod.get("spec") or {}
    found: dict[tuple[str, str], None] = {}
    for volume in spec.get("volumes") or ():
        for part in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            _take(found, "ConfigMap", part.get("configMap"), "name")
            _take(found, "Secret", part.get("secret"), "secretName" if part is volume else "name")
        _take(found, "PersistentVolumeClaim", volume.get("persistentVolumeClaim"), "claimName")
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for source in container.get("envFrom") or ():
            _take(found, "ConfigMap", source.get("configMapRef"), "name")
            _take(found, "Secret", source.get("secretRef"), "name")
        for variable in container.get("env") or ():
            value = variable.get("valueFrom") or {}
            _take(found, "ConfigMap", value.get("configMapKeyRef"), "name")
            _take(found, "Secret", value.get("secretKeyRef"), "name")
    if spec.get("serviceAccountName"):
        found["ServiceAccount", spec["serviceAccountName"]] = None
    return list(found)


def _take(found: dict[tuple[str, str], None], kind: str, source: JSON | None, key: str) -> None:
    if source and source.get(key) and not source.get("optional"):
        found[kind, source[key]] = None


_CREATE = {
    "ConfigMap": "kubectl create configmap {other}{ns} --from-literal=KEY=VALUE",
    "Secret": "kubectl create secret generic {other}{ns} --from-literal=KEY=VALUE",
    "ServiceAccount": "kubectl create serviceaccount {other}{ns}",
    "PersistentVolumeClaim": "kubectl apply{ns} -f CLAIM.yaml",
}


def not_there(case: Case) -> Iterator[Finding]:
    if case.kind == "Pod" and case.status.get("phase") != "Pending":
        return
    template = (case.spec.get("template") or {}) if case.kind != "Pod" else case.obj
    for kind, name in references(template):
        if case.missing(kind, name):
            advice = Advice(f"Create the {kind}, or refer to another", "e", _CREATE[kind])
            verdict = "It needs the {kind} {other}, and there is none of that name."
            evidence = f"{kind} {case.namespace}/{name}: not found"
            yield finding(case, "reference-missing", verdict, advice, evidence, kind=kind, other=name)


_TEXTS = both(
    waiting("CreateContainerConfigError", "CreateContainerError"), warned("Failed", "FailedMount", "FailedAttachVolume")
)

WORDINGS = (
    Wording(
        "key-missing",
        r"couldn't find key (?P<key>\S+) in (?P<kind>ConfigMap|Secret) (?P<other>\S+)",
        "The {kind} {other} has no key {key}.",
        Advice("Add the key, or refer to another", ":cm", ""),
    ),
    Wording(
        "volume-key-missing",
        r"references non-existent (?:config|secret) key: (?P<key>[^\s,;]+)",
        "A volume wants the key {key}, which its ConfigMap or Secret does not have.",
        Advice("Add the key, or refer to another", "e"),
    ),
    Wording(
        "configmap-missing",
        r"configmaps? \"(?P<other>[^\"]+)\" not found",
        "It needs the ConfigMap {other}, and there is none of that name.",
        Advice("Create the ConfigMap, or refer to another", "e", _CREATE["ConfigMap"]),
    ),
    Wording(
        "secret-missing",
        r"secrets? \"(?P<other>[^\"]+)\" not found",
        "It needs the Secret {other}, and there is none of that name.",
        Advice("Create the Secret, or refer to another", "e", _CREATE["Secret"]),
    ),
    Wording(
        "hostpath-missing",
        r"hostPath type check failed: (?P<path>\S+)",
        "The path {path} is not on the machine as the volume wants it.",
        Advice("Make it there, or set the volume's type to DirectoryOrCreate", "e"),
    ),
    Wording(
        "volume-attached-elsewhere",
        r"Multi-Attach error|already exclusively attached",
        "Its volume is still attached to another machine.",
        Advice("Wait until the old pod is gone, or delete it", ":po", "kubectl get pods -A -o wide"),
    ),
    Wording(
        "volume-timeout",
        r"Unable to attach or mount volumes|timed out waiting for the condition",
        "Its volumes were not ready in time.",
        Advice("Read the other events", "d", "kubectl describe pod{ns} {name}"),
    ),
    Wording(
        "mount-failed",
        r"MountVolume\.\S+ failed for volume \"(?P<volume>[^\"]+)\"",
        "The volume {volume} cannot be mounted.",
        Advice("Read the event", "d", "kubectl describe pod{ns} {name}"),
    ),
)

SANDBOX = (
    Wording(
        "network-not-ready",
        r"cni plugin not initialized|network is not ready|NetworkPluginNotReady",
        "The machine's pod network is not set up.",
        Advice("Look at the machine", "o", "kubectl describe node {node}"),
    ),
    Wording(
        "network-addresses",
        r"no IP addresses available|range set.*exhausted",
        "The machine has no pod address left.",
        Advice("Move pods to other machines", "o", "kubectl get pods -A -o wide"),
    ),
    Wording(
        "sandbox-failed",
        r"(?P<why>.+)",
        "The machine cannot make the pod's surroundings (its sandbox).",
        Advice("Read the event; look at the machine", "o", "kubectl describe pod{ns} {name}"),
    ),
)


def _not_running(case: Case) -> Iterator[tuple[str, str]]:
    if case.status.get("phase") == "Pending":
        yield from warned("FailedCreatePodSandBox", "NetworkNotReady")(case)


RULES: tuple[Rule, ...] = (
    *rules(WORDINGS, _TEXTS, "Pod"),
    Rule(name="reference-missing", kinds=only("Pod", "Deployment", "StatefulSet", "DaemonSet"), check=not_there),
    *rules(SANDBOX, _not_running, "Pod"),
)
