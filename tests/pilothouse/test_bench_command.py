"""`bench hollow` and `engine run --scheduler-config` with a real engine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.hollow import objectives
from pilothouse.hollow.load import busiest, percentile

BAD = """
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: mine
  plugins: {score: {enabled: [{name: Nonsense}]}}
"""


def pilothouse(data_dir: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pilothouse", "--data-dir", str(data_dir), *words],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    started = pilothouse(folder, "engine", "start", "--listen", "127.0.0.1:0")
    assert started.returncode == 0, started.stderr
    yield folder
    pilothouse(folder, "engine", "stop")


def test_hollow_machines_run_pods_and_are_gone_afterwards(data_dir: Path) -> None:
    done = pilothouse(data_dir, "bench", "hollow", "--nodes", "3", "--pods", "12", "--output", "json")
    assert done.returncode == 0, done.stderr
    measured = {row["what"]: row["measured"] for row in json.loads(done.stdout)}
    assert {name.partition(":")[0] for name in measured} == {"create", "steady", "roll", "delete"}
    assert "p99" in measured["create: pod seen to ready"]
    assert "p99" in measured["steady: pod asked for to ready"]
    assert "CPU" in measured["delete: engine"]
    # Another set of machines finds nothing left of the first: it can register under the same names.
    again = pilothouse(data_dir, "bench", "hollow", "--nodes", "1", "--pods", "1", "--output", "json")
    assert again.returncode == 0, again.stderr


def test_busiest_window_and_percentiles() -> None:
    assert busiest([]) == 0.0
    assert busiest([0.0, 1.0, 2.0]) == 1.5
    assert busiest([0.0, *(20 + n / 10 for n in range(50)), 90.0]) == 5.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([], 0.5) == 0.0


METRICS = """
# TYPE apiserver_request_duration_seconds histogram
apiserver_request_duration_seconds_bucket{verb="POST",resource="pods",subresource="",scope="resource",le="0.1"} 50
apiserver_request_duration_seconds_bucket{verb="POST",resource="pods",subresource="",scope="resource",le="1.0"} 100
apiserver_request_duration_seconds_bucket{verb="POST",resource="pods",subresource="binding",scope="resource",le="1.0"} 100
apiserver_request_duration_seconds_bucket{verb="POST",resource="pods",subresource="",scope="resource",le="+Inf"} 200
apiserver_request_duration_seconds_bucket{verb="PUT",resource="nodes",subresource="",scope="resource",le="+Inf"} 9
apiserver_request_duration_seconds_count{verb="POST",resource="pods",subresource="",scope="resource"} 200
"""


def test_the_servers_own_account_is_read_as_prometheus_would() -> None:
    pods = objectives.Series("POST", "pods", "resource")
    found = objectives.read(METRICS)
    assert found[pods] == {0.1: 50, 1.0: 200, float("inf"): 200}
    assert objectives.quantile(found[pods], 0.5) == pytest.approx(0.1 + 0.9 / 3)
    assert objectives.quantile(found[pods], 0.25) == pytest.approx(0.1)
    assert objectives.quantile({1.0: 1, float("inf"): 100}, 0.99) == 1.0
    assert objectives.quantile({}, 0.99) == 0.0
    assert objectives.since({pods: {1.0: 150}}, found)[pods][1.0] == 50
    # Of what was asked nine times no hundredth can be told.
    assert objectives.worst(found, objectives.MUTATING)[1] == "POST pods"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(BAD, 'profiles[0].plugins.score.enabled[0].name: Invalid value: "Nonsense"', id="field"),
        pytest.param("a: [", "is not YAML", id="no YAML"),
        pytest.param(None, "cannot read", id="no file"),
    ],
)
def test_bad_scheduler_configuration_is_refused_in_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "scheduler.yaml"
    if content is not None:
        file.write_text(content)
    options = ("--listen", "127.0.0.1:0", "--scheduler-config", str(file))
    refused = pilothouse(tmp_path / "data", "engine", "run", *options)
    assert refused.returncode == 1
    assert said in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
