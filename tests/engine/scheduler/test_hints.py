"""Which changes wake which pods."""

from typing import Any

import pytest

from engine.scheduler.hints import (
    ClaimChanged,
    Event,
    MachineChanged,
    NamespaceChanged,
    PodCame,
    PodLeft,
    StorageChanged,
    helps,
)
from engine.scheduler.snapshot import Snapshot
from tests.engine.scheduler.objects import asking, machine, pod, resident, shape

Json = dict[str, Any]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
WEB = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
NEAR_WEB = {"affinity": {"podAffinity": {REQUIRED: [WEB]}}}
FAR_FROM_WEB = {"affinity": {"podAntiAffinity": {REQUIRED: [WEB]}}}
SPREAD_WEB = {
    "topologySpreadConstraints": [
        {
            "topologyKey": "zone",
            "maxSkew": 1,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": WEB["labelSelector"],
        }
    ]
}
CLAIMING = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}
BIG = {"containers": [asking("3")]}


def left(on_cpu: str = "4", **spec: Any) -> PodLeft:
    return PodLeft(resident(pod("gone", **spec)), machine(cpu=on_cpu))


def came(**spec: Any) -> PodCame:
    return PodCame(resident(pod("new", **spec)))


@pytest.mark.parametrize(
    ("plugin", "spec", "event", "expected"),
    [
        pytest.param("NodeResourcesFit", BIG, MachineChanged(machine(cpu="4")), True, id="machine with room"),
        pytest.param("NodeResourcesFit", BIG, MachineChanged(machine(cpu="1")), False, id="machine too small"),
        pytest.param(
            "NodeAffinity", {"nodeSelector": {"disk": "ssd"}}, MachineChanged(machine()), False, id="not chosen"
        ),
        pytest.param("NodeResourcesFit", BIG, left(), True, id="room came free"),
        pytest.param("NodeResourcesFit", BIG, left("1"), False, id="not enough came free"),
        pytest.param("NodeAffinity", BIG, left(), False, id="others going is no help to affinity for machines"),
        pytest.param("NodeResourcesFit", BIG, came(), False, id="others coming is no help"),
        pytest.param("InterPodAffinity", NEAR_WEB, came(labels={"app": "web"}), True, id="somebody to be near"),
        pytest.param("InterPodAffinity", NEAR_WEB, came(labels={"app": "db"}), False, id="somebody else"),
        pytest.param("InterPodAffinity", FAR_FROM_WEB, left(labels={"app": "web"}), True, id="the shunned one left"),
        pytest.param("InterPodAffinity", FAR_FROM_WEB, left(labels={"app": "db"}), False, id="another one left"),
        pytest.param(
            "InterPodAffinity", {"labels": {"app": "web"}}, left(**FAR_FROM_WEB), True, id="who shunned us left"
        ),
        pytest.param("PodTopologySpread", SPREAD_WEB, left(labels={"app": "web"}), True, id="one fewer in a zone"),
        pytest.param("PodTopologySpread", SPREAD_WEB, left(labels={"app": "db"}), False, id="not one that counts"),
        pytest.param("PodTopologySpread", SPREAD_WEB, came(labels={"app": "web"}), True, id="the emptiest zone filled"),
        pytest.param("VolumeRestrictions", CLAIMING, left(**CLAIMING), True, id="the claim came free"),
        pytest.param("VolumeBinding", CLAIMING, ClaimChanged("default/data"), True, id="its claim"),
        pytest.param("VolumeBinding", CLAIMING, ClaimChanged("default/other"), False, id="another claim"),
        pytest.param("VolumeBinding", CLAIMING, StorageChanged(), True, id="a volume"),
        pytest.param("NodeResourcesFit", BIG, StorageChanged(), False, id="volumes are no help to want of cpu"),
        pytest.param("InterPodAffinity", NEAR_WEB, NamespaceChanged(), True, id="a namespace's labels"),
        pytest.param("NodeResourcesFit", BIG, NamespaceChanged(), False, id="namespaces are no help to want of cpu"),
    ],
)
def test_only_what_could_help_wakes_a_pod(plugin: str, spec: Json, event: Event, expected: bool) -> None:
    assert helps(Snapshot(), event, shape(**spec), {plugin}) is expected
