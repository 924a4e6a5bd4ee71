"""A DaemonSet while machines come and go, templates change, pods fail and its controller dies half-way."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apimachinery.objects.resources import CONTROLLERREVISIONS, DAEMONSETS, PODS
from engine.controllers.actions import Action, Emit, RequeueAfter
from engine.controllers.daemonset import planning
from engine.controllers.daemonset.placement import target_of
from engine.controllers.daemonset.views import DaemonSet
from engine.controllers.history import ControllerRevision, revision_name
from engine.controllers.podstate import is_active, is_ready, is_terminating
from engine.controllers.views import Node, Pod
from tests.engine.controllers.objects import node, template
from tests.engine.controllers.world import World

MACHINES = ("m1", "m2", "m3", "m4")
STEPS = st.one_of(st.none(), st.integers(0, 4))


def pods(world: World) -> list[Pod]:
    return sorted(world.list(PODS, Pod), key=lambda pod: pod.metadata.name)


def plan(world: World, machines: set[str]) -> list[Action]:
    daemon_set = world.get(DAEMONSETS, "web", DaemonSet)
    revisions = world.list(CONTROLLERREVISIONS, ControllerRevision)
    name = revision_name(daemon_set, daemon_set.spec.template, daemon_set.status.collision_count)
    nodes: tuple[Node, ...] = tuple(node(machine) for machine in sorted(machines))
    return planning.plan(
        planning.Observed(
            daemon_set=daemon_set, pods=tuple(pods(world)), revisions=revisions, nodes=nodes, now=world.now,
            name_holder=next((one for one in revisions if one.metadata.name == name), None),
        )
    )  # fmt: skip


def writes(world: World, machines: set[str]) -> list[Action]:
    return [action for action in plan(world, machines) if not isinstance(action, (RequeueAfter, Emit))]


def care(world: World, pod: Pod, machines: set[str]) -> bool:
    """What scheduler, kubelet and pod GC do for one pod. Whether anything was left to do."""
    name = pod.metadata.name
    if is_terminating(pod):
        world.remove_leaving(name)
    elif not pod.spec.node_name:
        world.spec(PODS, name, nodeName=target_of(pod))
    elif pod.spec.node_name not in machines:
        world.delete(PODS, name)
    elif is_active(pod) and not is_ready(pod):
        world.run(name)
    else:
        return False
    return True


def settle(world: World, machines: set[str]) -> None:
    for _ in range(200):
        planned = writes(world, machines)
        world.carry_out(planned)
        if not planned and not any(care(world, pod, machines) for pod in pods(world)):
            return
    raise AssertionError("never at rest")


def end(world: World) -> list[tuple[str, str]]:
    return sorted((p["spec"]["nodeName"], p["spec"]["containers"][0]["image"]) for p in world.objects(PODS))


class Daemons(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.machines: set[str] = set()
        self.surge = 0
        self.harmed = False
        """Machines came or pods were hurt by others since the last rest: the rollout alone is not to blame."""

    @initialize(surge=st.booleans(), most=st.sampled_from([1, 2, "50%"]), machines=st.sets(st.sampled_from(MACHINES)))
    def settled(self, surge: bool, most: int | str, machines: set[str]) -> None:
        self.surge = 1 if surge else 0
        rolling = {"maxSurge": most, "maxUnavailable": 0} if surge else {"maxUnavailable": most}
        spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template("nginx:1"), "revisionHistoryLimit": 2}
        spec["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": rolling}
        self.world.add(DAEMONSETS, {"metadata": {"name": "web"}, "spec": spec})
        self.machines = machines
        settle(self.world, machines)

    @rule(image=st.sampled_from(["nginx:1", "nginx:2", "nginx:3"]))
    def another_image(self, image: str) -> None:
        self.world.spec(DAEMONSETS, "web", template=template(image))

    @rule(steps=STEPS)
    def controller(self, steps: int | None) -> None:
        self.world.carry_out(plan(self.world, self.machines), only=steps)

    @rule(machine=st.sampled_from(MACHINES))
    def machine_joins_or_leaves(self, machine: str) -> None:
        self.machines ^= {machine}
        self.harmed = True

    @precondition(lambda self: bool(pods(self.world)))
    @rule(which=st.integers(0, 9))
    def pod_is_cared_for(self, which: int) -> None:
        found = pods(self.world)
        care(self.world, found[which % len(found)], self.machines)

    @precondition(lambda self: bool(pods(self.world)))
    @rule(which=st.integers(0, 9))
    def pod_fails(self, which: int) -> None:
        found = pods(self.world)
        self.world.end(found[which % len(found)].metadata.name, "Failed")
        self.harmed = True

    @rule(steps=st.integers(0, 6))
    def death_at_any_step_leads_to_the_same_end(self, steps: int) -> None:
        smooth, broken = self.world.copy(), self.world.copy()
        broken.carry_out(plan(broken, self.machines), only=steps)
        settle(smooth, self.machines)
        settle(broken, self.machines)
        assert end(smooth) == end(broken)

    @invariant()
    def no_more_on_a_machine_than_surge_allows(self) -> None:
        there = [target_of(pod) for pod in pods(self.world) if is_active(pod)]
        assert all(there.count(machine) <= 1 + self.surge for machine in there)

    @invariant()
    def a_surging_rollout_takes_no_machine_its_pod(self) -> None:
        if self.surge and not self.harmed:
            up = {pod.spec.node_name for pod in pods(self.world) if is_active(pod) and is_ready(pod)}
            assert up >= self.machines

    def teardown(self) -> None:
        if not self.world.objects(DAEMONSETS):
            return
        settle(self.world, self.machines)
        image = self.world.objects(DAEMONSETS)[0]["spec"]["template"]["spec"]["containers"][0]["image"]
        assert end(self.world) == [(machine, image) for machine in sorted(self.machines)]
        assert writes(self.world, self.machines) == []


TestDaemons = Daemons.TestCase
TestDaemons.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
