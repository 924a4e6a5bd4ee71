"""`engine start|status|stop` with a real engine in the background."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse import datadir


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
