"""A Deployment, its ReplicaSets and their pods together, each acting whenever hypothesis likes, or dying half-way."""

from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apimachinery.objects.meta import controller_of
from apimachinery.objects.resources import DEPLOYMENTS, PODS, REPLICASETS
from engine.controllers import replicaset
from engine.controllers.actions import Action, RequeueAfter
from engine.controllers.deployment import arithmetic, planning
from engine.controllers.deployment.views import Deployment
from engine.controllers.podstate import is_active, is_ready
from engine.controllers.views import Pod, ReplicaSet
from tests.engine.controllers.objects import template
from tests.engine.controllers.world import World

SHARES = st.one_of(st.integers(0, 3), st.sampled_from(["0%", "25%", "50%", "100%"]))
STEPS = st.one_of(st.none(), st.integers(0, 4))
"""How many writes of a plan come through before whoever makes them dies; None: all."""


def sets(world: World) -> list[ReplicaSet]:
    return sorted(world.list(REPLICASETS, ReplicaSet), key=lambda rs: rs.metadata.name)


def pods(world: World, of: ReplicaSet | None = None) -> list[Pod]:
    found = world.list(PODS, Pod)
    if of is None:
        return sorted(found, key=lambda pod: pod.metadata.name)
    return [pod for pod in found if (owner := controller_of(pod.metadata)) and owner.uid == of.metadata.uid]


def plan_deployment(world: World) -> list[Action]:
    deployment = world.get(DEPLOYMENTS, "web", Deployment)
    return planning.plan(
        planning.Observed(deployment=deployment, replica_sets=world.list(REPLICASETS, ReplicaSet), now=world.now)
    )


def plan_set(world: World, of: ReplicaSet) -> list[Action]:
    return replicaset.plan(
        replicaset.Observed(replica_set=of, pods=tuple(pods(world, of)), related=tuple(pods(world)), now=world.now)
    )


def writes(actions: list[Action]) -> list[Action]:
    return [action for action in actions if not isinstance(action, RequeueAfter)]


def settle(world: World) -> None:
    """Everybody does all there is to do until nobody has anything left."""
    for _ in range(200):
        planned = writes(plan_deployment(world))
        world.carry_out(planned)
        for one in sets(world):
            planned += (mine := writes(plan_set(world, one)))
            world.carry_out(mine)
        for pod in pods(world):
            if pod.metadata.deletion_timestamp is not None:
                world.remove_leaving(pod.metadata.name)
            elif not is_ready(pod) and is_active(pod):
                world.run(pod.metadata.name)
                planned.append(RequeueAfter(seconds=0))
        if not planned:
            return
    raise AssertionError("never at rest")


def end(world: World) -> list[tuple[bytes, int, int]]:
    """What is left, without the names that only tell how it came about."""
    return sorted(
        (bytes(one.spec.template), one.spec.replicas, sum(map(is_ready, pods(world, one))))
        for one in sets(world)
        if one.spec.replicas
    )


class Rollout(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.most = self.least = 0

    @initialize(replicas=st.integers(1, 6), surge=SHARES, unavailable=SHARES)
    def settled(self, replicas: int, surge: int | str, unavailable: int | str) -> None:
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
        spec: dict[str, Any] = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "strategy": rolling}
        spec |= {"revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "template": template("nginx:1")}
        self.world.add(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec})
        settle(self.world)
        deployment = self.world.get(DEPLOYMENTS, "web", Deployment)
        self.most = replicas + arithmetic.max_surge(deployment)
        self.least = replicas - arithmetic.max_unavailable(deployment)

    @rule(image=st.sampled_from(["nginx:1", "nginx:2", "nginx:3"]))
    def another_image(self, image: str) -> None:
        self.world.spec(DEPLOYMENTS, "web", template=template(image))

    @rule(steps=STEPS)
    def deployment_controller(self, steps: int | None) -> None:
        self.world.carry_out(plan_deployment(self.world), only=steps)

    @rule(which=st.integers(0, 3), steps=STEPS)
    def replicaset_controller(self, which: int, steps: int | None) -> None:
        found = sets(self.world)
        self.world.carry_out(plan_set(self.world, found[which % len(found)]), only=steps)

    @precondition(lambda self: bool(pods(self.world)))
    @rule(which=st.integers(0, 9))
    def kubelet(self, which: int) -> None:
        found = pods(self.world)
        pod = found[which % len(found)]
        if pod.metadata.deletion_timestamp is not None:
            self.world.remove_leaving(pod.metadata.name)
        else:
            self.world.run(pod.metadata.name)

    @rule(steps=st.integers(0, 6))
    def death_at_any_step_leads_to_the_same_end(self, steps: int) -> None:
        smooth, broken = self.world.copy(), self.world.copy()
        settle(smooth)
        broken.carry_out(plan_deployment(broken), only=steps)
        for one in sets(broken):
            broken.carry_out(plan_set(broken, one), only=steps)
        settle(broken)
        assert end(smooth) == end(broken)

    @invariant()
    def never_more_than_surge_allows(self) -> None:
        assert sum(one.spec.replicas for one in sets(self.world)) <= self.most

    @invariant()
    def never_fewer_than_promised(self) -> None:
        assert sum(1 for pod in pods(self.world) if is_ready(pod) and is_active(pod)) >= self.least

    def teardown(self) -> None:
        if not self.world.objects(DEPLOYMENTS):
            return
        settle(self.world)
        deployment = self.world.get(DEPLOYMENTS, "web", Deployment)
        (new,) = (one for one in sets(self.world) if one.spec.replicas)
        assert new.spec.replicas == deployment.spec.replicas == len(pods(self.world))
        images = {p["spec"]["containers"][0]["image"] for p in self.world.objects(PODS)}
        assert images == {self.world.objects(DEPLOYMENTS)[0]["spec"]["template"]["spec"]["containers"][0]["image"]}
        assert writes(plan_deployment(self.world)) == writes(plan_set(self.world, new)) == []


TestRollout = Rollout.TestCase
TestRollout.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
