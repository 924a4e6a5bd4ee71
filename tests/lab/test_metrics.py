"""What machines and pods use, as kubectl shows it."""

import json
import re
import socket
import subprocess
import urllib.error
import urllib.request
from base64 import b64decode
from pathlib import Path
from urllib.parse import urlencode

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


SCRAPED = """
global: {scrape_interval: 1s}
scrape_configs:
- job_name: apiserver
  scheme: https
  metrics_path: /metrics
  authorization: {credentials: %(token)s}
  tls_config: {ca_file: %(ca)s}
  static_configs: [{targets: ["%(address)s"]}]
- job_name: kubelet
  scheme: https
  authorization: {credentials: %(token)s}
  tls_config: {ca_file: %(ca)s}
  static_configs:
  - {targets: ["%(address)s"], labels: {node: m1, __metrics_path__: /api/v1/nodes/m1/proxy/metrics/cadvisor}}
  - {targets: ["%(address)s"], labels: {node: m2, __metrics_path__: /api/v1/nodes/m2/proxy/metrics/cadvisor}}
  - {targets: ["%(address)s"], labels: {node: m3, __metrics_path__: /api/v1/nodes/m3/proxy/metrics/cadvisor}}
"""


def test_a_real_prometheus_scrapes_engine_and_machines(cluster: Cluster, tmp_path: Path) -> None:
    cluster.kubectl("create", "serviceaccount", "prometheus")
    cluster.kubectl("create", "clusterrolebinding", "prometheus", "--clusterrole=cluster-admin", "--serviceaccount=default:prometheus")  # fmt: skip
    cluster.kubectl("run", "seen", "--image=busybox", "--", "sleep", "100000")
    found = json.loads(cluster.kubectl("config", "view", "--raw", "--output", "json"))["clusters"][0]["cluster"]
    (tmp_path / "ca.crt").write_bytes(b64decode(found["certificate-authority-data"]))
    facts = {
        "token": cluster.kubectl("create", "token", "prometheus").strip(),
        "ca": tmp_path / "ca.crt",
        "address": found["server"].removeprefix("https://"),
    }
    (tmp_path / "prometheus.yml").write_text(SCRAPED % facts)
    with socket.create_server(("127.0.0.1", 0)) as free:
        own = f"127.0.0.1:{free.getsockname()[1]}"
    argv = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*argv, f"--web.listen-address={own}"], stdout=log, stderr=log)

    def value(query: str) -> dict[str, float]:
        """By node; empty while there is no answer."""
        assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
        try:
            url = f"http://{own}/api/v1/query?{urlencode({'query': query})}"
            with urllib.request.urlopen(url, timeout=10) as answer:
                rows = json.load(answer)["data"]["result"]
        except (urllib.error.URLError, ConnectionError):
            return {}
        return {row["metric"].get("node", ""): float(row["value"][1]) for row in rows}

    try:
        machines = {"m1": 1.0, "m2": 1.0, "m3": 1.0}
        assert eventually(lambda: value('up{job="kubelet"}') == machines, within=60)
        assert eventually(lambda: value('up{job="apiserver"}') == {"": 1.0}, within=60)
        assert eventually(lambda: value('sum(apiserver_request_total{job="apiserver"})')[""] > 0)
        cluster.kubectl("wait", "pod/seen", "--for=condition=Ready", "--timeout=60s", timeout=70)
        assert eventually(lambda: list(value('container_memory_working_set_bytes{pod="seen"} > 0').values()), within=60)
        assert eventually(lambda: value('container_network_receive_bytes_total{pod="seen"}'), within=60)
    finally:
        process.terminate()
        process.wait(20)
        cluster.kubectl("delete", "pod", "seen", "--force", "--grace-period=0")
        cluster.kubectl("delete", "clusterrolebinding/prometheus", "serviceaccount/prometheus")
