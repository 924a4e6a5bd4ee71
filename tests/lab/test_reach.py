"""Ways into the cluster: proxies to machines, pods and Services, an API behind a Service, clients that speak SPDY."""

import base64
import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.pki import Pki
from tests.lab.cluster import Cluster, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: reached}
spec:
  replicas: 3
  selector: {matchLabels: {app: reached}}
  template:
    metadata: {labels: {app: reached}}
    spec:
      terminationGracePeriodSeconds: 0
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: reached}}}
      containers:
      - name: main
        image: busybox
        stdin: true
        command: [sh, -c, 'mkdir /www; hostname > /www/index.html; httpd -p 8080 -h /www; while read l; do echo "got $l"; done; sleep 100000']
        ports: [{containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: reached}
spec:
  selector: {app: reached}
  ports: [{name: http, port: 80, targetPort: 8080}]
"""

NGINX = """
server {
  listen 8443 ssl;
  ssl_certificate /certs/server.crt;
  ssl_certificate_key /certs/server.key;
  ssl_client_certificate /certs/clients.crt;
  ssl_verify_client on;
  default_type application/json;
  location = /apis/wardle.example.com/v1alpha1 {
    return 200 '{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"wardle.example.com/v1alpha1","resources":[{"name":"flunders","singularName":"flunder","namespaced":true,"kind":"Flunder","verbs":["get"]}]}';
  }
  location /apis/wardle.example.com/v1alpha1/namespaces/default/flunders/ {
    return 200 '{"kind":"Flunder","apiVersion":"wardle.example.com/v1alpha1","metadata":{"name":"one","namespace":"default","annotations":{"user":"$http_x_remote_user","from":"$ssl_client_s_dn","token":"$http_authorization"}}}';
  }
}
"""

EXTENSION = """
apiVersion: v1
kind: Pod
metadata: {name: extension, labels: {app: extension}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: nginx
    ports: [{containerPort: 8443}]
    volumeMounts:
    - {name: conf, mountPath: /etc/nginx/conf.d}
    - {name: certs, mountPath: /certs}
  volumes:
  - {name: conf, configMap: {name: extension}}
  - {name: certs, secret: {secretName: extension}}
---
apiVersion: v1
kind: Service
metadata: {name: extension}
spec:
  selector: {app: extension}
  ports: [{port: 443, targetPort: 8443}]
"""


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> Iterator[list[str]]:
    """Three pods, one on each machine, behind Service `reached`."""
    cluster.kubectl("apply", "-f", "-", stdin=WEB)
    try:
        cluster.kubectl("rollout", "status", "deployment/reached", "--timeout=60s", timeout=70)
        listed = cluster.get("pods", "-l", "app=reached")["items"]
        for pod in listed:
            eventually(
                lambda pod=pod: cluster.try_kubectl("exec", pod["metadata"]["name"], "--", "pidof", "httpd").stdout
            )
        yield [pod["metadata"]["name"] for pod in listed]
    finally:
        cluster.kubectl("delete", "-f", "-", "--ignore-not-found", stdin=WEB)


def test_pods_of_every_machine_and_their_service_are_reached(cluster: Cluster, pods: list[str]) -> None:
    base = "/api/v1/namespaces/default"
    for pod in pods:
        assert cluster.kubectl("get", "--raw", f"{base}/pods/{pod}/proxy/") == f"{pod}\n"
    answers = {cluster.kubectl("get", "--raw", f"{base}/services/reached:http/proxy/index.html") for _ in range(20)}
    assert {f"{pod}\n" for pod in pods} >= answers
    assert len(answers) > 1, "the load is spread"
    assert cluster.kubectl("get", "--raw", f"{base}/services/reached:80/proxy/").strip() in pods
    refused = cluster.try_kubectl("get", "--raw", f"{base}/pods/{pods[0]}:9/proxy/").stderr
    assert re.search(
        r"error trying to reach service: dial tcp 10\.42\.\d+\.\d+:9: connect: connection refused", refused
    )
    none = cluster.try_kubectl("get", "--raw", f"{base}/services/reached/proxy/").stderr
    assert 'no endpoints available for service "reached"' in none


def test_machines_are_reached_by_their_agents(cluster: Cluster, pods: list[str]) -> None:
    base = "/api/v1/nodes/m2/proxy"
    assert json.loads(cluster.kubectl("get", "--raw", f"{base}/stats/summary"))["node"]["nodeName"] == "m2"
    assert cluster.kubectl("get", "--raw", f"{base}/healthz") == "ok"
    assert json.loads(cluster.kubectl("get", "--raw", f"{base}/pods"))["kind"] == "PodList"
    assert "container_cpu_usage_seconds_total" in cluster.kubectl("get", "--raw", f"{base}/metrics/cadvisor")
    assert cluster.kubectl("get", "--raw", f"{base}/metrics").startswith("#")
    assert "Kubernetes control plane" in cluster.kubectl("cluster-info")


def test_kubectl_proxy_opens_the_service_to_a_browser(cluster: Cluster, pods: list[str]) -> None:
    argv = [cluster.kubectl_path, "--kubeconfig", str(cluster.kubeconfig), "proxy", "--port=0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert found
            # Without the slash: the redirect has to lead back through both proxies.
            url = f"http://127.0.0.1:{found[1]}/api/v1/namespaces/default/services/reached:http/proxy"
            with urllib.request.urlopen(url, timeout=20) as answer:
                assert answer.read().decode().strip() in pods
                assert answer.url == f"{url}/"
        finally:
            process.kill()


SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
WEBSOCKET = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "true", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "true"}


@contextmanager
def kubectl(cluster: Cluster, spoken: dict[str, str], *words: str) -> "Iterator[subprocess.Popen[str]]":
    argv = [cluster.kubectl_path, "--kubeconfig", str(cluster.kubeconfig), *words]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | spoken
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("spoken", [pytest.param(SPDY, id="spdy"), pytest.param(WEBSOCKET, id="websocket")])
def test_commands_and_ports_work_in_either_protocol(cluster: Cluster, pods: list[str], spoken: dict[str, str]) -> None:
    with kubectl(
        cluster, spoken, "exec", "-i", pods[0], "--", "sh", "-c", "tr a-z A-Z; echo problem >&2; exit 3"
    ) as done:
        out, err = done.communicate("some words\n" * 20000, timeout=60)
    assert out == "SOME WORDS\n" * 20000
    assert "problem\n" in err
    assert done.returncode == 3
    with kubectl(cluster, spoken, "attach", "-i", pods[1]) as attached:
        assert attached.stdin is not None
        assert attached.stdout is not None
        attached.stdin.write("typed\n")
        attached.stdin.flush()
        assert attached.stdout.readline() == "got typed\n"
    with kubectl(cluster, spoken, "port-forward", f"pod/{pods[2]}", ":8080") as forwarding:
        assert forwarding.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+) -> ", forwarding.stdout.readline())
        assert found
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/", timeout=20) as answer:
                assert answer.read().decode() == f"{pods[2]}\n"


def test_api_of_a_pod_is_served_as_the_clusters_own(cluster: Cluster, tmp_path: Path) -> None:
    pki = Pki.ensure(tmp_path / "extension", names=("extension.default.svc",))
    trust = cluster.get("configmap", "extension-apiserver-authentication", "-n", "kube-system")["data"]
    (tmp_path / "clients.crt").write_text(trust["requestheader-client-ca-file"])
    (tmp_path / "default.conf").write_text(NGINX)
    service: dict[str, Any] = {
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1alpha1.wardle.example.com"},
        "spec": {
            "group": "wardle.example.com", "version": "v1alpha1", "groupPriorityMinimum": 1500, "versionPriority": 10,
            "service": {"namespace": "default", "name": "extension"},
            "caBundle": base64.b64encode(pki.ca_pem).decode(),
        },
    }  # fmt: skip
    manifests = [EXTENSION, json.dumps(service)]
    cluster.kubectl("create", "configmap", "extension", f"--from-file={tmp_path / 'default.conf'}")
    cluster.kubectl(
        "create", "secret", "generic", "extension", f"--from-file={pki.folder / 'server.crt'}",
        f"--from-file={pki.folder / 'server.key'}", f"--from-file={tmp_path / 'clients.crt'}",
    )  # fmt: skip
    try:
        for manifest in manifests:
            cluster.kubectl("apply", "-f", "-", stdin=manifest)
        cluster.kubectl(
            "wait", "apiservice/v1alpha1.wardle.example.com", "--for=condition=Available", "--timeout=60s", timeout=70
        )  # fmt: skip
        assert eventually(lambda: "flunders" in cluster.kubectl("api-resources", "--api-group=wardle.example.com"))
        notes = cluster.get("flunders", "one")["metadata"]["annotations"]
        assert notes == {"user": "pilothouse-admin", "from": "CN=front-proxy-client", "token": ""}
        cluster.kubectl("delete", "pod", "extension")
        assert eventually(
            lambda: (
                "503" in (asked := cluster.try_kubectl("get", "flunder", "one").stderr) or "unable to handle" in asked
            )
        )
        assert "False (MissingEndpoints)" in cluster.kubectl("get", "apiservice", "v1alpha1.wardle.example.com")
        cluster.kubectl("get", "pods")
    finally:
        for manifest in reversed(manifests):
            cluster.kubectl("delete", "-f", "-", "--ignore-not-found", stdin=manifest)
        cluster.kubectl("delete", "configmap/extension", "secret/extension", "--ignore-not-found")
