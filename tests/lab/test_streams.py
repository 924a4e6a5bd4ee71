"""What kubectl carries into a pod and out of it: forwarded ports, copied folders, an attached terminal."""

import re
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cluster import Cluster, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox
    stdin: true
    command:
    - sh
    - -c
    - |
      mkdir /www && echo hello > /www/index.html && dd if=/dev/urandom of=/www/big bs=1M count=16
      httpd -p 8080 -h /www
      while read line; do echo "got $line"; done; sleep 100000
"""


@contextmanager
def running_pod(cluster: Cluster, name: str) -> Iterator[str]:
    cluster.kubectl("apply", "-f", "-", stdin=POD % name)
    try:
        cluster.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s", timeout=70)
        eventually(lambda: cluster.kubectl("exec", name, "--", "pidof", "httpd"))
        yield name
    finally:
        cluster.kubectl("delete", "pod", name, "--ignore-not-found", "--force", "--grace-period=0")


@pytest.fixture(scope="module")
def pod(cluster: Cluster) -> Iterator[str]:
    with running_pod(cluster, "streams") as name:
        yield name


@contextmanager
def forwarded(cluster: Cluster, pod: str, port: int) -> "Iterator[tuple[int, subprocess.Popen[str]]]":
    """(local port, the kubectl that forwards it)."""
    argv = [cluster.kubectl_path, "--kubeconfig", str(cluster.kubeconfig), "port-forward", f"pod/{pod}", f":{port}"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = re.search(r"127\.0\.0\.1:(\d+) -> ", process.stdout.readline())
        assert found, process.communicate(timeout=10)
        yield int(found[1]), process
    finally:
        process.kill()
        process.communicate()


def test_many_connections_at_once_go_through_a_forwarded_port(cluster: Cluster, pod: str) -> None:
    in_pod = cluster.kubectl("exec", pod, "--", "sha256sum", "/www/big").split()[0]
    with forwarded(cluster, pod, 8080) as (port, _), ThreadPoolExecutor(4) as pool:

        def fetch(path: str) -> bytes:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as answer:
                return answer.read()

        pages = list(pool.map(fetch, ["big", "index.html", "index.html", "big"]))
    assert pages[1] == pages[2] == b"hello\n"
    assert [sha256(page).hexdigest() for page in (pages[0], pages[3])] == [in_pod, in_pod]


def test_a_port_on_which_nobody_listens_is_named_in_the_error(cluster: Cluster, pod: str) -> None:
    with forwarded(cluster, pod, 9) as (port, process):
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)
        _, error = process.communicate(timeout=10)
    assert "error forwarding port 9 to pod" in error
    assert "connection refused" in error


def test_forwarding_ends_with_the_pod(cluster: Cluster) -> None:
    with running_pod(cluster, "short-lived") as name, forwarded(cluster, name, 8080) as (port, process):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as idle:
            idle.sendall(b"GET / ")
            cluster.kubectl("delete", "pod", name)
            assert idle.recv(1) == b""
        _, error = process.communicate(timeout=15)
    assert "lost connection to pod" in error


def test_a_folder_copied_into_a_pod_and_back_is_the_same(cluster: Cluster, pod: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "big").write_bytes(bytes(range(256)) * 16384)
    (source / "deep" / "small").write_text("small\n")
    cluster.kubectl("cp", str(source), f"{pod}:/tmp/copied")
    assert cluster.kubectl("exec", pod, "--", "cat", "/tmp/copied/deep/small") == "small\n"
    cluster.kubectl("cp", f"{pod}:/tmp/copied", str(tmp_path / "back"))
    assert (tmp_path / "back" / "big").read_bytes() == (source / "big").read_bytes()
    assert (tmp_path / "back" / "deep" / "small").read_text() == "small\n"


def test_attach_talks_to_the_containers_own_process(cluster: Cluster, pod: str) -> None:
    argv = [cluster.kubectl_path, "--kubeconfig", str(cluster.kubeconfig), "attach", "-i", pod]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as attached:
        assert attached.stdin is not None
        assert attached.stdout is not None
        attached.stdin.write("typed\n")
        attached.stdin.flush()
        assert attached.stdout.readline() == "got typed\n"
        attached.kill()
    assert "got typed" in cluster.kubectl("logs", pod)


def test_a_debugger_sees_its_targets_processes(cluster: Cluster, pod: str) -> None:
    cluster.kubectl(
        "debug", pod, "--image=busybox", "--target=main", "--container=debugger", "--profile=general", "--", "ps"
    )  # fmt: skip
    assert eventually(lambda: "httpd -p 8080" in cluster.try_kubectl("logs", pod, "-c", "debugger").stdout)

    def ended() -> dict[str, Any]:
        status = cluster.get("pod", pod)["status"]
        return status if "terminated" in status["ephemeralContainerStatuses"][0]["state"] else {}

    status = eventually(ended)
    assert status["ephemeralContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert status["phase"] == "Running"


def test_a_machines_own_shell_is_a_debugger_of_its_node(cluster: Cluster) -> None:
    cluster.kubectl(
        "debug", "node/m1", "--image=busybox", "--profile=sysadmin", "--", "chroot", "/host", "hostname"
    )  # fmt: skip
    (name,) = [
        pod["metadata"]["name"] for pod in cluster.get("pods")["items"]
        if pod["metadata"]["name"].startswith("node-debugger-m1-")
    ]  # fmt: skip
    try:
        cluster.kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
        assert cluster.kubectl("logs", name) == "m1\n"
    finally:
        cluster.kubectl("delete", "pod", name, "--force", "--grace-period=0")


def test_a_command_that_ends_at_once_is_heard_each_time(cluster: Cluster) -> None:
    argv = [cluster.kubectl_path, "--kubeconfig", str(cluster.kubeconfig), "run", "--rm", "-i", "--restart=Never"]
    # Whether attaching comes before, at or after the end is chance: several at once meet all of it.
    running = [
        subprocess.Popen(
            [*argv, f"brief-{number}", "--image=busybox", "--", "echo", "hello"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )
        for number in range(6)
    ]  # fmt: skip
    said = [process.communicate(timeout=90)[0] for process in running]
    assert [text.count("hello\n") for text in said] == [1] * len(said)
