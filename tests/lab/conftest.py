"""One cluster for all tests that need one: an engine, a lab of three machines, joined by the command that users have."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import find_client
from tests.lab.cluster import Cluster
from tests.lab.leftovers import assert_nothing_left

MACHINES = 3


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three joined machines with the examples' images at hand, shared by the whole run: leave it as you found it."""
    cluster = Cluster(data_dir=tmp_path_factory.mktemp("cluster"), kubectl_path=find_client("kubectl"))
    # what machines are sent is the same for every run: fetched once, kept with the environment
    kept = Path(sys.prefix) / "lab-cache"
    kept.mkdir(exist_ok=True)
    (cluster.data_dir / "cache").symlink_to(kept)
    try:
        cluster.pilothouse("engine", "start", "--listen", "127.0.0.1:0")
        cluster.pilothouse("lab", "up", "--machines", str(MACHINES))
        yield cluster
    finally:
        engine_log = cluster.data_dir / "engine.log"
        if "PILOTHOUSE_KEEP_LOGS" in os.environ and engine_log.exists():
            shutil.copy(engine_log, os.environ["PILOTHOUSE_KEEP_LOGS"])
        cluster.try_pilothouse("engine", "stop")
        lab = cluster.lab
        cluster.pilothouse("lab", "down")
        assert_nothing_left(lab)
