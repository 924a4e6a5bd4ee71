"""Whatever the order of events, a rolling update keeps its promises, ends, and then rests."""

from dataclasses import dataclass, field

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from apimachinery.objects.meta import ObjectMeta
from engine.controllers.actions import Action, Create, Delete, Patch, RequeueAfter, SetStatus
from engine.controllers.deployment import arithmetic, planning
from engine.controllers.deployment.revisions import find_new
from engine.controllers.deployment.views import Deployment, DeploymentStatus
from engine.controllers.views import Condition, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus
from tests.engine.controllers.objects import NOW, deployment, owned_by

SHARES = st.one_of(st.integers(0, 6), st.sampled_from(["0%", "10%", "25%", "50%", "100%"]))
OWNER = owned_by("Deployment", "uid-web", "web")


@dataclass
class World:
    """One Deployment, its sets, and how many pods of each really are available (`up`)."""

    deployment: Deployment
    sets: dict[str, ReplicaSet] = field(default_factory=dict[str, ReplicaSet])
    up: dict[str, int] = field(default_factory=dict[str, int])
    clock: int = 0

    def plan(self) -> list[Action]:
        return planning.plan(
            planning.Observed(deployment=self.deployment, replica_sets=tuple(self.sets.values()), now=NOW)
        )

    def turn(self) -> None:
        for action in self.plan():
            match action:
                case Create():
                    self._create(action)
                case Patch():
                    self._patch(action)
                case Delete():
                    del self.sets[action.name], self.up[action.name]
                case SetStatus():
                    self._set_status(action)
                case RequeueAfter():
                    pass
                case _:
                    raise AssertionError(action)

    def new(self) -> ReplicaSet | None:
        return find_new(self.deployment, self.sets.values())

    def pod_comes_up(self, name: str) -> None:
        self.up[name] = min(self.sets[name].spec.replicas, self.up[name] + 1)

    def surplus_goes(self, name: str) -> None:
        self.up[name] = min(self.sets[name].spec.replicas, self.up[name])

    def set_reports(self, name: str) -> None:
        rs = self.sets[name]
        status = ReplicaSetStatus(
            replicas=rs.spec.replicas,
            ready_replicas=self.up[name],
            available_replicas=self.up[name],
            terminating_replicas=0,
            observed_generation=1,
        )
        self.sets[name] = msgspec.structs.replace(rs, status=status)

    def promised(self) -> int:
        """Available pods that will still be there once every set has shrunk to its size."""
        return sum(min(self.up[name], rs.spec.replicas) for name, rs in self.sets.items())

    def total(self) -> int:
        return sum(rs.spec.replicas for rs in self.sets.values())

    def _create(self, action: Create) -> None:
        self.clock += 1
        meta = action.body["metadata"]
        self.up[meta["name"]] = 0
        self.sets[meta["name"]] = ReplicaSet(
            metadata=ObjectMeta(
                name=meta["name"],
                namespace="default",
                uid=f"uid-{meta['name']}",
                generation=1,
                labels=meta["labels"],
                annotations=meta["annotations"],
                creation_timestamp=f"2026-01-01T00:00:{self.clock:02}Z",
                owner_references=(OWNER,),
            ),
            spec=ReplicaSetSpec(
                replicas=action.body["spec"]["replicas"],
                selector=action.body["spec"]["selector"],
                template=msgspec.Raw(msgspec.json.encode(action.body["spec"]["template"])),
            ),
        )

    def _patch(self, action: Patch) -> None:
        assert isinstance(action.body, dict)
        rs = self.sets[action.name]
        annotations = {**rs.metadata.annotations, **action.body.get("metadata", {}).get("annotations", {})}
        replicas = action.body.get("spec", {}).get("replicas", rs.spec.replicas)
        assert replicas >= 0
        self.sets[action.name] = msgspec.structs.replace(
            rs,
            metadata=msgspec.structs.replace(rs.metadata, annotations=annotations),
            spec=msgspec.structs.replace(rs.spec, replicas=replicas),
        )

    def _set_status(self, action: SetStatus) -> None:
        given = {name: value for name, value in action.status.items() if value is not None}
        status = msgspec.convert(given, DeploymentStatus)
        assert all(isinstance(c, Condition) for c in status.conditions)
        meta = self.deployment.metadata
        meta = msgspec.structs.replace(meta, annotations={**meta.annotations, **action.annotations})
        self.deployment = msgspec.structs.replace(self.deployment, status=status, metadata=meta)


def run_to_rest(world: World) -> None:
    for _ in range(400):
        before = world.plan()
        if not [a for a in before if not isinstance(a, RequeueAfter)] and all(
            rs.status.available_replicas == rs.spec.replicas == rs.status.replicas for rs in world.sets.values()
        ):
            return
        world.turn()
        for name in list(world.sets):
            world.pod_comes_up(name)
            world.surplus_goes(name)
            world.set_reports(name)
    raise AssertionError(f"no rest: {world.plan()}")


def with_image(wanted: Deployment, image: str, replicas: int | None = None) -> Deployment:
    fresh = deployment(image=image).spec.template
    size = wanted.spec.replicas if replicas is None else replicas
    return msgspec.structs.replace(wanted, spec=msgspec.structs.replace(wanted.spec, template=fresh, replicas=size))


def settled_world(replicas: int, surge: int | str, unavailable: int | str) -> World:
    world = World(deployment(replicas=replicas, surge=surge, unavailable=unavailable, image="nginx:1"))
    run_to_rest(world)
    return world


STEPS = st.lists(
    st.tuples(st.sampled_from(["turn", "turn", "up", "up", "down", "report"]), st.integers(0, 1)),
    min_size=30,
    max_size=90,
)


@settings(max_examples=120, deadline=None)
@given(st.integers(1, 12), SHARES, SHARES, STEPS)
def test_rolling_update_never_breaks_surge_nor_availability(
    replicas: int, surge: int | str, unavailable: int | str, steps: list[tuple[str, int]]
) -> None:
    world = settled_world(replicas, surge, unavailable)
    world.deployment = with_image(world.deployment, "nginx:2")
    most = replicas + arithmetic.max_surge(world.deployment)
    least = replicas - arithmetic.max_unavailable(world.deployment)
    for step, number in steps:
        names = sorted(world.sets)
        name = names[number % len(names)]
        match step:
            case "turn":
                world.turn()
            case "up":
                world.pod_comes_up(name)
            case "down":
                world.surplus_goes(name)
            case _:
                world.set_reports(name)
        assert world.total() <= most
        assert world.promised() >= least
    run_to_rest(world)
    assert world.total() == world.promised() == replicas


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), SHARES, SHARES, st.integers(0, 6))
def test_rollout_with_a_new_size_in_its_middle_ends_at_that_size_and_rests(
    before: int, after: int, surge: int | str, unavailable: int | str, turns: int
) -> None:
    world = settled_world(before, surge, unavailable)
    world.deployment = with_image(world.deployment, "nginx:2")
    for _ in range(turns):
        world.turn()
        for name in list(world.sets):
            world.set_reports(name)
    world.deployment = with_image(world.deployment, "nginx:2", after)
    run_to_rest(world)
    new = world.new()
    assert new is not None
    assert new.spec.replicas == after == world.total()
    assert [a for a in world.plan() if not isinstance(a, RequeueAfter)] == []


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), SHARES, SHARES, st.lists(st.sampled_from(["nginx:1", "nginx:2", "nginx:3"]), max_size=5))
def test_templates_changed_in_quick_succession_end_at_the_last(
    replicas: int, surge: int | str, unavailable: int | str, images: list[str]
) -> None:
    world = settled_world(replicas, surge, unavailable)
    for image in images:
        world.deployment = with_image(world.deployment, image)
        world.turn()
        for name in list(world.sets):
            world.set_reports(name)
    run_to_rest(world)
    new = world.new()
    assert new is not None
    assert new.spec.replicas == replicas == world.total()
