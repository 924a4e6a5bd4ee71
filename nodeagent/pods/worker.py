"""One task for one pod: look, decide (sync), do, report; again whenever something may have changed.

Nothing here has to survive: whatever the worker forgets at a restart it finds again in containerd or in the API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping

import msgspec
import structlog

from apimachinery.aio.backoff import Backoff
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import Conflict, NotFound, StatusError
from apimachinery.objects.meta import parse_time
from apimachinery.objects.resources import PODS
from nodeagent.cri.errors import NotFound as RuntimeNotFound
from nodeagent.cri.errors import RuntimeFailure
from nodeagent.cri.types import Container as Ran
from nodeagent.cri.types import Sandbox, State
from nodeagent.pods import build
from nodeagent.pods.actions import Actions, StepFailed
from nodeagent.pods.handlers import Target
from nodeagent.pods.lastwords import termination_message
from nodeagent.pods.look import Look
from nodeagent.pods.machine import Machine
from nodeagent.pods.notes import Notes
from nodeagent.pods.observed import ERR_IMAGE_PULL, EVICTED, Failure, Observed
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
from nodeagent.pods.probes import Change, Probes, Watched
from nodeagent.pods.references import REFRESH_SECONDS
from nodeagent.pods.reporter import Reporter
from nodeagent.pods.status import OWNED_CONDITIONS, pod_status
from nodeagent.pods.storage import Provided
from nodeagent.pods.sync import Plan, sync
from nodeagent.pods.view import Pod, PodStatus

log = structlog.get_logger(__name__)
SETTLE_SECONDS = 2.0
"""How long a status in the API may differ from ours before ours is sent again: a watch is a little behind."""
GROWTH_SECONDS = 15.0
"""How often claims on volumes of drivers are asked whether their file systems have to grow."""


class Worker:
    """`run` ends when nothing of the pod is left on this machine."""

    def __init__(self, machine: Machine, pod: Pod) -> None:
        self.uid = pod.uid
        self._machine = machine
        self._pod = pod
        self._actions = Actions(machine, pod)
        self._reporter = Reporter(machine.client, pod)
        self._wake = asyncio.Event()
        self._in_flight: dict[str, Operation] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._notes = Notes()
        self._look = Look(machine.runtime, pod.uid)
        self._messages: dict[str, str] = {}
        self._told_backoff: set[str] = set()
        self._taken_on = machine.now()
        self._seeded = False
        self._over = False
        self._disagreed_at = 0.0

    @property
    def pod(self) -> Pod:
        return self._pod

    @property
    def removed(self) -> bool:
        return self._notes.facts.removed

    @property
    def containers(self) -> Iterable[Ran]:
        """As last seen."""
        return self._look.containers.values()

    @property
    def sandboxes(self) -> Iterable[Sandbox]:
        return self._look.sandboxes.values()

    def api_view(self) -> Pod:
        """The pod with the status that we report."""
        return self._with_reported_status(self._pod)

    def update(self, pod: Pod | None) -> None:
        """The pod as the API has it now; None once it is gone from there."""
        if pod is None:
            self._notes.removed()
        else:
            self._pod = pod
            self._disagreed_at = self._machine.now() if self._disagrees() else 0.0
        self._wake.set()

    @property
    def over(self) -> bool:
        """The pod has ended, or is made to end, for good."""
        return self._over or self._notes.facts.evicted is not None

    @property
    def torn_down(self) -> bool:
        """It gave back what it had of this machine."""
        return self._notes.facts.torn_down

    @property
    def volumes(self) -> Mapping[str, Provided]:
        """By name, once they are set up."""
        return self._actions.volumes

    async def overfull(self) -> str:
        """What to evict the pod for: a volume that holds more than it may. Empty: nothing."""
        return await self._actions.overfull(self._pod)

    def evict(self, message: str, grace: float) -> None:
        """End the pod for good, for the machine's sake."""
        log.info("pod evicted", pod=self._pod.full_name, reason=message)
        self._machine.recorder.pod(self._pod, "Warning", EVICTED, message)
        self._notes.evicted(Failure(reason=EVICTED, message=message, at=self._machine.now(), retry_at=0.0), grace)
        self._wake.set()

    def repeat_status(self) -> None:
        """The object in the API is new and knows nothing yet."""
        self._reporter.repeat()

    def poke(self) -> None:
        """Something may have happened to its containers."""
        self._wake.set()

    async def run(self) -> None:
        async with TaskScope(f"pod {self._pod.metadata.namespace}/{self._pod.metadata.name}") as scope:
            probes = Probes(scope, self._machine.handlers, self._on_probe, self._on_unhealthy)
            scope.spawn("status", self._reporter.run())
            if any(volume.is_projection for volume in self._pod.spec.volumes):
                scope.spawn("refresh", self._refresh())
            if any(volume.persistent_volume_claim or volume.ephemeral for volume in self._pod.spec.volumes):
                scope.spawn("growth", self._watch_growth())
            await self._loop(scope, probes)
        await self._actions.erase(self._pod)

    async def _loop(self, scope: TaskScope, probes: Probes) -> None:
        backoff = Backoff(initial=0.2, maximum=10.0)
        while True:
            self._wake.clear()
            try:
                await self._observe()
            except RuntimeFailure as error:
                if backoff.failures == 0:
                    log.warning("containerd does not answer", pod=self._pod.full_name, error=str(error))
                await asyncio.sleep(backoff.next())
                continue
            backoff.reset()
            self._check_deadline()
            seen = self._seen()
            plan = sync(seen)
            self._over = plan.over
            self._tell_backing_off(seen, plan)
            self._report(seen, plan)
            await probes.watch({} if seen.pod.deleting or seen.facts.removed or plan.over else self._probed(seen))
            self._launch(scope, plan)
            if plan.gone:
                return
            await self._sleep(plan.wake_at)

    async def _observe(self) -> None:
        await self._look.again()
        for ran in self._look.containers.values():
            if ran.state is State.EXITED and ran.id not in self._messages:
                file = self._actions.termination_file(ran.name, ran.attempt)
                self._messages[ran.id] = termination_message(self._pod.container(ran.name), ran, file)
        if not self._seeded:
            self._seeded = True
            self._notes.seed(self._pod.status, self._look.containers.values())
            self._check_admission()

    def _seen(self) -> Observed:
        return Observed(
            pod=self._with_reported_status(self._pod),
            sandboxes=tuple(self._look.sandboxes.values()),
            containers=tuple(self._look.containers.values()),
            facts=self._notes.facts,
            in_flight=dict(self._in_flight),
            hashes={c.name: build.definition_hash(c) for c in self._pod.all_containers()},
            now=self._machine.now(),
        )

    def _with_reported_status(self, pod: Pod) -> Pod:
        """Our own report is newer than what a watch brings back; only conditions of others come from the API."""
        ours = self._reporter.view
        if ours is None:
            return pod
        told = {*OWNED_CONDITIONS, *(c.type for c in ours.conditions)}
        others = tuple(c for c in pod.status.conditions if c.type not in told)
        status = msgspec.structs.replace(ours, conditions=ours.conditions + others)
        return msgspec.structs.replace(pod, status=status)

    def _report(self, seen: Observed, plan: Plan) -> None:
        if seen.facts.removed:
            return
        status = pod_status(
            seen, plan, host_ips=self._machine.host_ips, messages=self._messages, started_at=self._taken_on
        )
        self._reporter.submit(status)
        if self._disagreed_at and seen.now - self._disagreed_at >= SETTLE_SECONDS:
            self._disagreed_at = 0.0
            if self._disagrees():
                self._reporter.repeat()

    def _disagrees(self) -> bool:
        """Someone else changed what is ours, as the node controller does with pods of a machine that was away."""
        ours = self._reporter.view
        if ours is None:
            return False
        return _claims(ours) != _claims(self._pod.status)

    def _probed(self, seen: Observed) -> dict[str, Watched]:
        watched: dict[str, Watched] = {}
        for container in seen.pod.all_containers():
            ran = seen.running(container.name)
            if ran is None or ran.id in seen.facts.hooking or ran.id in seen.facts.unhealthy:
                continue
            ips = self._machine.host_ips if seen.pod.spec.host_network else self._look.ips()
            target = Target(container=container, container_id=ran.id, pod_ip=ips[0] if ips else "")
            started = container.startup_probe is None or ran.id in seen.facts.started
            watched[ran.id] = Watched(target=target, age=seen.now - ran.started_at, started=started)
        return watched

    def _launch(self, scope: TaskScope, plan: Plan) -> None:
        if self._pod.deleting or self.removed:
            for key in ("start", "sandbox", "prepare"):
                if key in self._tasks:
                    self._tasks[key].cancel()
        for operation in plan.operations:
            replaced = self._tasks.get(operation.key)
            if replaced is not None:
                replaced.cancel()
            self._in_flight[operation.key] = operation
            task = scope.spawn(operation.key, self._perform(operation))
            self._tasks[operation.key] = task
            task.add_done_callback(lambda done, key=operation.key: self._landed(key, done))

    def _landed(self, key: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
            self._in_flight.pop(key, None)
        self._wake.set()

    async def _perform(self, operation: Operation) -> None:
        name = operation.container if isinstance(operation, Start) else ""
        try:
            await self._do(operation)
        except StepFailed as error:
            self._notes.failed(name, error.reason, error.message, self._machine.now())
        except (RuntimeFailure, ConnectionFailed, StatusError, OSError) as error:
            log.info("step failed; trying again", pod=self._pod.full_name, step=operation.key, error=str(error))
            await asyncio.sleep(self._notes.backoff(operation.key).next())
        else:
            self._notes.forget_backoff(operation.key)
            if isinstance(operation, (Start, Prepare, RunSandbox)):
                self._notes.succeeded(name)

    async def _do(self, operation: Operation) -> None:
        runtime, pod = self._machine.runtime, self._pod
        match operation:
            case Prepare():
                await self._actions.prepare(pod)
                self._notes.prepared()
            case RunSandbox(attempt):
                await self._actions.run_sandbox(pod, attempt)
            case Start():
                sandbox = self._seen().current_sandbox
                if sandbox is not None:
                    where = (sandbox.id, sandbox.attempt, sandbox.ips)
                    await self._actions.start(pod, operation, where, self._notes.hooking)
            case Kill():
                await self._actions.kill(pod, operation, self._look.ips())
                await self._until_ended(operation.container_id)
            case StopSandbox(sandbox_id):
                await _gone_is_fine(runtime.stop_sandbox(sandbox_id))
            case RemoveSandbox(sandbox_id):
                await _gone_is_fine(runtime.remove_sandbox(sandbox_id))
            case RemoveContainer(container_id):
                await _gone_is_fine(runtime.remove_container(container_id))
            case Teardown():
                await self._actions.teardown(pod)
                self._notes.torn_down()
            case Confirm():
                await self._confirm()

    async def _until_ended(self, container_id: str) -> None:
        """The runtime answers a moment before its own listing shows the end."""
        for _ in range(20):
            try:
                if (await self._machine.runtime.container(container_id)).state is not State.RUNNING:
                    return
            except RuntimeNotFound:
                return
            await asyncio.sleep(0.05)

    async def _confirm(self) -> None:
        await self._reporter.flushed()
        meta = self._pod.metadata
        try:
            await self._machine.client.delete(PODS, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
        except (NotFound, Conflict):
            log.debug("pod was gone from the API already", pod=self._pod.full_name)
        self._notes.confirmed()

    async def _refresh(self) -> None:
        # Spread out, so that a machine full of pods does not ask for everything in one second each minute.
        await asyncio.sleep(REFRESH_SECONDS * (hash(self.uid) % 100) / 100)
        while True:
            if self._notes.facts.prepared and not self._pod.deleting:
                await self._actions.refresh(self._pod, self._look.ips())
            await asyncio.sleep(REFRESH_SECONDS)

    async def _watch_growth(self) -> None:
        while True:
            await asyncio.sleep(GROWTH_SECONDS)
            if self._notes.facts.prepared and not self._pod.deleting:
                await self._actions.grow(self._pod)

    async def _sleep(self, wake_at: float) -> None:
        wakes = [wake_at] if wake_at else []
        if self._disagreed_at:
            wakes.append(self._disagreed_at + SETTLE_SECONDS)
        deadline = self._deadline()
        if deadline is not None and self._notes.facts.evicted is None:
            wakes.append(deadline)
        timeout = max(0.01, min(wakes) - self._machine.now()) if wakes else None
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            return

    def _deadline(self) -> float | None:
        allowed, start = self._pod.spec.active_deadline_seconds, self.api_view().status.start_time
        return parse_time(start).timestamp() + allowed if allowed is not None and start else None

    def _check_admission(self) -> None:
        """A pod that never was here is not begun while the machine runs short; what runs goes on."""
        if self._pod.deleting or self._pod.status.start_time or self._look.sandboxes:
            return
        text = self._machine.refusal(self._pod)
        if text:
            self._machine.recorder.pod(self._pod, "Warning", EVICTED, text)
            refused = f"Pod was rejected: {text}"
            self._notes.evicted(Failure(reason=EVICTED, message=refused, at=self._machine.now(), retry_at=0.0))

    def _check_deadline(self) -> None:
        deadline, now = self._deadline(), self._machine.now()
        if deadline is None or now < deadline or self._notes.facts.evicted is not None:
            return
        text = "Pod was active on the node longer than the specified deadline"
        self._machine.recorder.pod(self._pod, "Normal", "DeadlineExceeded", text)
        self._notes.evicted(Failure(reason="DeadlineExceeded", message=text, at=now, retry_at=0.0))

    def _tell_backing_off(self, seen: Observed, plan: Plan) -> None:
        """One event for each end that leads to waiting, and one for each failed pull."""
        for name in plan.backing_off:
            ran = seen.newest(name)
            if ran is not None and ran.id not in self._told_backoff:
                self._told_backoff.add(ran.id)
                text = f"Back-off restarting failed container {name} in pod {seen.pod.full_name}"
                self._machine.recorder.pod(self._pod, "Warning", "BackOff", text, name)
        for name, failure in self._notes.failures.items():
            key = f"{name}@{failure.at}"
            container = self._pod.container(name)
            if failure.reason == ERR_IMAGE_PULL and container is not None and key not in self._told_backoff:
                self._told_backoff.add(key)
                text = f'Back-off pulling image "{container.image}"'
                self._machine.recorder.pod(self._pod, "Normal", "BackOff", text, name)
                self._machine.recorder.pod(self._pod, "Warning", "Failed", "Error: ImagePullBackOff", name)

    def _on_probe(self, change: Change) -> None:
        ran = self._look.containers.get(change.container_id)
        container = self._pod.container(ran.name) if ran is not None else None
        if container is not None:
            self._notes.judged(change, container)
        self._wake.set()

    def _on_unhealthy(self, container: str, message: str) -> None:
        self._machine.recorder.pod(self._pod, "Warning", "Unhealthy", message, container)


def _claims(status: PodStatus) -> tuple[str, frozenset[tuple[str, str]]]:
    """What of a status belongs to this machine alone."""
    return status.phase, frozenset((c.type, c.status) for c in status.conditions if c.type in OWNED_CONDITIONS)


async def _gone_is_fine(call: Awaitable[None]) -> None:
    try:
        await call
    except RuntimeNotFound:
        return
