"""What is told of the machine."""

import dataclasses
from pathlib import Path

import pytest

from nodeagent.config import AgentConfig, ConfigError, load
from nodeagent.cri.types import Image, RuntimeInfo, Usage
from nodeagent.stats import node
from nodeagent.stats.machine import Capacity, Pressure, Reserved
from nodeagent.stats.summary import PodFigures, Rates, Summary

READY = RuntimeInfo(name="containerd", version="1.6", ready=True, network_ready=True)
FACTS = node.NodeFacts(
    addresses=["192.0.2.7"],
    capacity=Capacity(cpus=4, memory=2**30, disk=10 * 2**30, pods=110),
    pressure=Pressure(),
    info={"architecture": "arm64"},
    runtime=READY,
    images=[Image(id="1", tags=("a:1",), size=5), Image(id="2", tags=("b:1",), size=9), Image(id="3", size=99)],
    port=10250,
)


def conditions(facts: node.NodeFacts) -> dict[str, tuple[str, str, str]]:
    listed = node.status(facts, {}, "now", "pi")["conditions"]
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in listed}


def test_a_healthy_machine() -> None:
    assert conditions(FACTS) == {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    }


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        pytest.param(None, "container runtime is down", id="no answer"),
        pytest.param(
            dataclasses.replace(READY, network_ready=False, message="cni plugin not initialized"),
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
            "message:cni plugin not initialized",
            id="no network",
        ),
    ],
)
def test_a_machine_that_cannot_run_pods_says_why(runtime: RuntimeInfo | None, message: str) -> None:
    assert conditions(dataclasses.replace(FACTS, runtime=runtime))["Ready"] == ("False", "KubeletNotReady", message)


def test_pressure_is_told() -> None:
    pressed = dataclasses.replace(FACTS, pressure=Pressure(memory=True, disk=True, pids=True))
    found = conditions(pressed)
    assert found["DiskPressure"] == ("True", "KubeletHasDiskPressure", "kubelet has disk pressure")
    assert found["MemoryPressure"][1] == "KubeletHasInsufficientMemory"


def test_images_are_listed_by_size_and_nameless_ones_left_out() -> None:
    images = node.status(FACTS, {}, "now", "pi")["images"]
    assert [image["names"] for image in images] == [["b:1"], ["a:1"]]


def test_only_news_is_news() -> None:
    first = node.status(FACTS, {}, "t1", "pi")
    before = {c["type"]: c for c in first["conditions"]}
    later = node.status(FACTS, before, "t2", "pi")
    assert not node.differs(first, later)
    assert later["conditions"][0]["lastTransitionTime"] == "t1"
    down = node.status(dataclasses.replace(FACTS, runtime=None), before, "t3", "pi")
    assert node.differs(first, down)
    assert down["conditions"][-1]["lastTransitionTime"] == "t3"


def test_what_pods_may_use_is_less_than_what_is_there() -> None:
    assert FACTS.capacity.as_quantities()["memory"] == "1048576Ki"
    reserved = Reserved(cpu=500, memory=100 * 2**20, disk=2**30)
    found = dataclasses.replace(FACTS.capacity, reserved=reserved).allocatable()
    assert found == {"cpu": "3500m", "memory": "946176Ki", "ephemeral-storage": str(9 * 2**30), "pods": "110"}


def test_rates_come_from_two_readings() -> None:
    rates = Rates()
    assert rates.nanocores("a", 10.0, 5_000_000_000) == 0
    assert rates.nanocores("a", 12.0, 6_000_000_000) == 500_000_000
    assert rates.nanocores("a", 12.1, 6_900_000_000) == 500_000_000  # too soon: the last rate stands
    assert rates.nanocores("a", 20.0, 1_000) == 0  # a counter that began anew


def test_a_pods_usage_is_the_sum_of_its_containers() -> None:
    usages = [Usage(id=f"c{n}", name=f"n{n}", uid="u", timestamp=1.0, memory_working_set=n) for n in (1, 2)]
    pod = PodFigures(name="web", namespace="d", uid="u", started_at=None)
    (found,) = Summary("m1").build(1.0, [pod], usages)["pods"]
    assert found["memory"]["workingSetBytes"] == 3
    assert [c["name"] for c in found["containers"]] == ["n1", "n2"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param('{"node_name": ""}', "node_name: must not be empty", id="no name"),
        pytest.param('{"node_name": "a", "liste": ""}', "unknown field `liste`", id="unknown field"),
        pytest.param('{"node_name": "a", "listen": "here"}', "listen: 'here' is not HOST:PORT", id="no port"),
        pytest.param('{"node_name": "a", "cluster_cidr": "x"}', "cluster_cidr: ", id="no network"),
        pytest.param('{"node_name": "a", "node_ip": "x"}', "node_ip: ", id="no address"),
        pytest.param("{", "truncated", id="cut off"),
    ],
)
def test_settings_that_cannot_be_used_are_named(tmp_path: Path, body: str, message: str) -> None:
    file = tmp_path / "agent.json"
    file.write_text(body)
    with pytest.raises(ConfigError, match=message):
        load(file)


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.json")


def test_settings_need_only_a_name(tmp_path: Path) -> None:
    file = tmp_path / "agent.json"
    file.write_text('{"node_name": "pi"}')
    assert load(file) == AgentConfig(node_name="pi")
    assert load(file).listen_address() == ("127.0.0.1", 10250)
