"""A shell on the cluster of the folder above."""

import pytest

from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import Cluster
from tests.engine.runtime.pages.shell import Shell


@pytest.fixture
def shell(engine: RunningEngine, cluster: Cluster) -> Shell:
    assert cluster, "someone has to run the pods"
    return Shell(engine)
