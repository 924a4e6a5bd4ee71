"""Addresses of balanced Services on the machines' network: one machine answers, and another when it falls silent."""

import json
import urllib.error
import urllib.request
from ipaddress import IPv4Interface

import pytest

from tests.lab.cluster import Cluster, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: balanced}
spec:
  replicas: 3
  selector: {matchLabels: {app: balanced}}
  template:
    metadata: {labels: {app: balanced}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox
        command: [sh, -c, "mkdir /www && echo balanced > /www/index.html && httpd -f -p 8080 -h /www"]
---
apiVersion: v1
kind: Service
metadata: {name: balanced}
spec:
  type: LoadBalancer
  selector: {app: balanced}
  ports: [{port: 80, targetPort: 8080}]
"""
AGENT = "pilothouse-agent.service"


def holder(cluster: Cluster) -> str:
    leases = cluster.get("leases", "-n", "kube-node-lease", "-l", "pilothouse.io/loadbalancer")["items"]
    return leases[0]["spec"]["holderIdentity"] if leases else ""


def page(address: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}/", timeout=2) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return ""


def test_an_address_is_answered_by_one_machine_and_moves_when_that_falls_silent(cluster: Cluster) -> None:
    node = cluster.get("node", "m1")["status"]["addresses"][0]["address"]
    address = str(IPv4Interface(f"{node}/24").network[222])
    cluster.kubectl("apply", "-f", "-", stdin=WEB)
    try:
        status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
        cluster.kubectl(
            "patch", "service", "balanced", "--subresource=status", "--type=merge", "-p", json.dumps(status)
        )
        assert eventually(lambda: page(address) == "balanced\n", within=90)
        first = holder(cluster)
        assert first in {"m1", "m2", "m3"}
        cluster.lab.run(first, ["systemctl", "stop", AGENT])
        try:
            second = eventually(lambda: holder(cluster) not in ("", first) and holder(cluster), within=60)
            assert second != first
            assert eventually(lambda: page(address) == "balanced\n", within=30)
        finally:
            cluster.lab.run(first, ["systemctl", "start", AGENT])
        assert all(page(address) == "balanced\n" for _ in range(10))
    finally:
        cluster.kubectl("delete", "deployment/balanced", "service/balanced")
    assert eventually(lambda: holder(cluster) == "", within=60)
    assert page(address) == ""
