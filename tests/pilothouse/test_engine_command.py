"""`engine start|status|stop` with a real engine in the background."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse import datadir
from tests.clients import find_client
from tests.lab.cluster import eventually


def pilothouse(data_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pilothouse", "--data-dir", str(data_dir), *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def data_dir(tmp_path: Path):
    folder = tmp_path / "data"
    yield folder
    pilothouse(folder, "engine", "stop")


def test_engine_starts_tells_its_state_and_stops(data_dir: Path):
    assert pilothouse(data_dir, "engine", "status").returncode == 1
    started = pilothouse(data_dir, "engine", "start", "--listen", "127.0.0.1:0")
    assert started.returncode == 0, started.stderr
    assert "engine started on https://127.0.0.1:" in started.stdout

    status = pilothouse(data_dir, "engine", "status", "--output", "json")
    state = json.loads(status.stdout)
    assert (status.returncode, state["running"], state["ready"]) == (0, True, True)
    assert "already runs" in pilothouse(data_dir, "engine", "start").stdout

    second = pilothouse(data_dir, "engine", "run", "--listen", "127.0.0.1:0")
    assert second.returncode == 1
    assert str(data_dir) in second.stderr

    assert "engine stopped" in pilothouse(data_dir, "engine", "stop").stdout
    assert not datadir.is_alive(state["pid"])
    assert "no engine runs" in pilothouse(data_dir, "engine", "stop").stdout


def test_a_bad_address_is_refused_in_one_line(data_dir: Path):
    answer = pilothouse(data_dir, "engine", "run", "--listen", "nowhere")
    assert answer.returncode != 0
    assert "nowhere" in answer.stderr.splitlines()[-1]


def test_balanced_services_get_addresses_of_the_pool_that_the_engine_was_started_with(data_dir: Path):
    words = ("engine", "start", "--listen", "127.0.0.1:0", "--loadbalancer-pool", "192.0.2.8/31, 192.0.2.20-192.0.2.21")
    assert pilothouse(data_dir, *words).returncode == 0
    kubectl = (find_client("kubectl"), "--kubeconfig", str(data_dir / "kubeconfig"))
    for name in ("one", "two", "three"):
        subprocess.run((*kubectl, "create", "service", "loadbalancer", name, "--tcp=80"), check=True, timeout=60)

    def addresses() -> list[str]:
        path = "jsonpath={.items[*].status.loadBalancer.ingress[0].ip}"
        shown = subprocess.run(
            (*kubectl, "get", "services", "--output", path), check=True, timeout=60, capture_output=True, text=True
        )
        return sorted(shown.stdout.split())

    assert eventually(lambda: addresses() == ["192.0.2.20", "192.0.2.8", "192.0.2.9"])


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        pytest.param("192.168.1.1/24", "192.168.1.1/24 has host bits set", id="an address with a mask"),
        pytest.param("here", "'here'", id="no network"),
        pytest.param("10.0.0.9-10.0.0.1", "the first address is behind the last", id="turned round"),
        pytest.param("10.43.7.0/28", "overlaps 10.43.0.0/16, the addresses of Services", id="Services' own"),
        pytest.param(
            "192.0.2.1-192.0.2.2,10.42.0.5-10.42.0.9", "overlaps 10.42.0.0/16, the addresses of pods", id="pods'"
        ),
    ],
)
def test_pool_that_makes_no_sense_is_refused_in_one_line(data_dir: Path, pool: str, said: str):
    answer = pilothouse(data_dir, "engine", "run", "--listen", "127.0.0.1:0", "--loadbalancer-pool", pool)
    assert answer.returncode != 0
    assert said in answer.stderr.splitlines()[-1]
