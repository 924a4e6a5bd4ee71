"""A whole day in the terminal app, by keyboard, in a real terminal, on real containers."""

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.lab.cluster import REPOSITORY, Cluster, eventually, is_ready
from tests.lab.terminal import Terminal

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def demo(cluster: Cluster) -> Iterator[Cluster]:
    cluster.kubectl("apply", "-f", str(REPOSITORY / "examples"))
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout", "60s", timeout=70)
    yield cluster
    cluster.kubectl("delete", "-f", str(REPOSITORY / "examples"), "--wait=true", timeout=90)


@pytest.fixture(params=[(80, 24), (200, 60)], ids=["80x24", "200x60"])
def terminal(demo: Cluster, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    terminal = Terminal(demo.data_dir, *request.param)
    yield terminal
    terminal.close()


def image(cluster: Cluster) -> str:
    return cluster.get("deployment", "web")["spec"]["template"]["spec"]["containers"][0]["image"]


def rolled_out(cluster: Cluster, version: str) -> bool:
    pods = cluster.pods("app=web")
    return len(pods) == 3 and all(is_ready(pod) and pod["spec"]["containers"][0]["image"] == version for pod in pods)


def test_a_day_by_keyboard(demo: Cluster, terminal: Terminal) -> None:
    web = [pod["metadata"]["name"] for pod in demo.pods("app=web")]

    # Browse: pods come up by themselves; machines are a word away; a filter narrows as it is typed.
    terminal.shows("NAME", "READY", "redis-", *web)
    terminal.goto("nodes")
    terminal.shows("m1", "m2", "m3", "Ready")
    terminal.goto("pods")
    terminal.shows(*web)
    terminal.press("/")
    terminal.type("redis")
    eventually(lambda: web[0] not in terminal.shows("redis-"))
    terminal.press("Escape")
    terminal.press("Escape")
    terminal.shows(*web)

    # Drill down: deployment, its pods, a container, its log.
    terminal.goto("deployments")
    terminal.shows("web", "3/3", "2 deployments")
    terminal.press("G")
    terminal.press("Enter")
    eventually(lambda: "redis-" not in terminal.shows(*web))
    terminal.press("Enter")
    terminal.shows("nginx:", "IMAGE")
    terminal.press("Enter")
    terminal.shows("GET /")
    terminal.goto("deployments")
    terminal.shows("2 deployments")

    # The logs of three pods at once, told apart.
    terminal.press("G")
    terminal.press("l")
    short = [name.rpartition("-")[2] for name in web]
    terminal.shows("3 containers", *short, within=30)
    terminal.press("Escape")
    terminal.shows("2 deployments")

    # A shell in a container, and back.
    terminal.goto("pods")
    terminal.shows(*web)
    terminal.press("G")
    terminal.press("s")
    terminal.shows("#")
    terminal.type("echo 40$((1+1)) $HOSTNAME")
    terminal.press("Enter")
    terminal.shows("402 web-")
    terminal.type("exit")
    terminal.press("Enter")
    terminal.shows("READY", *web)

    # A new version, watched to its end, and the way back.
    before = image(demo)
    terminal.goto("deployments")
    terminal.shows("2 deployments")
    terminal.press("G")
    terminal.press("R")
    terminal.shows("REVISION", before)
    terminal.press("i")
    terminal.shows("Set image of web")
    terminal.press("C-u")
    terminal.type("nginx:1.28")
    terminal.press("Enter")
    eventually(lambda: "Show the change" not in terminal.shows("Cancel"))
    terminal.press("Enter")
    terminal.shows("successfully rolled out", "nginx:1.28", within=60)
    eventually(lambda: rolled_out(demo, "nginx:1.28"))
    terminal.press("j")
    terminal.press("U")
    terminal.shows("Cancel", "nginx:1.27", "nginx:1.28")
    terminal.press("Enter")
    eventually(lambda: rolled_out(demo, before), within=60)
    terminal.shows("successfully rolled out", within=60)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
        raise AssertionError(f"port {port}: {error}") from error


def test_a_forward_to_a_service_goes_on_when_its_pods_are_replaced(demo: Cluster, terminal: Terminal) -> None:
    port = free_port()
    terminal.shows("READY", "web-")
    terminal.goto("services")
    terminal.shows("web", "redis", "CLUSTER-IP")
    terminal.press("G")
    terminal.press("F")
    terminal.shows("Forward a local port to", "Port here")
    terminal.press("C-u")
    terminal.type(str(port))
    terminal.shows(f"127.0.0.1:{port} →")
    terminal.press("Enter")
    assert "Hello from your own machines" in eventually(lambda: page(port))

    # Gone for good before the next look, so that it is a new pod that answers.
    demo.kubectl("delete", "pods", "--selector", "app=web", "--wait=true", timeout=90)
    demo.kubectl("rollout", "status", "deployment/web", "--timeout", "60s", timeout=70)
    assert "Hello from your own machines" in eventually(lambda: page(port))
