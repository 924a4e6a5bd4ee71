"""What a pod's failure means for its Job, and when enough has succeeded (upstream's pod_failure_policy.go)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from engine.controllers.job import indexes
from engine.controllers.job.views import ExitCodes, FailurePolicy, Job, SuccessPolicy
from engine.controllers.podstate import is_terminating
from engine.controllers.views import ContainerStatus, Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`message`: why the whole Job fails, where it does."""

    action: Literal["Count", "Ignore", "FailIndex", "FailJob"] = "Count"
    message: str = ""


def has_failed(pod: Pod, job: Job) -> bool:
    """Ended badly; or on its way out, unless the Job waits for the end of such pods."""
    if pod.status.phase == "Failed":
        return True
    return not job.spec.replaces_only_failed and is_terminating(pod) and pod.status.phase != "Succeeded"


def judge(policy: FailurePolicy | None, pod: Pod, *, per_index: bool) -> Verdict:
    """The first rule that matches decides; a failure that none matches counts."""
    where = f"{pod.metadata.namespace}/{pod.metadata.name}"
    for number, rule in enumerate(policy.rules if policy is not None else ()):
        if rule.on_exit_codes is not None:
            container = _container_by_exit_code(pod, rule.on_exit_codes)
            if container is None or container.state.terminated is None:
                continue
            code = container.state.terminated.exit_code
            cause = f"Container {container.name} for pod {where} failed with exit code {code}"
        else:
            patterns = {(pattern.type, pattern.status) for pattern in rule.on_pod_conditions}
            condition = next((c for c in pod.status.conditions if (c.type, c.status) in patterns), None)
            if condition is None:
                continue
            cause = f"Pod {where} has condition {condition.type}"
        match rule.action:
            case "FailJob":
                return Verdict(action="FailJob", message=f"{cause} matching FailJob rule at index {number}")
            case "Ignore":
                return Verdict(action="Ignore")
            case "FailIndex" if per_index:
                return Verdict(action="FailIndex")
            case "Count":
                return Verdict()
            case _:
                pass
    return Verdict()


def _container_by_exit_code(pod: Pod, wanted: ExitCodes) -> ContainerStatus | None:
    """The first container that ended badly with a code that the rule is about."""
    for status in (*pod.status.container_statuses, *pod.status.init_container_statuses):
        ended = status.state.terminated
        if ended is None or ended.exit_code == 0 or wanted.container_name not in (None, status.name):
            continue
        if (ended.exit_code in wanted.values) is (wanted.operator == "In"):
            return status
    return None


def success_message(policy: SuccessPolicy | None, succeeded: frozenset[int]) -> str | None:
    """Which rule says that enough indexes have succeeded."""
    for number, rule in enumerate(policy.rules if policy is not None else ()):
        if rule.succeeded_indexes is not None:
            required = indexes.parse(rule.succeeded_indexes)
            wanted = len(required) if rule.succeeded_count is None else rule.succeeded_count
            met = len(required & succeeded) >= wanted
        else:
            met = rule.succeeded_count is not None and len(succeeded) >= rule.succeeded_count
        if met:
            return f"Matched rules at index {number}"
    return None


def restarts_exceed_limit(job: Job, pods: Iterable[Pod], restart_policy: str) -> bool:
    """Where containers are restarted in their pod, restarts are the failures."""
    if restart_policy != "OnFailure":
        return False
    restarts = sum(
        status.restart_count
        for pod in pods
        if pod.status.phase in ("Running", "Pending")
        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    )
    return restarts > 0 if job.spec.backoff_limit == 0 else restarts >= job.spec.backoff_limit
