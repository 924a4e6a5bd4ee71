"""A ReplicaSet under evictions that its budget grants: as the API grants them, from a status that may be old."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from apimachinery.objects.meta import format_time
from apimachinery.objects.resources import PODDISRUPTIONBUDGETS, PODS, REPLICASETS
from engine.controllers import replicaset
from engine.controllers.actions import Action, RequeueAfter
from engine.controllers.disruption import planning
from engine.controllers.disruption.planning import Budget
from engine.controllers.podstate import is_active, is_ready, is_terminating
from engine.controllers.views import Pod, ReplicaSet
from tests.engine.controllers.objects import template
from tests.engine.controllers.world import World

STEPS = st.one_of(st.none(), st.integers(0, 3))


def pods(world: World) -> list[Pod]:
    return sorted(world.list(PODS, Pod), key=lambda pod: pod.metadata.name)


def healthy(world: World) -> list[Pod]:
    return [pod for pod in pods(world) if is_ready(pod) and is_active(pod)]


def plan_set(world: World) -> list[Action]:
    one = world.get(REPLICASETS, "web", ReplicaSet)
    return replicaset.plan(replicaset.Observed(replica_set=one, pods=tuple(pods(world)), now=world.now))


def plan_budget(world: World) -> list[Action]:
    budget = world.get(PODDISRUPTIONBUDGETS, "web", Budget)
    scales = {"web": world.get(REPLICASETS, "web", ReplicaSet).spec.replicas}
    return planning.plan(planning.Observed(budget=budget, pods=tuple(pods(world)), scales=scales, now=world.now))


def writes(actions: list[Action]) -> list[Action]:
    return [action for action in actions if not isinstance(action, RequeueAfter)]


def settle(world: World) -> None:
    for _ in range(100):
        planned = writes(plan_set(world))
        world.carry_out(planned)
        planned += (mine := writes(plan_budget(world)))
        world.carry_out(mine)
        for pod in pods(world):
            if is_terminating(pod):
                world.remove_leaving(pod.metadata.name)
            elif not is_ready(pod):
                world.run(pod.metadata.name)
                planned.append(RequeueAfter(seconds=0))
        if not planned:
            return
    raise AssertionError("never at rest")


class Evictions(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.least = 0

    @initialize(replicas=st.integers(1, 6), missing=st.integers(0, 3), by_minimum=st.booleans())
    def settled(self, replicas: int, missing: int, by_minimum: bool) -> None:
        self.least = max(0, replicas - missing)
        promise = {"minAvailable": self.least} if by_minimum else {"maxUnavailable": missing}
        labels = {"matchLabels": {"app": "web"}}
        spec = {"replicas": replicas, "selector": labels, "template": template()}
        self.world.add(REPLICASETS, {"metadata": {"name": "web"}, "spec": spec})
        self.world.add(PODDISRUPTIONBUDGETS, {"metadata": {"name": "web"}, "spec": {"selector": labels, **promise}})
        settle(self.world)

    @rule(steps=STEPS)
    def replicaset_controller(self, steps: int | None) -> None:
        self.world.carry_out(plan_set(self.world), only=steps)

    @rule()
    def disruption_controller(self) -> None:
        self.world.carry_out(plan_budget(self.world))

    @rule(seconds=st.sampled_from([1, 150]))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @precondition(lambda self: bool(pods(self.world)))
    @rule(which=st.integers(0, 9))
    def kubelet(self, which: int) -> None:
        found = pods(self.world)
        pod = found[which % len(found)]
        if is_terminating(pod):
            self.world.remove_leaving(pod.metadata.name)
        else:
            self.world.run(pod.metadata.name)

    @precondition(lambda self: bool(healthy(self.world)))
    @rule(which=st.integers(0, 9), dies=st.booleans())
    def eviction_of_a_healthy_pod(self, which: int, dies: bool) -> None:
        """Granted: one is taken from what is allowed, the pod noted, and then deleted, unless the server dies before."""
        found = healthy(self.world)
        pod = found[which % len(found)]
        budget = self.world.get(PODDISRUPTIONBUDGETS, "web", Budget)
        name = pod.metadata.name
        if budget.status.disruptions_allowed < 1 or name in budget.status.disrupted_pods:
            return
        noted = {**budget.status.disrupted_pods, name: format_time(self.world.now)}
        allowed = budget.status.disruptions_allowed - 1
        self.world.status(PODDISRUPTIONBUDGETS, "web", disruptedPods=noted, disruptionsAllowed=allowed)
        if dies:
            return
        assert len(found) - 1 >= self.least
        self.world.delete(PODS, name)

    def teardown(self) -> None:
        if not self.world.objects(REPLICASETS):
            return
        self.world.pass_time(150)
        settle(self.world)
        budget = self.world.get(PODDISRUPTIONBUDGETS, "web", Budget)
        wanted = self.world.get(REPLICASETS, "web", ReplicaSet).spec.replicas
        assert len(healthy(self.world)) == len(pods(self.world)) == wanted
        assert budget.status.disruptions_allowed == wanted - self.least
        assert budget.status.disrupted_pods == {}
        assert writes(plan_set(self.world)) == writes(plan_budget(self.world)) == []


TestEvictions = Evictions.TestCase
TestEvictions.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
