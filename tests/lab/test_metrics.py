"""What machines and pods use, as kubectl shows it."""

import json
import re

import pytest

from tests.lab.cluster import Cluster, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]


def test_top_shows_machines_and_a_pod_that_works(cluster: Cluster) -> None:
    cluster.kubectl(
        "run", "busy", "--image=busybox", "--labels=work=hard", "--", "sh", "-c", "while :; do :; done"
    )  # fmt: skip
    try:
        cluster.kubectl("wait", "pod/busy", "--for=condition=Ready", "--timeout=60s", timeout=70)
        nodes = eventually(lambda: cluster.kubectl("top", "nodes", "--no-headers").splitlines(), every=1)
        assert [line.split()[0] for line in nodes] == ["m1", "m2", "m3"]

        def measured() -> int:
            done = cluster.try_kubectl("top", "pods", "--containers", "--selector", "work=hard", "--no-headers")
            found = re.match(r"busy +busy +(\d+)m +\d+Mi", done.stdout)
            return int(found[1]) if found else 0

        assert eventually(lambda: measured() > 50, every=1)
        path = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=work%3Dlittle"
        assert json.loads(cluster.kubectl("get", "--raw", path))["items"] == []
    finally:
        cluster.kubectl("delete", "pod", "busy", "--force", "--grace-period=0")
