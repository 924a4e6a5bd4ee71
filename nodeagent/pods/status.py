"""The status of a pod, from one observed moment: pure, and in upstream's words.

Rules are those of pkg/kubelet/kubelet_pods.go (phase, container states) and pkg/kubelet/status/generate.go
(conditions). The result is the JSON object for the API server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from apimachinery.objects.meta import format_time
from nodeagent.cri.types import Container as Ran
from nodeagent.cri.types import State
from nodeagent.pods import restart
from nodeagent.pods.observed import ERR_IMAGE_PULL, EVICTED, IMAGE_PULL_BACKOFF, PULL_ERROR_SHOWN, Observed
from nodeagent.pods.resources import qos_class
from nodeagent.pods.sync import Plan
from nodeagent.pods.view import Container, PodCondition

JSON = dict[str, Any]
MAX_MESSAGE = 4096
OWNED_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def pod_status(
    seen: Observed, plan: Plan, *, host_ips: Sequence[str], messages: Mapping[str, str], started_at: float
) -> JSON:
    """The whole status. `messages` are termination messages by container id; `started_at` is when the pod was taken
    on by this machine, used unless the API already has a start time."""
    inits = [_container_status(seen, plan, c, messages, is_init=True) for c in seen.pod.spec.init_containers]
    apps = [_container_status(seen, plan, c, messages, is_init=False) for c in seen.pod.spec.containers]
    ephemeral = [_ephemeral_status(seen, plan, c, messages) for c in seen.pod.spec.ephemeral_containers]
    phase = _phase(seen, plan, inits, apps)
    status: JSON = {
        "phase": phase,
        "conditions": _conditions(seen, phase, inits, apps),
        "hostIP": host_ips[0] if host_ips else None,
        "hostIPs": [{"ip": ip} for ip in host_ips] or None,
        "startTime": seen.pod.status.start_time or moment(started_at),
        "qosClass": qos_class(seen.pod),
        "containerStatuses": apps,
    }
    if seen.pod.metadata.generation:
        status["observedGeneration"] = seen.pod.metadata.generation
    ips = _pod_ips(seen, host_ips)
    if ips:
        status["podIP"] = ips[0]
        status["podIPs"] = [{"ip": ip} for ip in ips]
    if inits:
        status["initContainerStatuses"] = inits
    if ephemeral:
        status["ephemeralContainerStatuses"] = ephemeral
    if seen.facts.evicted is not None:
        status["reason"] = seen.facts.evicted.reason
        status["message"] = seen.facts.evicted.message
    return status


def moment(seconds: float) -> str | None:
    """metav1.Time of seconds since the epoch; None for never."""
    return format_time(datetime.fromtimestamp(seconds, UTC)) if seconds > 0 else None


def _pod_ips(seen: Observed, host_ips: Sequence[str]) -> Sequence[str]:
    if seen.pod.spec.host_network:
        return host_ips if seen.newest_sandbox is not None else ()
    sandbox = seen.newest_sandbox
    return sandbox.ips if sandbox is not None else ()


def _container_status(
    seen: Observed, plan: Plan, container: Container, messages: Mapping[str, str], *, is_init: bool
) -> JSON:
    runs = seen.runs.get(container.name, ())
    newest = runs[0] if runs else None
    waiting = _waiting(seen, plan, container, newest, is_init=is_init)
    known = next((s for s in _known(seen, is_init) if s.name == container.name), None)
    state: JSON
    last: JSON = {}
    if waiting is not None:
        state = {"waiting": waiting}
        ended = next((ran for ran in runs if ran.state is State.EXITED), None)
    else:
        assert newest is not None  # noqa: S101 - _waiting answers for containers that were never made
        state = _state(newest, messages)
        ended = next((ran for ran in runs[1:] if ran.state is State.EXITED), None)
    if ended is not None:
        last = _state(ended, messages)
    running = newest if newest is not None and newest.state is State.RUNNING and waiting is None else None
    ready = running is not None and not seen.facts.torn_down and seen.is_ready(container, running)
    started = running is not None and seen.has_started(container, running)
    if is_init and not container.is_sidecar:
        ready = newest is not None and newest.state is State.EXITED and newest.exit_code == 0
        started = False
    status: JSON = {
        "name": container.name,
        "state": state,
        "lastState": last,
        "ready": ready,
        "started": started,
        "restartCount": newest.attempt if newest is not None else known.restart_count if known else 0,
        "image": newest.image if newest is not None and newest.image else container.image,
        "imageID": newest.image_ref if newest is not None else "",
    }
    if newest is not None:
        status["containerID"] = f"containerd://{newest.id}"
    return status


def _ephemeral_status(seen: Observed, plan: Plan, container: Container, messages: Mapping[str, str]) -> JSON:
    """Nobody waits for an ephemeral container: it is never ready."""
    status = _container_status(seen, plan, container, messages, is_init=False)
    del status["started"]
    return status | {"ready": False, "restartCount": 0}


def _known(seen: Observed, is_init: bool) -> Sequence[Any]:
    return seen.pod.status.init_container_statuses if is_init else seen.pod.status.container_statuses


def _waiting(seen: Observed, plan: Plan, container: Container, newest: Ran | None, *, is_init: bool) -> JSON | None:
    """Why the container does not run although it should; None when its own state says it best."""
    if newest is not None and newest.state is State.RUNNING and not _lost(seen, newest):
        return None
    if container.name in plan.backing_off and newest is not None:
        delay = restart.duration_text(restart.backoff(newest))
        text = f"back-off {delay} restarting failed container={container.name} pod={seen.pod.full_name}"
        return {"reason": "CrashLoopBackOff", "message": text}
    failure = seen.facts.failures.get(container.name)
    if failure is not None and not plan.over and not seen.pod.deleting:
        if failure.reason == ERR_IMAGE_PULL and seen.now >= failure.at + PULL_ERROR_SHOWN:
            text = f'Back-off pulling image "{container.image}": {ERR_IMAGE_PULL}: {failure.message}'
            return {"reason": IMAGE_PULL_BACKOFF, "message": text}
        return {"reason": failure.reason, "message": failure.message}
    if newest is not None and newest.state is State.EXITED:
        return None
    has_init = bool(seen.pod.spec.init_containers)
    if newest is not None and newest.state is State.CREATED:
        return {"reason": "ContainerCreating"}
    waits_for_init = has_init and (is_init or not seen.initialised)
    return {"reason": "PodInitializing" if waits_for_init else "ContainerCreating"}


def _lost(seen: Observed, ran: Ran) -> bool:
    return all(sandbox.id != ran.sandbox_id for sandbox in seen.sandboxes)


def _state(ran: Ran, messages: Mapping[str, str]) -> JSON:
    if ran.state is State.RUNNING:
        return {"running": {"startedAt": moment(ran.started_at)}}
    # OOMKilled comes from containerd; for the rest it says Completed or Error itself, except after a lost task.
    reason = ran.reason or ("Completed" if ran.exit_code == 0 else "Error")
    ended: JSON = {
        "exitCode": ran.exit_code,
        "reason": reason,
        "startedAt": moment(ran.started_at),
        "finishedAt": moment(ran.finished_at),
        "containerID": f"containerd://{ran.id}",
    }
    message = messages.get(ran.id) or ran.message
    if message:
        ended["message"] = message[:MAX_MESSAGE]
    return {"terminated": ended}


def _phase(seen: Observed, plan: Plan, inits: Sequence[JSON], apps: Sequence[JSON]) -> str:
    if seen.pod.status.phase in ("Succeeded", "Failed"):
        return seen.pod.status.phase
    if seen.facts.evicted is not None:
        return "Failed"
    if seen.pod.deleting and seen.facts.torn_down:
        return _final_phase(apps)
    policy = seen.pod.spec.restart_policy
    if policy == "Never" and any(_failed(s) for c, s in zip(seen.pod.spec.init_containers, inits, strict=True)
                                 if not c.is_sidecar):  # fmt: skip
        return "Failed"
    if inits and not seen.initialised and not plan.over and not any("containerID" in s for s in apps):
        return "Pending"
    waiting = [s for s in apps if "waiting" in s["state"] and not s["lastState"]]
    running = [s for s in apps if "running" in s["state"]]
    if waiting:
        return "Pending"
    if running:
        return "Running"
    ended = [s["state"].get("terminated") or s["lastState"].get("terminated") for s in apps]
    if policy == "Always":
        return "Running"
    if all(e and e["exitCode"] == 0 for e in ended) and all("terminated" in s["state"] for s in apps):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _final_phase(apps: Sequence[JSON]) -> str:
    """A deleted pod whose containers have all ended: Failed unless each of them ended well."""
    ended = [s["state"].get("terminated") for s in apps]
    return "Succeeded" if ended and all(e and e["exitCode"] == 0 for e in ended) else "Failed"


def _failed(status: JSON) -> bool:
    ended = status["state"].get("terminated")
    return bool(ended and ended["exitCode"] != 0)


def _conditions(seen: Observed, phase: str, inits: Sequence[JSON], apps: Sequence[JSON]) -> list[JSON]:
    sandbox_ready = seen.current_sandbox is not None
    containers_ready = _containers_ready(seen, phase, inits, apps)
    wanted = [
        ("PodReadyToStartContainers", sandbox_ready, "", ""),
        _initialized(seen, phase, inits),
        _ready(seen, containers_ready),
        ("ContainersReady", *containers_ready),
        ("PodScheduled", True, "", ""),
    ]
    evicted = seen.facts.evicted
    if evicted is not None and evicted.reason == EVICTED:
        wanted.append(("DisruptionTarget", True, "TerminationByKubelet", evicted.message))
    return [_condition(seen, *condition) for condition in wanted]


def _condition(seen: Observed, kind: str, holds: bool, reason: str, message: str) -> JSON:
    before = next((c for c in seen.pod.status.conditions if c.type == kind), PodCondition())
    status = "True" if holds else "False"
    since = before.last_transition_time if before.status == status else None
    condition: JSON = {
        "type": kind,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": since or moment(seen.now),
    }
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    if seen.pod.metadata.generation:
        condition["observedGeneration"] = seen.pod.metadata.generation
    return condition


def _initialized(seen: Observed, phase: str, inits: Sequence[JSON]) -> tuple[str, bool, str, str]:
    if phase == "Succeeded":
        return "Initialized", True, "PodCompleted", ""
    pairs = zip(seen.pod.spec.init_containers, inits, strict=True)
    incomplete = [s["name"] for c, s in pairs if not (s["started"] if c.is_sidecar else s["ready"])]
    if not incomplete or seen.initialised:
        return "Initialized", True, "", ""
    if phase == "Failed":
        return "Initialized", False, "PodFailed", ""
    message = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return "Initialized", False, "ContainersNotInitialized", message


def _containers_ready(seen: Observed, phase: str, inits: Sequence[JSON], apps: Sequence[JSON]) -> tuple[bool, str, str]:
    if phase == "Succeeded":
        return False, "PodCompleted", ""
    if phase == "Failed":
        return False, "PodFailed", ""
    sidecars = {c.name for c in seen.pod.restartable_init}
    counted = [*(s for s in inits if s["name"] in sidecars), *apps]
    unready = [s["name"] for s in counted if not s["ready"]]
    if unready:
        return False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    return True, "", ""


def _ready(seen: Observed, containers: tuple[bool, str, str]) -> tuple[str, bool, str, str]:
    if not containers[0]:
        return "Ready", *containers
    conditions = {c.type: c.status for c in seen.pod.status.conditions}
    unmet = [
        f'the status of pod readiness gate "{gate.condition_type}" is not "True", but {conditions[gate.condition_type]}'
        if gate.condition_type in conditions
        else f'corresponding condition of pod readiness gate "{gate.condition_type}" does not exist.'
        for gate in seen.pod.spec.readiness_gates
        if conditions.get(gate.condition_type) != "True"
    ]
    if unmet:
        return "Ready", False, "ReadinessGatesNotReady", ", ".join(unmet)
    return "Ready", True, "", ""
