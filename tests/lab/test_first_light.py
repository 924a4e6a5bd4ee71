"""A person's first day: the demo on three machines, seen and steered by kubectl."""

import re
import urllib.request
from collections.abc import Iterator

import pytest

from tests.lab.cluster import REPOSITORY, Cluster, eventually, is_ready

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

MISINDENTED = REPOSITORY / "tests/lab/data/misindented-pod.yaml"


@pytest.fixture(scope="module")
def demo(cluster: Cluster) -> Iterator[Cluster]:
    cluster.kubectl("apply", "-f", str(REPOSITORY / "examples"))
    for name in ("web", "redis"):
        cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout", "60s", timeout=70)
    yield cluster
    cluster.kubectl("delete", "-f", str(REPOSITORY / "examples"), "--wait=true", timeout=90)


@pytest.fixture(scope="module")
def visitor(cluster: Cluster) -> Iterator[str]:
    """A pod on the first machine that can look around."""
    cluster.kubectl(
        "run", "visitor", "--image=busybox", "--restart=Never", "--overrides", VISITOR, "--", "sleep", "10000"
    )
    cluster.kubectl("wait", "pod/visitor", "--for=condition=Ready", "--timeout=60s", timeout=70)
    yield "visitor"
    cluster.kubectl("delete", "pod", "visitor", "--grace-period=0", "--force")


VISITOR = '{"spec": {"nodeName": "m1"}}'


def page(url: str) -> tuple[str, str]:
    """A page and the image version that served it."""
    with urllib.request.urlopen(url, timeout=3) as answer:
        return answer.read().decode(), answer.headers["X-Image-Version"]


def test_every_machine_is_a_ready_node_with_its_own_address(cluster: Cluster) -> None:
    nodes = {node["metadata"]["name"]: node for node in cluster.get("nodes")["items"]}
    assert set(nodes) == {"m1", "m2", "m3"}
    for machine in cluster.machines:
        node = nodes[machine.name]
        assert is_ready(node)
        addresses = {entry["type"]: entry["address"] for entry in node["status"]["addresses"]}
        assert addresses["InternalIP"] == machine.address
        assert node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://")
        assert int(node["status"]["allocatable"]["pods"]) == 110
    wide = cluster.kubectl("get", "nodes", "-o", "wide").splitlines()
    assert wide[0].split()[:5] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]


def test_the_demo_runs_on_three_machines(demo: Cluster) -> None:
    pods = demo.pods("app=web")
    assert [is_ready(pod) for pod in pods] == [True] * 3
    assert {pod["spec"]["nodeName"] for pod in pods} == {"m1", "m2", "m3"}
    lines = demo.kubectl("get", "pods", "-o", "wide", "--selector", "app=web").splitlines()
    assert all(re.search(r"1/1 +Running +0 ", line) for line in lines[1:])


def test_a_pod_reaches_the_service_by_name_whichever_machine_answers(demo: Cluster, visitor: str) -> None:
    ask = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do wget -qO /dev/null http://web.default.svc.cluster.local || echo failed; done"
    assert demo.kubectl("exec", visitor, "--", "sh", "-c", ask) == ""
    assert "Hello from your own machines" in demo.kubectl("exec", visitor, "--", "wget", "-qO-", "http://web")
    answered = [
        pod["spec"]["nodeName"] for pod in demo.pods("app=web")
        if '"GET / HTTP/1.1" 200' in demo.kubectl("logs", pod["metadata"]["name"]).replace("kube-probe", "")
    ]  # fmt: skip
    assert {"m2", "m3"} <= set(answered)


def test_redis_answers_under_its_services_name(demo: Cluster) -> None:
    (pod,) = demo.pods("app=redis")
    name = pod["metadata"]["name"]
    assert demo.kubectl("exec", name, "--", "redis-cli", "-h", "redis", "set", "key", "value").strip() == "OK"
    assert demo.kubectl("exec", name, "--", "redis-cli", "get", "key").strip() == "value"


def test_a_node_port_answers_on_every_machine(demo: Cluster) -> None:
    for machine in demo.machines:
        body, version = page(f"http://{machine.address}:30080/")
        assert "Hello from your own machines" in body
        assert version == "1.27"


def test_logs_and_exec_reach_the_container(demo: Cluster) -> None:
    name = demo.pods("app=web")[0]["metadata"]["name"]
    assert "GET / HTTP/1.1" in demo.kubectl("logs", name, "--tail", "1")
    assert demo.kubectl("exec", "-i", name, "--", "sh", "-c", "cat; hostname", stdin="typed\n") == f"typed\n{name}\n"
    failed = demo.try_kubectl("exec", name, "--", "sh", "-c", "exit 3")
    assert failed.returncode == 3


def serves(url: str, version: str) -> bool:
    """Whether that version answers. A connection that is refused counts as no: the last pod of the old version may
    end a moment before every machine has heard of it, as nothing in the demo asks it to wait."""
    try:
        return page(url)[1] == version
    except OSError:
        return False


def test_a_new_image_rolls_out_and_back(demo: Cluster) -> None:
    url = f"http://{demo.machines[0].address}:30080/"
    demo.kubectl("set", "image", "deployment/web", "nginx=nginx:1.28")
    demo.kubectl("rollout", "status", "deployment/web", "--timeout", "60s", timeout=70)
    assert eventually(lambda: serves(url, "1.28"))
    history = demo.kubectl("rollout", "history", "deployment/web")
    assert re.findall(r"^(\d+) ", history, re.MULTILINE) == ["1", "2"]
    demo.kubectl("rollout", "undo", "deployment/web")
    demo.kubectl("rollout", "status", "deployment/web", "--timeout", "60s", timeout=70)
    assert eventually(lambda: serves(url, "1.27"))


def test_scaling_up_and_down_changes_the_pods(demo: Cluster) -> None:
    demo.kubectl("scale", "deployment/web", "--replicas", "5")
    assert eventually(lambda: [is_ready(pod) for pod in demo.pods("app=web")] == [True] * 5)
    demo.kubectl("scale", "deployment/web", "--replicas", "3")
    assert eventually(lambda: len(demo.pods("app=web")) == 3)


def test_describe_tells_a_pods_story(demo: Cluster) -> None:
    name = demo.pods("app=web")[0]["metadata"]["name"]
    story = demo.kubectl("describe", "pod", name)
    for word in ("Scheduled", "Pulled", "Created", "Started", "Status:           Running"):
        assert word in story


@pytest.mark.parametrize(
    ("manifest", "pod", "port", "answer"),
    [
        pytest.param("flask-pod.yaml", "flask-pod", 5000, "Hello World!", id="flask"),
        pytest.param("nginx-pod.yaml", "nginx-pod", 80, "Welcome to nginx!", id="nginx"),
    ],
)
def test_the_pods_of_every_tutorial_run(
    cluster: Cluster, visitor: str, manifest: str, pod: str, port: int, answer: str
) -> None:
    created = cluster.kubectl("create", "-f", str(REPOSITORY / "examples/tutorial" / manifest))
    assert created == f"pod/{pod} created\n"
    try:
        cluster.kubectl("wait", f"pod/{pod}", "--for=condition=Ready", "--timeout=30s")
        assert re.search(rf"{pod} +1/1 +Running +0 ", cluster.kubectl("get", "pod", pod))
        address = cluster.get("pod", pod)["status"]["podIP"]
        assert answer in cluster.kubectl("exec", visitor, "--", "wget", "-qO-", f"http://{address}:{port}/")
    finally:
        cluster.kubectl("delete", "pod", pod)


def test_the_misindented_manifest_is_refused_by_naming_the_field(cluster: Cluster) -> None:
    refused = cluster.try_kubectl("create", "-f", str(MISINDENTED))
    assert refused.returncode != 0
    assert "spec.image" in refused.stderr
    assert cluster.try_kubectl("get", "pod", "nginx-pod").returncode != 0
