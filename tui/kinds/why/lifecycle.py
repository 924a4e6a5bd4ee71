"""Evictions, pods of machines that went silent, and things that do not go away. Pure."""

from collections.abc import Iterator

from tui.kinds.why.case import JSON, Advice, Case, Finding, Rule, finding, only

_GRACE = 30


def evicted(case: Case) -> Iterator[Finding]:
    if case.status.get("reason") == "Evicted":
        message = case.status.get("message", "")
        yield finding(
            case,
            "evicted",
            "The machine pushed it out because it ran short of something.",
            Advice("Give it requests that match what it takes; delete this remnant", "^d"),
            message,
        )


def pod_deadline(case: Case) -> Iterator[Finding]:
    if case.status.get("reason") == "DeadlineExceeded":
        yield finding(
            case,
            "pod-deadline",
            "It ran longer than activeDeadlineSeconds allows, and was ended.",
            Advice("Raise activeDeadlineSeconds", "e"),
            case.status.get("message", ""),
        )


def refused_by_machine(case: Case) -> Iterator[Finding]:
    reason = case.status.get("reason", "")
    if reason in (
        "UnexpectedAdmissionError",
        "NodeAffinity",
        "OutOfcpu",
        "OutOfmemory",
        "OutOfpods",
        "NodeShutdown",
        "Terminated",
        "Preempting",
    ):
        yield finding(
            case,
            "refused-by-machine",
            "Its machine would not run it ({reason}).",
            Advice("Delete this remnant; its controller makes another", "^d"),
            case.status.get("message", ""),
            reason=reason,
        )


def machine_silent(case: Case) -> Iterator[Finding]:
    name = case.spec.get("nodeName", "")
    node = case.related.get(f"Node/{name}")
    if node is None:
        return
    ready = next((c for c in (node.get("status") or {}).get("conditions") or () if c.get("type") == "Ready"), {})
    if ready.get("status") == "True" or not ready:
        return
    yield finding(
        case,
        "machine-not-ready",
        "Its machine {node} is not ready.",
        Advice("See what the machine lacks: o, then w", "o", "kubectl describe node {node}"),
        f"{name}: {ready.get('reason', '')}: {ready.get('message', '')}",
        node=name,
    )


def machine_gone(case: Case) -> Iterator[Finding]:
    name = case.spec.get("nodeName", "")
    if name and case.missing("Node", name):
        yield finding(
            case,
            "machine-gone",
            "Its machine {node} is no longer part of the cluster.",
            Advice("Delete it with force; its controller makes another", "^d", "kubectl delete pod{ns} {name} --force"),
            node=name,
        )


def finalizers(case: Case) -> Iterator[Finding]:
    since = case.age(case.meta.get("deletionTimestamp"))
    held = case.meta.get("finalizers") or []
    if case.meta.get("deletionTimestamp") and held and since > 10:
        yield finding(
            case,
            "stuck-finalizers",
            "It is deleted, but held by finalizers whose owner has not let go.",
            Advice(
                "Get what set the finalizer to run; take it out by hand only if that is gone for good",
                "e",
                'kubectl patch {kind}{ns} {name} --type=merge -p \'{"metadata":{"finalizers":null}}\'',
            ),
            "finalizers: " + ", ".join(held),
            f"deleted {since:.0f} s ago",
            kind=case.kind.lower(),
        )


def slow_end(case: Case) -> Iterator[Finding]:
    # deletionTimestamp is when the grace period is over.
    late = case.age(case.meta.get("deletionTimestamp"))
    if case.meta.get("deletionTimestamp") and not case.meta.get("finalizers") and late > _GRACE:
        yield finding(
            case,
            "stuck-terminating",
            "It should have been gone {late} s ago: its machine has not confirmed its end.",
            Advice("See whether the machine answers", "o", "kubectl get nodes"),
            f"node: {case.spec.get('nodeName', '<none>')}",
            late=f"{late:.0f}",
        )


def namespace_left(case: Case) -> Iterator[Finding]:
    for kind in (
        "NamespaceContentRemaining",
        "NamespaceFinalizersRemaining",
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionContentFailure",
    ):
        condition: JSON = case.condition(kind)
        if condition.get("status") == "True":
            yield finding(
                case,
                "namespace-not-empty",
                "It is being deleted, and something in it does not go.",
                Advice("Look at what is left", ":", "kubectl api-resources --verbs=list --namespaced -o name"),
                condition.get("message", ""),
            )


ANY = only("*")
RULES: tuple[Rule, ...] = (
    Rule(name="evicted", kinds=only("Pod"), check=evicted),
    Rule(name="pod-deadline", kinds=only("Pod"), check=pod_deadline),
    Rule(name="refused-by-machine", kinds=only("Pod"), check=refused_by_machine),
    Rule(name="machine-gone", kinds=only("Pod"), check=machine_gone),
    Rule(name="machine-not-ready", kinds=only("Pod"), check=machine_silent),
    Rule(name="stuck-finalizers", kinds=ANY, check=finalizers),
    Rule(name="stuck-terminating", kinds=only("Pod"), check=slow_end),
    Rule(name="namespace-not-empty", kinds=only("Namespace"), check=namespace_left),
)
