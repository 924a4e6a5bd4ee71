"""Why a Service leads nowhere, a claim has no volume, an Ingress no backend, a machine is not ready. Pure."""

from collections.abc import Iterator

from tui.kinds.why.case import JSON, Advice, Case, Finding, Rule, finding, only
from tui.kinds.why.wording import Wording, rules

# Services


def _ready(pod: JSON) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def service_empty(case: Case) -> Iterator[Finding]:
    selector = case.spec.get("selector") or {}
    if not selector or case.pods is None:
        return
    words = ",".join(f"{key}={value}" for key, value in selector.items())
    if not case.pods:
        yield finding(
            case,
            "service-selects-nothing",
            "It leads nowhere: no pod has the labels it selects.",
            Advice("Correct the selector, or the pods' labels", "e", "kubectl get pods{ns} --show-labels"),
            f"selector: {words}",
        )
    elif not any(_ready(pod) for pod in case.pods):
        names = [pod["metadata"]["name"] for pod in case.pods]
        yield finding(
            case,
            "service-pods-not-ready",
            "It leads nowhere: none of its {count} pods is ready.",
            Advice("See why they are not: Enter, then w", "⏎", "kubectl get pods{ns} -l " + words),
            *names[:3],
            count=str(len(names)),
        )


def service_port(case: Case) -> Iterator[Finding]:
    if not case.pods:
        return
    named = {
        port["name"]
        for pod in case.pods
        for container in (pod.get("spec") or {}).get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("name")
    }
    for port in case.spec.get("ports") or ():
        target = port.get("targetPort")
        if isinstance(target, str) and not target.isdigit() and target not in named:
            there = ", ".join(sorted(named)) or "none"
            yield finding(
                case,
                "service-port-name",
                "Its port {port} wants the pods' port named {target}, and no pod has one.",
                Advice("Correct targetPort, or name the container's port", "e"),
                f"names there are: {there}",
                port=str(port.get("port")),
                target=target,
            )


def service_no_selector(case: Case) -> Iterator[Finding]:
    plain = case.spec.get("type") != "ExternalName" and not case.spec.get("selector")
    if plain and case.missing("EndpointSlice", case.name):
        yield finding(
            case,
            "service-no-selector",
            "It has no selector, and nobody wrote endpoints for it.",
            Advice("Give it a selector", "e", "kubectl get endpointslices{ns}"),
            "spec.selector: none",
        )


def service_balancer(case: Case) -> Iterator[Finding]:
    waits = not ((case.status.get("loadBalancer") or {}).get("ingress"))
    if case.spec.get("type") == "LoadBalancer" and waits and case.age(case.meta.get("creationTimestamp")) > 60:
        yield finding(
            case,
            "service-no-address",
            "It waits for an outer address that nothing has given it.",
            Advice("Nothing here provides load balancers; use NodePort, or install one", "e"),
            "status.loadBalancer: empty",
        )


def ingress_backend(case: Case) -> Iterator[Finding]:
    for service in backends(case.obj):
        if case.missing("Service", service):
            yield finding(
                case,
                "ingress-no-service",
                "It leads to the Service {service}, and there is none of that name.",
                Advice("Correct the backend, or create the Service", "e", "kubectl get services{ns}"),
                f"Service {case.namespace}/{service}: not found",
                service=service,
            )


def backends(ingress: JSON) -> list[str]:
    """The names of the Services that an Ingress leads to, each once."""
    spec = ingress.get("spec") or {}
    found = [spec.get("defaultBackend") or {}]
    for rule in spec.get("rules") or ():
        found += [path.get("backend") or {} for path in (rule.get("http") or {}).get("paths") or ()]
    names = [((one.get("service") or {}).get("name")) for one in found]
    return list(dict.fromkeys(name for name in names if name))


# Claims

CLAIM = (
    Wording(
        "claim-class-missing",
        r"storageclass\S* \"(?P<other>[^\"]+)\" not found",
        "It wants the storage class {other}, and there is none of that name.",
        Advice("Name one that exists", "e", "kubectl get storageclasses"),
    ),
    Wording(
        "claim-first-consumer",
        r"waiting for first consumer|WaitForFirstConsumer",
        "It gets its volume when the first pod that uses it is placed: nothing is wrong yet.",
        Advice("Start a pod that uses it"),
    ),
    Wording(
        "claim-no-volume",
        r"no persistent volumes available",
        "No volume fits it, and no storage class makes one.",
        Advice("Name a storage class, or make a volume", "e", "kubectl get pv,storageclasses"),
    ),
    Wording(
        "claim-provisioner",
        r"ExternalProvisioning|waiting for a volume to be created",
        "It waits for its provisioner to make a volume.",
        Advice("See whether the provisioner runs", ":po", "kubectl get pods -A"),
    ),
    Wording("claim-failed", r"(?P<why>.+)", "Its volume could not be made.", Advice("Do as the message says", "e")),
)


def _claim_texts(case: Case) -> Iterator[tuple[str, str]]:
    if case.status.get("phase", "Pending") != "Pending":
        return
    reasons = ("FailedBinding", "ProvisioningFailed", "WaitForFirstConsumer", "ExternalProvisioning")
    for event in reversed(case.events):
        if event.get("reason") in reasons:
            yield "", f"{event['reason']}: {event.get('message', '')}"
            return


def claim_lost(case: Case) -> Iterator[Finding]:
    if case.status.get("phase") == "Lost":
        yield finding(
            case,
            "claim-lost",
            "The volume that it was bound to is gone, and its data with it.",
            Advice("Restore from a backup into a new claim", "", "kubectl get pv"),
            f"volume: {case.spec.get('volumeName', '')}",
        )


# Machines

NODE_READY = (
    Wording(
        "node-silent",
        r"stopped posting node status|NodeStatusUnknown|NodeStatusNeverUpdated",
        "The machine has gone silent: it is off, cut off, or its agent does not run.",
        Advice("See whether it answers and its agent runs", "s", "pilothouse node check {name}"),
    ),
    Wording(
        "node-network",
        r"cni plugin not initialized|NetworkReady=false|NetworkPluginNotReady",
        "Its pod network is not set up yet.",
        Advice("Wait a minute; then look at its agent", "d", "pilothouse node check {name}"),
    ),
    Wording(
        "node-runtime",
        r"container runtime is down|PLEG is not healthy|runtime.*not ready",
        "Its container runtime does not answer.",
        Advice("Restart containerd on it", "s", "pilothouse node check {name}"),
    ),
    Wording(
        "node-not-ready",
        r"(?P<why>.+)",
        "The machine says that it is not ready.",
        Advice("Do as the message says", "d", "kubectl describe node {name}"),
    ),
)


def _node_texts(case: Case) -> Iterator[tuple[str, str]]:
    ready = case.condition("Ready")
    if ready and ready.get("status") != "True":
        yield "", f"{ready.get('reason', '')}: {ready.get('message', '')}"


_PRESSURES = {
    "DiskPressure": (
        "node-disk",
        "The machine's disk is nearly full: it takes no new pods, and may push some out.",
        Advice("Remove images and logs on it", "s", "kubectl describe node {name}"),
    ),
    "MemoryPressure": (
        "node-memory",
        "The machine is short of memory: it takes no new pods, and may push some out.",
        Advice("Move pods away from it", "⏎", "kubectl top pods -A --sort-by=memory"),
    ),
    "PIDPressure": (
        "node-pids",
        "The machine runs out of process numbers.",
        Advice("Find the pod that makes so many processes", "⏎", "kubectl get pods -A -o wide"),
    ),
    "NetworkUnavailable": (
        "node-no-network",
        "The machine's network is not set up for pods.",
        Advice("Look at its agent", "d", "pilothouse node check {name}"),
    ),
}


def pressure(case: Case) -> Iterator[Finding]:
    for kind, (name, verdict, advice) in _PRESSURES.items():
        condition = case.condition(kind)
        if condition.get("status") == "True":
            yield finding(case, name, verdict, advice, f"{kind}: {condition.get('message', '')}")


def cordoned(case: Case) -> Iterator[Finding]:
    if case.spec.get("unschedulable"):
        yield finding(
            case,
            "node-cordoned",
            "The machine is cordoned: what runs stays, nothing new comes.",
            Advice("Uncordon it", "u", "kubectl uncordon {name}"),
            "spec.unschedulable: true",
        )


RULES: tuple[Rule, ...] = (
    Rule(name="service-selects-nothing", kinds=only("Service"), check=service_empty),
    Rule(name="service-port-name", kinds=only("Service"), check=service_port),
    Rule(name="service-no-selector", kinds=only("Service"), check=service_no_selector),
    Rule(name="service-no-address", kinds=only("Service"), check=service_balancer),
    Rule(name="ingress-no-service", kinds=only("Ingress"), check=ingress_backend),
    *rules(CLAIM, _claim_texts, "PersistentVolumeClaim"),
    Rule(name="claim-lost", kinds=only("PersistentVolumeClaim"), check=claim_lost),
    *rules(NODE_READY, _node_texts, "Node"),
    Rule(name="node-pressure", kinds=only("Node"), check=pressure),
    Rule(name="node-cordoned", kinds=only("Node"), check=cordoned),
)
