"""The plan for one DaemonSet: upstream's syncDaemonSet as a function of what is observed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from apimachinery.objects.resources import CONTROLLERREVISIONS, DAEMONSETS, PODS
from apimachinery.objects.selectors import from_label_selector
from engine.controllers.actions import About, Action, Create, Delete, Emit, Json, Note, RequeueAfter, SetStatus
from engine.controllers.daemonset.placement import Place, daemon_pod, place, target_of
from engine.controllers.daemonset.rolling import Step, rolling_step
from engine.controllers.daemonset.views import DaemonSet, DaemonSetStatus, allowances, allows_surge
from engine.controllers.history import HASH_LABEL, ControllerRevision, History, history_of, superfluous
from engine.controllers.ownership import claim
from engine.controllers.podstate import available_at, is_available, is_ready, is_terminal, is_terminating
from engine.controllers.podtemplate import decode_template
from engine.controllers.views import Node, Pod

BURST = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    daemon_set: DaemonSet
    pods: tuple[Pod, ...]
    """Pods of the namespace that this set manages or nobody does."""
    revisions: tuple[ControllerRevision, ...]
    """Likewise."""
    nodes: tuple[Node, ...]
    name_holder: ControllerRevision | None = None
    """Whatever revision bears the name that one for the present template would get."""
    held_back: Mapping[str, float] = field(default_factory=dict[str, float])
    """Failed pods (uids) whose replacement must still wait, and for how many seconds."""
    now: datetime


def plan(observed: Observed) -> list[Action]:
    daemon_set = observed.daemon_set
    selector = from_label_selector(daemon_set.spec.selector)
    if selector.everything:
        text = "This daemon set is selecting all pods. A non-empty selector is required."
        return [_emit(daemon_set, "SelectingAll", text)]
    if daemon_set.metadata.deletion_timestamp is not None:
        return []
    held, actions = claim(DAEMONSETS, daemon_set, selector, PODS, observed.pods)
    revisions, adoptions = claim(DAEMONSETS, daemon_set, selector, CONTROLLERREVISIONS, observed.revisions)
    actions += adoptions
    history = history_of(
        DAEMONSETS,
        daemon_set,
        daemon_set.spec.template,
        revisions,
        collisions=daemon_set.status.collision_count,
        hash_label=HASH_LABEL,
        name_holder=observed.name_holder,
    )
    if history.collision:
        return [*actions, _write_status(daemon_set, {"collisionCount": (daemon_set.status.collision_count or 0) + 1})]
    actions += history.actions
    site = Site.of(daemon_set, held, observed.nodes)
    moves = _manage(observed, site, history)
    if not moves and daemon_set.spec.update_strategy.type == "RollingUpdate":
        desired = sum(1 for verdict in site.verdicts.values() if verdict == "run")
        step = rolling_step(
            daemon_set, site.by_node, history.update.hash, allowances(daemon_set, desired), observed.now
        )  # fmt: skip
        moves = _carry_out(daemon_set, site, history, step)
    actions += moves
    live = frozenset(pod.metadata.labels.get(HASH_LABEL, "") for pod in held)
    actions += superfluous(history.old, daemon_set.spec.revision_history_limit, live)
    return actions + _status(observed, site, history.update.hash) + _requeue(observed, held)


@dataclass(frozen=True, slots=True)
class Site:
    """Machines, what the set wants of each, and its pods there: scheduled and older ones first."""

    template: Json
    verdicts: Mapping[str, Place]
    by_node: Mapping[str, Sequence[Pod]]

    @staticmethod
    def of(daemon_set: DaemonSet, held: Iterable[Pod], nodes: Iterable[Node]) -> "Site":
        template = decode_template(daemon_set.spec.template)
        by_node: dict[str, list[Pod]] = {}
        for pod in sorted(held, key=_by_age):
            target = target_of(pod)
            if target and not (is_terminal(pod) and is_terminating(pod)):
                by_node.setdefault(target, []).append(pod)
        return Site(template, {node.metadata.name: place(template["spec"], node) for node in nodes}, by_node)


def _by_age(pod: Pod) -> tuple[bool, str, str]:
    return not pod.spec.node_name, pod.metadata.creation_timestamp or "", pod.metadata.name


def _manage(observed: Observed, site: Site, history: History) -> list[Action]:
    """One pod where one should run, none where none may, whatever its version."""
    daemon_set = observed.daemon_set
    told: list[Action] = []
    step = Step()
    for name, verdict in sorted(site.verdicts.items()):
        pods = site.by_node.get(name, ())
        if verdict == "no":
            step.delete += (pod for pod in pods if not is_terminating(pod))
        elif not pods:
            if verdict == "run":
                step.create.append(name)
        else:
            told += _tidy(observed, name, pods, history.update.hash, step)
    for name, pods in site.by_node.items():
        if name not in site.verdicts:
            # The machine is gone: nobody will ever start these.
            step.delete += (pod for pod in pods if not pod.spec.node_name and not is_terminating(pod))
    return told + _carry_out(daemon_set, site, history, step)


def _tidy(observed: Observed, node: str, pods: Sequence[Pod], digest: str, step: Step) -> list[Action]:
    """Remove what ended, and what is too much, of the pods of one machine."""
    told: list[Action] = []
    running: list[Pod] = []
    for pod in pods:
        if is_terminating(pod):
            continue
        where = f"daemon pod {pod.metadata.namespace}/{pod.metadata.name} on node {node}"
        if pod.status.phase == "Failed":
            if observed.held_back.get(pod.metadata.uid, 0.0) > 0:
                continue
            told.append(_emit(observed.daemon_set, "FailedDaemonPod", f"Found failed {where}, will try to kill it"))
            step.delete.append(pod)
        elif pod.status.phase == "Succeeded":
            note = f"Found succeeded {where}, will try to delete it"
            told.append(_emit(observed.daemon_set, "SucceededDaemonPod", note, "Normal"))
            step.delete.append(pod)
        else:
            running.append(pod)
    if len(running) > 1:
        keep = _survivors(observed, running, digest) if allows_surge(observed.daemon_set) else running[:1]
        step.delete += (pod for pod in running if pod not in keep)
    return told


def _survivors(observed: Observed, running: Sequence[Pod], digest: str) -> list[Pod]:
    """While surging: the oldest pod of the new version, and the oldest of an old one until that can go."""
    new = next((pod for pod in running if pod.metadata.labels.get(HASH_LABEL) == digest), None)
    old = next((pod for pod in running if pod.metadata.labels.get(HASH_LABEL) != digest), None)
    if new is None or old is None:
        return [pod for pod in (new, old) if pod is not None]
    replaced = is_available(new, observed.daemon_set.spec.min_ready_seconds, observed.now)
    return [new] if replaced or not is_ready(old) else [new, old]


def _carry_out(daemon_set: DaemonSet, site: Site, history: History, step: Step) -> list[Action]:
    about = About.of(DAEMONSETS, daemon_set)
    created = Note(about=about, reason="SuccessfulCreate", message="Created pod: {name}")
    refused = Note(about=about, reason="FailedCreate", message="Error creating: {error}", type="Warning")
    creations: list[Action] = [
        Create(
            resource=PODS,
            namespace=daemon_set.metadata.namespace,
            body=daemon_pod(daemon_set, site.template, history.update.hash, name),
            succeeded=created,
            failed=refused,
        )
        for name in step.create[:BURST]
    ]
    return creations + [_deletion(about, pod) for pod in step.delete[:BURST]]


def _deletion(about: About, pod: Pod) -> Delete:
    return Delete(
        resource=PODS,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        succeeded=Note(about=about, reason="SuccessfulDelete", message="Deleted pod: {name}"),
        failed=Note(about=about, reason="FailedDelete", message="Error deleting: {error}", type="Warning"),
    )


def _status(observed: Observed, site: Site, digest: str) -> list[Action]:
    daemon_set = observed.daemon_set
    first = {name: pods[0] for name, pods in site.by_node.items() if pods}
    wanted = [name for name, verdict in site.verdicts.items() if verdict == "run"]
    up = [first[name] for name in wanted if name in first]
    available = sum(1 for pod in up if is_available(pod, daemon_set.spec.min_ready_seconds, observed.now))
    status = DaemonSetStatus(
        current_number_scheduled=len(up),
        number_misscheduled=sum(1 for name, verdict in site.verdicts.items() if verdict != "run" and name in first),
        desired_number_scheduled=len(wanted),
        number_ready=sum(1 for pod in up if is_ready(pod)),
        observed_generation=daemon_set.metadata.generation,
        updated_number_scheduled=sum(1 for pod in up if pod.metadata.labels.get(HASH_LABEL) == digest),
        number_available=available,
        number_unavailable=len(wanted) - available,
        collision_count=daemon_set.status.collision_count,
        conditions=daemon_set.status.conditions,
    )
    if status == daemon_set.status:
        return []
    written = {
        "currentNumberScheduled": status.current_number_scheduled,
        "numberMisscheduled": status.number_misscheduled,
        "desiredNumberScheduled": status.desired_number_scheduled,
        "numberReady": status.number_ready,
        "observedGeneration": status.observed_generation,
        "updatedNumberScheduled": status.updated_number_scheduled or None,
        "numberAvailable": status.number_available or None,
        "numberUnavailable": status.number_unavailable or None,
    }
    return [_write_status(daemon_set, written)]


def _write_status(daemon_set: DaemonSet, status: Json) -> SetStatus:
    meta = daemon_set.metadata
    return SetStatus(
        resource=DAEMONSETS, namespace=meta.namespace, name=meta.name,
        resource_version=meta.resource_version, status=status,
    )  # fmt: skip


def _requeue(observed: Observed, held: Iterable[Pod]) -> list[Action]:
    """Ready pods become available, and failed ones may be replaced, by time alone."""
    waits = [seconds for seconds in observed.held_back.values() if seconds > 0]
    min_ready = observed.daemon_set.spec.min_ready_seconds
    if min_ready:
        due = (available_at(pod, min_ready) for pod in held if not is_terminating(pod))
        waits += ((moment - observed.now).total_seconds() for moment in due if moment and moment > observed.now)
    return [RequeueAfter(seconds=min(waits))] if waits else []


def _emit(daemon_set: DaemonSet, reason: str, message: str, kind: Literal["Normal", "Warning"] = "Warning") -> Emit:
    return Emit(note=Note(about=About.of(DAEMONSETS, daemon_set), reason=reason, message=message, type=kind))
