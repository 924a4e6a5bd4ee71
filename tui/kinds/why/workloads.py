"""Why a workload has not the pods that it wants: refusals, deadlines, pauses, schedules, scalers. Pure."""

from collections.abc import Iterator

from tui.kinds.why.case import Advice, Case, Finding, Rule, finding, only
from tui.kinds.why.wording import Wording, rules, warned

WORKLOADS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job")
_CREATES = ("ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Deployment")


def _refusals(case: Case) -> Iterator[tuple[str, str]]:
    failure = case.condition("ReplicaFailure")
    if failure.get("status") == "True":
        yield "", failure.get("message", "")
    else:
        yield from list(warned("FailedCreate")(case))[:1]


REFUSALS = (
    Wording(
        "quota-exceeded",
        r"exceeded quota: (?P<quota>[^,]+), requested: (?P<requested>.*?), used: .*limited: (?P<limited>.*)",
        "The quota {quota} of the namespace is used up: no more pods may be made.",
        Advice("Raise the quota, or scale something down", ":quota", "kubectl describe quota{ns}"),
    ),
    Wording(
        "quota-needs-requests",
        r"failed quota: (?P<quota>[^:]+): must specify (?P<what>.*)",
        "The quota {quota} lets in only pods that say {what}.",
        Advice("Add requests and limits to the template", "e", "kubectl describe quota{ns}"),
    ),
    Wording(
        "limit-range",
        r"(?:maximum|minimum) (?P<what>\S+) usage per (?:Container|Pod)",
        "The namespace's limits do not allow as much or as little {what} as the template asks for.",
        Advice("Change the template's resources", "e", "kubectl describe limitrange{ns}"),
    ),
    Wording(
        "account-missing",
        r"serviceaccount \"(?P<other>[^\"]+)\" not found|error looking up service account \S+/(?P<account>[^:]+)",
        "Its pods would run as the ServiceAccount {other}{account}, and there is none of that name.",
        Advice("Create it, or name another", "e", "kubectl create serviceaccount {other}{account}{ns}"),
    ),
    Wording(
        "pod-security",
        r"violates PodSecurity \"(?P<level>[^\"]+)\"",
        "The namespace enforces the pod security level {level}, and the template does not keep to it.",
        Advice("Correct the securityContext as the message says", "e"),
    ),
    Wording(
        "webhook-failed",
        r"failed calling webhook \"(?P<hook>[^\"]+)\"",
        "The admission webhook {hook} does not answer, and nothing is let in without it.",
        Advice(
            "Get the webhook's pods to run",
            ":po",
            "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
        ),
    ),
    Wording(
        "webhook-denied",
        r"admission webhook \"(?P<hook>[^\"]+)\" denied",
        "The admission webhook {hook} does not let its pods in.",
        Advice("Do as the message says", "e"),
    ),
    Wording(
        "priority-missing",
        r"no PriorityClass with name (?P<other>\S+)",
        "Its pods want the PriorityClass {other}, and there is none of that name.",
        Advice("Create it, or name another", "e", "kubectl get priorityclasses"),
    ),
    Wording(
        "create-refused",
        r"(?P<why>.+)",
        "The API refuses the pods that it wants to make.",
        Advice("Do as the message says", "e", "kubectl describe {kind} {name}{ns}"),
    ),
)


def deadline(case: Case) -> Iterator[Finding]:
    condition = case.condition("Progressing")
    if condition.get("reason") == "ProgressDeadlineExceeded":
        yield finding(
            case,
            "progress-deadline",
            "The rollout is stuck: its new pods did not get ready in time.",
            Advice(
                "See why the pods are not ready, or go back to the revision before",
                "R",
                "kubectl rollout undo deployment/{name}{ns}",
            ),
            condition.get("message", ""),
        )


def paused(case: Case) -> Iterator[Finding]:
    if case.spec.get("paused"):
        yield finding(
            case,
            "rollout-paused",
            "The rollout is paused: changes of the template wait.",
            Advice("Resume it: R, then P", "R", "kubectl rollout resume deployment/{name}{ns}"),
            "spec.paused: true",
        )


def scaled_to_zero(case: Case) -> Iterator[Finding]:
    if case.spec.get("replicas", 1) == 0 and not case.meta.get("ownerReferences"):
        yield finding(
            case,
            "scaled-to-zero",
            "It is scaled to none: that no pod runs is what was asked for.",
            Advice("Scale it up", "S", "kubectl scale {kind}/{name}{ns} --replicas=1"),
            "spec.replicas: 0",
            kind=case.kind.lower(),
        )


def not_observed(case: Case) -> Iterator[Finding]:
    generation, observed = case.meta.get("generation", 0), case.status.get("observedGeneration", 0)
    if generation > observed and case.age(case.meta.get("creationTimestamp")) > 30:
        yield finding(
            case,
            "not-observed",
            "No controller has taken note of its latest change.",
            Advice("See whether the controllers run"),
            f"generation {generation}, observed {observed}",
        )


def waits_for_pods(case: Case) -> Iterator[Finding]:
    wanted = case.status.get("desiredNumberScheduled") if case.kind == "DaemonSet" else case.spec.get("replicas", 1)
    ready = case.status.get("numberReady" if case.kind == "DaemonSet" else "readyReplicas", 0)
    if wanted and ready < wanted:
        yield finding(
            case,
            "pods-not-ready",
            "Only {ready} of {wanted} pods are ready.",
            Advice("Watch its pods", "⏎", "kubectl get pods{ns}"),
            ready=str(ready),
            wanted=str(wanted),
        )


def no_node_wanted(case: Case) -> Iterator[Finding]:
    if "desiredNumberScheduled" in case.status and not case.status["desiredNumberScheduled"]:
        selector = ((case.spec.get("template") or {}).get("spec") or {}).get("nodeSelector")
        yield finding(
            case,
            "daemonset-nowhere",
            "It wants to run on no machine at all.",
            Advice(
                "Compare its nodeSelector and tolerations with the machines", "e", "kubectl get nodes --show-labels"
            ),
            f"nodeSelector: {selector}" if selector else "",
        )


def job_failed(case: Case) -> Iterator[Finding]:
    condition = case.condition("Failed")
    if condition.get("status") != "True":
        return
    if condition.get("reason") == "DeadlineExceeded":
        yield finding(
            case,
            "job-deadline",
            "It took longer than activeDeadlineSeconds allows.",
            Advice("Raise activeDeadlineSeconds", "e"),
            condition.get("message", ""),
        )
    else:
        yield finding(
            case,
            "job-failed",
            "Its pods failed more often than backoffLimit ({limit}) allows.",
            Advice("Read the log of a pod that failed", "l", "kubectl logs{ns} job/{name}"),
            condition.get("message", ""),
            limit=str(case.spec.get("backoffLimit", 6)),
        )


def suspended(case: Case) -> Iterator[Finding]:
    if case.spec.get("suspend"):
        yield finding(
            case,
            "suspended",
            "It is suspended: nothing new starts.",
            Advice("Resume it", "P", 'kubectl patch {kind}/{name}{ns} -p \'{"spec":{"suspend":false}}\''),
            "spec.suspend: true",
            kind=case.kind.lower(),
        )


CRON = (
    Wording(
        "cron-schedule",
        r"unparseable schedule|invalid schedule|InvalidSchedule",
        "Its schedule cannot be understood.",
        Advice("Correct spec.schedule", "e"),
    ),
    Wording(
        "cron-missed",
        r"too many missed start times|missed starting window|MissSchedule",
        "It missed its times: the controller was away, or startingDeadlineSeconds is too short.",
        Advice(
            "Trigger it by hand; raise startingDeadlineSeconds",
            "t",
            "kubectl create job {name}-now{ns} --from=cronjob/{name}",
        ),
    ),
)

SCALER = (
    Wording(
        "hpa-no-request",
        r"missing request for (?P<what>\w+)",
        "It cannot reckon: the pods' containers request no {what}.",
        Advice("Add a request to the template", "e", "kubectl set resources ... --requests={what}=100m"),
    ),
    Wording(
        "hpa-no-metrics",
        r"metrics\.k8s\.io|unable to (?:get|fetch) metrics|no metrics returned|could not find the requested resource",
        "It gets no metrics: nothing serves metrics.k8s.io, or the pods are too young.",
        Advice("See whether metrics are served", ":po", "kubectl top pods{ns}"),
    ),
    Wording(
        "hpa-no-target",
        r"the HPA controller was unable to get the target's current scale|not found",
        "What it should scale is not there.",
        Advice("Correct scaleTargetRef", "e"),
    ),
)


def _scaler_texts(case: Case) -> Iterator[tuple[str, str]]:
    for kind in ("AbleToScale", "ScalingActive"):
        condition = case.condition(kind)
        if condition.get("status") == "False":
            yield "", f"{condition.get('reason', '')}: {condition.get('message', '')}"


def scaler_at_limit(case: Case) -> Iterator[Finding]:
    condition = case.condition("ScalingLimited")
    if condition.get("status") == "True" and condition.get("reason") == "TooManyReplicas":
        yield finding(
            case,
            "hpa-at-limit",
            "It wants more pods than maxReplicas ({most}) allows.",
            Advice("Raise maxReplicas", "e"),
            condition.get("message", ""),
            most=str(case.spec.get("maxReplicas", "")),
        )


RULES: tuple[Rule, ...] = (
    *rules(REFUSALS, _refusals, *_CREATES),
    Rule(name="rollout-paused", kinds=only("Deployment"), check=paused),
    Rule(name="progress-deadline", kinds=only("Deployment"), check=deadline),
    Rule(name="scaled-to-zero", kinds=only("Deployment", "StatefulSet", "ReplicaSet"), check=scaled_to_zero),
    Rule(name="daemonset-nowhere", kinds=only("DaemonSet"), check=no_node_wanted),
    Rule(name="job-failed", kinds=only("Job"), check=job_failed),
    Rule(name="suspended", kinds=only("Job", "CronJob"), check=suspended),
    *rules(
        CRON,
        warned("UnparseableSchedule", "InvalidSchedule", "TooManyMissedTimes", "MissSchedule", "FailedNeedsStart"),
        "CronJob",
    ),
    *rules(SCALER, _scaler_texts, "HorizontalPodAutoscaler"),
    Rule(name="hpa-at-limit", kinds=only("HorizontalPodAutoscaler"), check=scaler_at_limit),
    Rule(name="not-observed", kinds=only("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), check=not_observed),
    Rule(
        name="pods-not-ready",
        kinds=only("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"),
        check=waits_for_pods,
        general=True,
    ),
)
