"""Rules on the state of one pod that several controllers share (upstream's pkg/api/v1/pod and controller_utils.go)."""

from datetime import datetime, timedelta

from apimachinery.objects.meta import parse_time
from engine.controllers.views import Pod, condition_of


def is_terminal(pod: Pod) -> bool:
    """It will never run again."""
    return pod.status.phase in ("Succeeded", "Failed")


def is_terminating(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def is_active(pod: Pod) -> bool:
    """It counts as a replica: neither finished nor on its way out."""
    return not is_terminal(pod) and not is_terminating(pod)


def ready_since(pod: Pod) -> datetime | None:
    """When the pod became ready, None while it is not. A ready pod without a time counts as ready for ever."""
    ready = condition_of(pod.status.conditions, "Ready")
    if ready is None or ready.status != "True":
        return None
    return parse_time(ready.last_transition_time or "1970-01-01T00:00:00Z")


def is_ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def available_at(pod: Pod, min_ready_seconds: int) -> datetime | None:
    """The moment from which the pod counts as available if it stays ready; None while it is not ready."""
    since = ready_since(pod)
    return None if since is None else since + timedelta(seconds=min_ready_seconds)


def is_available(pod: Pod, min_ready_seconds: int, now: datetime) -> bool:
    if not min_ready_seconds:
        return is_ready(pod)
    moment = available_at(pod, min_ready_seconds)
    return moment is not None and moment <= now
