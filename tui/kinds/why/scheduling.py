"""Why no machine takes a pod: the scheduler's message, part by part. Pure."""

from collections.abc import Iterator

from tui.kinds.why.case import Advice, Case, Finding, Rule, finding, only
from tui.kinds.why.wording import Wording, rules, warned

_PODS_THERE = "kubectl describe nodes"


def _texts(case: Case) -> Iterator[tuple[str, str]]:
    condition = case.condition("PodScheduled")
    if case.kind != "Pod" or case.spec.get("nodeName") or condition.get("status") == "True":
        return
    if condition.get("message"):
        yield "", condition["message"]
    else:
        yield from list(warned("FailedScheduling")(case))[:1]


WORDINGS = (
    Wording(
        "schedule-no-nodes",
        r"no nodes available|^0/0 nodes",
        "There is no machine yet.",
        Advice("Join one", ":no", "pilothouse node add USER@HOST"),
    ),
    Wording(
        "schedule-cpu",
        r"Insufficient cpu",
        "No machine has as much CPU left as it requests.",
        Advice("Lower its request, scale something down, or add a machine", "e", _PODS_THERE),
    ),
    Wording(
        "schedule-memory",
        r"Insufficient memory",
        "No machine has as much memory left as it requests.",
        Advice("Lower its request, scale something down, or add a machine", "e", _PODS_THERE),
    ),
    Wording(
        "schedule-resource",
        r"Insufficient (?P<what>(?!cpu|memory)\S+?)[,.\s]",
        "No machine has enough {what} left.",
        Advice("Look at what the machines offer", ":no", _PODS_THERE),
    ),
    Wording(
        "schedule-pods",
        r"Too many pods",
        "Every machine that fits already runs as many pods as it may.",
        Advice("Add a machine", ":no", _PODS_THERE),
    ),
    Wording(
        "schedule-not-ready-taint",
        r"untolerated taint\(?s?\)? \{node\.kubernetes\.io/(?:not-ready|unreachable)",
        "Machines are not ready, so nothing new is put on them.",
        Advice("See what the machines lack", ":no", "kubectl get nodes"),
    ),
    Wording(
        "schedule-taint",
        r"untolerated taint\(?s?\)? \{(?P<taint>(?!node\.kubernetes\.io/(?:not-ready|unreach|unsched))[^}]*)\}",
        "Machines keep it away by the taint {taint}, which it does not tolerate.",
        Advice("Add a toleration, or take the taint off", "e", "kubectl taint nodes NODE {taint}-"),
    ),
    Wording(
        "schedule-cordoned",
        r"were unschedulable|node\.kubernetes\.io/unschedulable",
        "Machines that would fit are cordoned.",
        Advice("Uncordon one", ":no", "kubectl uncordon NODE"),
    ),
    Wording(
        "schedule-selector",
        r"didn't match Pod's node affinity/selector",
        "No machine has the labels that its nodeSelector or affinity asks for.",
        Advice("Label a machine, or correct the selector", "e", "kubectl get nodes --show-labels"),
    ),
    Wording(
        "schedule-port",
        r"free ports",
        "The host port that it wants is taken on every machine that fits.",
        Advice("Use a Service instead of hostPort, or fewer replicas", "e"),
    ),
    Wording(
        "schedule-anti-affinity",
        r"anti-affinity rules",
        "It does not want to be beside a pod that is everywhere already.",
        Advice("Add a machine, or make the rule a preference", "e"),
    ),
    Wording(
        "schedule-affinity",
        r"match pod affinity rules",
        "It wants to be beside a pod that is nowhere it could go.",
        Advice("Start that pod first, or correct the rule", "e"),
    ),
    Wording(
        "schedule-spread",
        r"topology spread constraints",
        "No place keeps its pods spread as evenly as it demands.",
        Advice("Raise maxSkew, or use ScheduleAnyway", "e"),
    ),
    Wording(
        "schedule-claim-missing",
        r"persistentvolumeclaim \"(?P<other>[^\"]+)\" not found",
        "It needs the volume claim {other}, and there is none of that name.",
        Advice("Create the claim", ":pvc", "kubectl get pvc{ns}"),
    ),
    Wording(
        "schedule-claim-unbound",
        r"unbound immediate PersistentVolumeClaims",
        "It waits for a volume claim that has no volume yet.",
        Advice("See why the claim waits: w on it", ":pvc", "kubectl get pvc{ns}"),
    ),
    Wording(
        "schedule-volume-place",
        r"volume node affinity conflict",
        "Its volume lives on a machine that cannot take the pod.",
        Advice("Make room on that machine; the data cannot move by itself", ":pv", "kubectl describe pv"),
    ),
)


def gated(case: Case) -> Iterator[Finding]:
    gates = [gate.get("name", "") for gate in case.spec.get("schedulingGates") or ()]
    if gates and not case.spec.get("nodeName"):
        advice = Advice("Whatever set the gates must take them away", "y", "kubectl get pod{ns} {name} -o yaml")
        yield finding(
            case,
            "schedule-gated",
            "It is held back until its scheduling gates are lifted.",
            advice,
            "gates: " + ", ".join(gates),
        )


def not_looked_at(case: Case) -> Iterator[Finding]:
    old = case.age(case.meta.get("creationTimestamp")) > 30
    untouched = not case.condition("PodScheduled") and not case.events and not case.spec.get("schedulingGates")
    if case.status.get("phase", "Pending") == "Pending" and not case.spec.get("nodeName") and old and untouched:
        scheduler = case.spec.get("schedulerName") or "default-scheduler"
        yield finding(
            case,
            "schedule-ignored",
            "No scheduler has looked at it: {scheduler} does not seem to run.",
            Advice("See whether the scheduler runs", "y", "kubectl get events{ns}"),
            f"schedulerName: {scheduler}",
            scheduler=scheduler,
        )


RULES: tuple[Rule, ...] = (
    # A message lists several reasons, each of some machines: all of them are told.
    *rules(WORDINGS, _texts, "Pod", first=False),
    Rule(name="schedule-gated", kinds=only("Pod"), check=gated),
    Rule(name="schedule-ignored", kinds=only("Pod"), check=not_looked_at, general=True),
)
