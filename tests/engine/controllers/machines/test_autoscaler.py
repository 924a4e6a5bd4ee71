"""An autoscaler over a day of changing load: within its bounds and paces, and at rest when the load is."""

from datetime import timedelta

import hypothesis.strategies as st
import msgspec
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from apimachinery.objects.meta import ObjectMeta
from apimachinery.objects.resources import DEPLOYMENTS
from engine.controllers.actions import Patch, SetStatus
from engine.controllers.autoscaling import planning
from engine.controllers.autoscaling.pacing import Memory
from engine.controllers.autoscaling.views import (
    Autoscaler,
    AutoscalerSpec,
    AutoscalerStatus,
    Measured,
    Scale,
    ScaleTarget,
)
from engine.controllers.views import Container, ContainerResources, Pod
from tests.engine.controllers.objects import NOW, ago, pod

HALF = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
PERIOD = 15.0
DOWN_WINDOW = 300.0


def worker(number: int) -> Pod:
    """Asks for a whole cpu, and has run for an hour."""
    asked = (Container(name="c", resources=ContainerResources(requests={"cpu": "1"})),)
    one = pod(f"p{number}", containers=asked, ready_for=3500)
    return msgspec.structs.replace(one, status=msgspec.structs.replace(one.status, start_time=ago(3600)))


class Autoscaling(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.size = 1
        self.load = 0
        """Thousandths of a cpu that all pods use together."""
        self.steady = 1000.0
        self.memory = Memory()
        self.least, self.most = 1, 10
        self.status = AutoscalerStatus()
        self.peaks: list[tuple[float, int]] = []
        """When how many pods were what the load asked for."""

    @initialize(size=st.integers(1, 12), least=st.integers(1, 3), room=st.integers(0, 20))
    def made(self, size: int, least: int, room: int) -> None:
        self.size, self.least, self.most = size, least, least + room

    @rule(load=st.integers(0, 12000))
    def load_changes(self, load: int) -> None:
        self.load = load

    @rule(idle=st.sampled_from([0.0, 15.0, 120.0]))
    def controller_looks(self, idle: float) -> None:
        self.steady += PERIOD + idle
        before = self.size
        self.look()
        if self.least <= before <= self.most:
            assert self.size <= max(before + 4, 2 * before)
            assert self.least <= self.size <= self.most
        recent = [count for moment, count in self.peaks if self.steady - moment < DOWN_WINDOW]
        if self.size < before <= self.most:
            # Never below what was asked for at any look of the last five minutes.
            assert self.size >= min(max(recent), before)

    def look(self) -> None:
        pods = tuple(worker(number) for number in range(self.size))
        share = {"c": {"cpu": self.load // self.size}}
        now = NOW + timedelta(seconds=self.steady)
        spec = AutoscalerSpec(
            scale_target_ref=ScaleTarget("apps/v1", "Deployment", "web"),
            min_replicas=self.least, max_replicas=self.most, metrics=(HALF,),
        )  # fmt: skip
        meta = ObjectMeta(name="web", namespace="default", uid="uid-hpa", resource_version="1")
        actions, self.memory = planning.plan(
            planning.Observed(
                autoscaler=Autoscaler(metadata=meta, spec=spec, status=self.status),
                scale=Scale(resource=DEPLOYMENTS, wanted=self.size, present=self.size, selector="app=web"),
                pods=pods, memory=self.memory, now=now, steady=self.steady,
                measured={one.metadata.name: Measured(moment=now, window=15, containers=share) for one in pods},
            )
        )  # fmt: skip
        ratio = share["c"]["cpu"] / 500
        self.peaks.append((self.steady, self.size if 0.9 <= ratio <= 1.1 else int(-(-ratio * self.size // 1))))
        for action in actions:
            if isinstance(action, Patch):
                assert isinstance(action.body, dict)
                self.size = action.body["spec"]["replicas"]
            elif isinstance(action, SetStatus):
                given = {name: value for name, value in action.status.items() if value is not None}
                self.status = msgspec.convert(given, AutoscalerStatus)

    def teardown(self) -> None:
        for _ in range(80):
            self.steady += PERIOD
            self.look()
        rest = self.size
        for _ in range(25):
            self.steady += PERIOD
            self.look()
            assert self.size == rest
        ideal = min(self.most, max(self.least, -(-self.load // 500)))
        assert abs(rest - ideal) <= max(1, round(0.12 * ideal))


TestAutoscaling = Autoscaling.TestCase
TestAutoscaling.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
