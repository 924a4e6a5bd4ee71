"""The agent's Prometheus endpoints."""

import shutil
import subprocess

import pytest

from nodeagent.cri.types import Container, State, Usage
from nodeagent.stats.exposition import Family, Sample, text
from nodeagent.stats.filesystems import Space, VolumeUse
from nodeagent.stats.machine import NodeUsage
from nodeagent.stats.metrics import PodRuns, cadvisor_metrics, own_metrics, resource_metrics
from nodeagent.stats.network import parse

RAN = Container(
    id="c1", sandbox_id="s", name="main", uid="u", attempt=0, state=State.RUNNING, image="nginx", started_at=90.5
)
TABLE = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       9       9    0    0    0     0          0         0        9       9    0    0    0     0       0          0
  eth0:      12       3    0    0    0     0          0         0       34       4    0    1    0     0       0          0
"""
SPACE = Space(capacity=100, available=60, used=30, inodes=10, inodes_free=7, inodes_used=3)
VOLUMES = (VolumeUse(name="v", claim="data", space=SPACE), VolumeUse(name="cache", claim="", space=SPACE))
PODS = [
    PodRuns(name="web", namespace="ns", uid="u", containers=(RAN,), interfaces=tuple(parse(TABLE)), volumes=VOLUMES)
]
USAGES = [
    Usage(id="c1", name="main", uid="u", timestamp=100.25, cpu_nanoseconds=1_500_000_000, memory_working_set=4096),
    Usage(id="x", name="stranger", uid="nobody", timestamp=100.0),
]
NODE = NodeUsage(cpus=2, cpu_nanoseconds=7_000_000_000, memory=1 << 30, memory_working_set=1 << 20)


def test_resources_carry_the_moment_of_their_measurement() -> None:
    lines = resource_metrics(100.5, NODE, PODS, USAGES).splitlines()
    assert 'container_cpu_usage_seconds_total{container="main",namespace="ns",pod="web"} 1.5 100250' in lines
    assert 'container_memory_working_set_bytes{container="main",namespace="ns",pod="web"} 4096 100250' in lines
    assert 'container_start_time_seconds{container="main",namespace="ns",pod="web"} 90.5' in lines
    assert 'pod_cpu_usage_seconds_total{namespace="ns",pod="web"} 1.5 100250' in lines
    assert "node_cpu_usage_seconds_total 7 100500" in lines
    assert not any("stranger" in line for line in lines)


def test_networks_and_claims_are_told() -> None:
    lines = cadvisor_metrics(100.5, NODE, PODS, USAGES).splitlines()
    assert 'container_network_receive_bytes_total{id="/u",interface="eth0",namespace="ns",pod="web"} 12' in lines
    assert (
        'container_network_transmit_packets_dropped_total{id="/u",interface="eth0",namespace="ns",pod="web"} 1' in lines
    )
    own = own_metrics({}, PODS * 2).splitlines()
    assert own.count('kubelet_volume_stats_used_bytes{namespace="ns",persistentvolumeclaim="data"} 30') == 1
    assert not any("cache" in line for line in own)


def test_label_values_are_escaped() -> None:
    assert 'x{l="a\\"b\\\\c\\n"} 1' in text([Family("x", "gauge", "h", [Sample({"l": 'a"b\\c\n'}, 1)])])


def test_families_without_samples_are_left_out() -> None:
    assert text([Family("x", "gauge", "h", [])]) == "\n"


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(own_metrics({"pods": 1}, PODS), id="own"),
        pytest.param(resource_metrics(100.5, NODE, PODS, USAGES), id="resource"),
        pytest.param(cadvisor_metrics(100.5, NODE, PODS, USAGES), id="cadvisor"),
    ],
)
def test_every_sample_belongs_to_a_described_family(written: str) -> None:
    described = {line.split()[2] for line in written.splitlines() if line.startswith("# TYPE")}
    samples = [line for line in written.splitlines() if line and not line.startswith("#")]
    assert samples
    assert {line.split("{")[0].split()[0] for line in samples} == described
    assert len(samples) == len({line.split(" ")[0] for line in samples})
    if promtool := shutil.which("promtool"):
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=written, text=True, capture_output=True, check=False
        )
        assert "error" not in checked.stderr
