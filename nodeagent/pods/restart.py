"""When an ended container runs again.

The back-off lives on the containers themselves: each is created with the delay that its own end will cost as an
annotation, so a restarted agent waits exactly as long as the one before it would have. The sequence is upstream's:
the first restart at once, then 10 s doubling to 300 s, and from the start after 10 minutes of running.
"""

from __future__ import annotations

from nodeagent.cri.types import Container as Ran
from nodeagent.cri.types import State
from nodeagent.pods.view import Container, Pod

ANNOTATION_BACKOFF = "pilothouse.dev/restart-backoff-seconds"
INITIAL = 10.0
MAXIMUM = 300.0
RESET_AFTER = 2 * MAXIMUM


def backoff(ended: Ran) -> float:
    """Seconds that must pass after the end of this container before the next start."""
    if ended.finished_at - ended.created_at > RESET_AFTER:
        return 0.0
    try:
        return float(ended.annotations.get(ANNOTATION_BACKOFF, "0"))
    except ValueError:
        return 0.0


def next_backoff(ended: Ran | None) -> float:
    """The delay to write on the container that follows `ended`."""
    if ended is None:
        return 0.0
    last = backoff(ended)
    return min(last * 2, MAXIMUM) if last else INITIAL


def wait_left(ended: Ran, now: float) -> float:
    """Seconds still to wait; 0.0 when the container may start."""
    return max(0.0, ended.finished_at + backoff(ended) - now)


def should_run_again(pod: Pod, container: Container, ended: Ran | None) -> bool:
    """Upstream's ShouldContainerBeRestarted: by the pod's restart policy, or the sidecar's own."""
    if pod.deleting:
        return False
    if ended is None or ended.state in (State.CREATED, State.UNKNOWN):
        return True
    if ended.state is State.RUNNING:
        return False
    if container.is_sidecar:
        return True
    match pod.spec.restart_policy:
        case "Never":
            return False
        case "OnFailure":
            return ended.exit_code != 0
        case _:
            return True


def duration_text(seconds: float) -> str:
    """Go's way to print the delays that occur here: ``10s``, ``1m20s``, ``5m0s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
