"""What a pod needs next: a pure function from one observed moment to operations.

Level-triggered: it looks at what is, never at what happened, so it may be asked at any time and any number of
times, by an agent that just started as well as by one that watched all along. A settled pod gets nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from nodeagent.cri.types import Container as Ran
from nodeagent.cri.types import State
from nodeagent.pods import restart
from nodeagent.pods.observed import ERR_IMAGE_PULL, PULL_ERROR_SHOWN, Observed
from nodeagent.pods.operations import (
    Confirm,
    Kill,
    Operation,
    Prepare,
    RemoveContainer,
    RemoveSandbox,
    RunSandbox,
    Start,
    StopSandbox,
    Teardown,
)
from nodeagent.pods.view import Container

ANNOTATION_HASH = "io.kubernetes.container.hash"
KEPT_RUNS = 2
"""Containers kept for each name: the newest and the one before it, for lastState and `logs --previous`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`wake_at` is when to ask again if nothing happens before (0.0: no need)."""

    operations: tuple[Operation, ...] = ()
    wake_at: float = 0.0
    backing_off: tuple[str, ...] = ()  # names of containers that wait in CrashLoopBackOff
    over: bool = False  # every container has ended and none will run again
    gone: bool = False  # nothing of the pod is left here: the worker may end


@dataclass(slots=True)
class _Draft:
    operations: list[Operation] = field(default_factory=list[Operation])
    wakes: list[float] = field(default_factory=list[float])
    backing_off: list[str] = field(default_factory=list[str])


def sync(seen: Observed) -> Plan:
    """The operations that bring the pod closer to its spec. Those already in flight are left out."""
    draft = _Draft()
    over = False
    if seen.facts.removed or seen.pod.deleting:
        gone = _terminate(seen, draft)
    else:
        gone = False
        over = is_over(seen)
        if over:
            _wind_down(seen, draft)
        else:
            _run(seen, draft)
        _prune(seen, draft)
    return Plan(
        operations=tuple(_fresh(seen, draft.operations)),
        wake_at=min(draft.wakes, default=0.0),
        backing_off=tuple(draft.backing_off),
        over=over,
        gone=gone,
    )


def is_over(seen: Observed) -> bool:
    """The pod has ended for good: said so before, evicted, past its deadline, or by its restart policy."""
    if seen.pod.status.phase in ("Succeeded", "Failed") or seen.facts.evicted is not None:
        return True
    if init_failed(seen):
        return True
    apps = [(c, seen.newest(c.name)) for c in seen.pod.spec.containers]
    return all(
        ran is not None and ran.state is State.EXITED and not restart.should_run_again(seen.pod, c, ran)
        for c, ran in apps
    )


def init_failed(seen: Observed) -> bool:
    """An init container ended in error in a pod that restarts nothing."""
    if seen.pod.spec.restart_policy != "Never":
        return False
    runs = ((c, seen.newest(c.name)) for c in seen.pod.spec.init_containers if not c.is_sidecar)
    return any(ran is not None and ran.state is State.EXITED and ran.exit_code != 0 for _, ran in runs)


def _run(seen: Observed, draft: _Draft) -> None:
    if not seen.facts.prepared:
        if _may_retry(seen, draft, ""):
            draft.operations.append(Prepare())
        return
    sandbox = seen.current_sandbox
    if sandbox is None:
        _renew_sandbox(seen, draft)
        return
    _kill_unhealthy(seen, draft)
    for container in _startable(seen, draft):
        ran = seen.newest(container.name)
        created = ran if ran is not None and ran.state is State.CREATED else None
        attempt = 0 if ran is None else ran.attempt if created else ran.attempt + 1
        previous = seen.runs[container.name][1:2] if created else [ran] if ran else []
        draft.operations.append(
            Start(
                container.name,
                max(attempt, _known_restarts(seen, container.name) if ran is None else 0),
                restart.next_backoff(previous[0]) if previous else 0.0,
                created.id if created else "",
                _target(seen, container),
            )
        )
        return  # the next container's turn comes when this one has started


def _renew_sandbox(seen: Observed, draft: _Draft) -> None:
    """Clear away what is left of a dead sandbox, then make the next."""
    running = [ran for ran in seen.containers if ran.state is State.RUNNING]
    if running:
        # Only the sandbox's own process died: its containers cannot be reached at their address any more.
        draft.operations.extend(Kill(r.name, r.id, seen.pod.grace, f"Stopping container {r.name}") for r in running)
        return
    newest = seen.newest_sandbox
    if newest is not None and newest.ready:
        draft.operations.append(StopSandbox(newest.id))
        return
    if _may_retry(seen, draft, ""):
        draft.operations.append(RunSandbox(0 if newest is None else newest.attempt + 1))


def _target(seen: Observed, container: Container) -> str:
    ran = seen.running(container.target_container_name) if container.target_container_name else None
    return ran.id if ran is not None else ""


def _startable(seen: Observed, draft: _Draft) -> Iterator[Container]:
    """Containers whose turn it is and that nothing holds back, in order."""
    for container in seen.pod.spec.ephemeral_containers:
        # Run once, whatever becomes of them, and wait for nobody but whom they want to look at.
        ran = seen.newest(container.name)
        unmade = ran is None or ran.state is State.CREATED
        has_target = not container.target_container_name or bool(_target(seen, container))
        if unmade and has_target and _may_retry(seen, draft, container.name):
            yield container
    for container in seen.pod.spec.init_containers:
        if seen.initialised and not container.is_sidecar:
            continue
        ran = seen.here(container.name)
        if _wants_start(seen, container, ran) and _may_start(seen, draft, container):
            yield container
        if not seen.initialised and not seen.init_done(container):
            return  # the next one's turn comes when this one has done its part
    for container in seen.pod.spec.containers:
        if seen.running(container.name) is not None:
            continue
        if restart.should_run_again(seen.pod, container, _ended(seen, container)) and _may_start(
            seen, draft, container
        ):
            yield container


def _wants_start(seen: Observed, container: Container, ran: Ran | None) -> bool:
    """Whether an init container, or a sidecar, has to be started (again)."""
    if ran is None or ran.state is State.CREATED:
        return True
    if ran.state is not State.EXITED:
        return False
    return container.is_sidecar or (ran.exit_code != 0 and seen.pod.spec.restart_policy != "Never")


def _ended(seen: Observed, container: Container) -> Ran | None:
    """The newest run, unless it still shows as running in a sandbox that is gone."""
    ran = seen.newest(container.name)
    return None if ran is not None and ran.state is State.RUNNING else ran


def _may_start(seen: Observed, draft: _Draft, container: Container) -> bool:
    ran = seen.newest(container.name)
    if ran is not None and ran.state is State.EXITED:
        left = restart.wait_left(ran, seen.now)
        if left > 0:
            draft.backing_off.append(container.name)
            draft.wakes.append(seen.now + left)
            return False
    return _may_retry(seen, draft, container.name)


def _may_retry(seen: Observed, draft: _Draft, name: str) -> bool:
    failure = seen.facts.failures.get(name)
    if failure is None or failure.retry_at <= seen.now:
        return True
    draft.wakes.append(failure.retry_at)
    if failure.reason == ERR_IMAGE_PULL and seen.now < failure.at + PULL_ERROR_SHOWN:
        draft.wakes.append(failure.at + PULL_ERROR_SHOWN)
    return False


def _known_restarts(seen: Observed, name: str) -> int:
    """Where counting goes on when containerd has forgotten the container but the API has not."""
    status = seen.pod.status
    for known in (*status.container_statuses, *status.init_container_statuses):
        if known.name == name and known.container_id:
            return known.restart_count + 1
    return 0


def _kill_unhealthy(seen: Observed, draft: _Draft) -> None:
    for container in seen.pod.all_containers():
        ran = seen.running(container.name)
        if ran is None:
            continue
        grace = float(seen.pod.spec.termination_grace_period_seconds)
        if ran.id in seen.facts.unhealthy:
            grace = seen.facts.kill_grace.get(ran.id, grace)
            draft.operations.append(Kill(container.name, ran.id, grace, seen.facts.unhealthy[ran.id]))
        elif ran.annotations.get(ANNOTATION_HASH, "") not in ("", seen.hashes.get(container.name)):
            message = f"Container {container.name} definition changed, will be restarted"
            draft.operations.append(Kill(container.name, ran.id, grace, message))


def _wind_down(seen: Observed, draft: _Draft) -> None:
    """The pod has ended: stop what still runs beside it and give back address and volumes; logs stay."""
    grace = seen.pod.grace if seen.facts.end_grace is None else seen.facts.end_grace
    if _stop_containers(seen, draft, grace) and _stop_sandboxes(seen, draft) and not seen.facts.torn_down:
        draft.operations.append(Teardown())


def _terminate(seen: Observed, draft: _Draft) -> bool:
    """Bring a deleted pod to its end, step by step; True when nothing is left."""
    if not _stop_containers(seen, draft, seen.pod.grace) or not _stop_sandboxes(seen, draft):
        return False
    if not seen.facts.torn_down:
        draft.operations.append(Teardown())
        return False
    if not seen.facts.removed and not seen.facts.confirmed:
        if _may_retry(seen, draft, ""):
            draft.operations.append(Confirm())
        return False
    draft.operations.extend(RemoveSandbox(sandbox.id) for sandbox in seen.sandboxes)
    return not seen.sandboxes and not seen.in_flight


def _stop_containers(seen: Observed, draft: _Draft, grace: float) -> bool:
    """App containers together, then sidecars one by one, last first; True when all have ended."""
    sidecars = [c.name for c in seen.pod.restartable_init]
    running = [ran for ran in seen.containers if ran.state is State.RUNNING]
    apps = [ran for ran in running if ran.name not in sidecars]
    beside = sorted((r for r in running if r.name in sidecars), key=lambda r: sidecars.index(r.name), reverse=True)
    targets = apps or beside[:1]
    draft.operations.extend(
        Kill(ran.name, ran.id, max(grace, 1.0) if seen.facts.removed else grace, f"Stopping container {ran.name}")
        for ran in targets
    )
    return not running and "start" not in seen.in_flight


def _stop_sandboxes(seen: Observed, draft: _Draft) -> bool:
    ready = [sandbox for sandbox in seen.sandboxes if sandbox.ready]
    draft.operations.extend(StopSandbox(sandbox.id) for sandbox in ready)
    return not ready and "sandbox" not in seen.in_flight


def _prune(seen: Observed, draft: _Draft) -> None:
    """Older runs and sandboxes that nothing refers to any more."""
    kept: set[str] = set()
    for runs in seen.runs.values():
        kept.update(ran.sandbox_id for ran in runs[:KEPT_RUNS])
        draft.operations.extend(RemoveContainer(ran.id) for ran in runs[KEPT_RUNS:] if ran.state is State.EXITED)
    newest = seen.newest_sandbox
    for sandbox in seen.sandboxes:
        if sandbox is not newest and sandbox.id not in kept:
            draft.operations.append(StopSandbox(sandbox.id) if sandbox.ready else RemoveSandbox(sandbox.id))


def _fresh(seen: Observed, operations: list[Operation]) -> Iterator[Operation]:
    """Without those in flight; a kill with less grace replaces the one that waits."""
    for operation in operations:
        running = seen.in_flight.get(operation.key)
        shorter = isinstance(operation, Kill) and isinstance(running, Kill) and operation.grace < running.grace
        if running is None or shorter:
            yield operation
