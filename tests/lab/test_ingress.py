"""The ingress add-on: real Traefik routes by host and path, with certificates out of Secrets."""

import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.certificates import self_signed
from tests.lab.cluster import Cluster, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

HOST = "shop.example"
SITE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox
        command: [sh, -c, "mkdir -p /www/cart && echo front > /www/index.html && echo cart > /www/cart/index.html && httpd -f -p 8080 -h /www"]
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  selector: {app: shop}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  tls: [{hosts: [shop.example], secretName: shop-tls}]
  rules:
  - host: shop.example
    http:
      paths:
      - {path: /cart, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}
"""


@pytest.fixture(scope="module")
def ingress(cluster: Cluster) -> Iterator[Cluster]:
    cluster.pilothouse("addon", "enable", "ingress")
    try:
        cluster.kubectl("rollout", "status", "daemonset/traefik", "-n", "traefik", "--timeout=120s", timeout=130)
        yield cluster
    finally:
        cluster.pilothouse("addon", "disable", "ingress")
        cluster.kubectl("wait", "namespace/traefik", "--for=delete", "--timeout=60s", timeout=70)


def get(address: str, path: str, host: str) -> str:
    request = urllib.request.Request(f"http://{address}{path}", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=3) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return str(error.code)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return ""


def certificate_of(address: str, host: str) -> bytes:
    """What is shown to who asks for `host`."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((address, 443), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def test_requests_are_routed_by_host_and_path_with_the_secrets_certificate(ingress: Cluster, tmp_path: Path) -> None:
    cluster = ingress
    certificate = self_signed(HOST, tmp_path)
    address = cluster.get("node", "m2")["status"]["addresses"][0]["address"]
    cluster.kubectl("create", "secret", "tls", "shop-tls", f"--cert={tmp_path}/tls.crt", f"--key={tmp_path}/tls.key")
    cluster.kubectl("apply", "-f", "-", stdin=SITE)
    try:
        assert eventually(lambda: get(address, "/cart/", HOST) == "cart\n", within=90)
        assert get(address, "/", HOST) == "404"
        assert get(address, "/cart/", "other.example") == "404"
        assert eventually(lambda: certificate_of(address, HOST) == certificate)
        found = cluster.get("ingress", "shop")
        assert found["spec"]["ingressClassName"] == "traefik"
        told = eventually(lambda: cluster.get("ingress", "shop")["status"]["loadBalancer"].get("ingress"))
        # No pool of addresses here: a machine's own.
        assert told == [{"ip": cluster.get("node", "m1")["status"]["addresses"][0]["address"]}]
    finally:
        cluster.kubectl("delete", "ingress/shop", "service/shop", "deployment/shop", "secret/shop-tls")


def test_the_list_says_what_is_enabled(ingress: Cluster) -> None:
    assert "ingress   yes" in ingress.pilothouse("addon", "list")
