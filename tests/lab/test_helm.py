"""The real helm 4 on three machines: what it waits for, its hooks, and what it says when something does not come up."""

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients import find_client
from tests.lab.cluster import REPOSITORY, Cluster, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

HARBOUR = str(REPOSITORY / "tests/lab/data/harbour")
BERTHS = "berths.harbour.example.com"
NO_SUCH_IMAGE = "image=nginx:no-such"


@dataclass(frozen=True, slots=True)
class Helm:
    """helm with a home of its own, in a namespace of its own."""

    cluster: Cluster
    home: Path
    namespace: str

    def attempt(self, *words: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.home), "KUBECONFIG": str(self.cluster.kubeconfig),
            "HELM_NAMESPACE": self.namespace,
        }  # fmt: skip
        argv = [find_client("helm"), *words]
        return subprocess.run(
            argv, cwd=self.home, env=environment, capture_output=True, text=True, timeout=150, check=False
        )

    def __call__(self, *words: str) -> str:
        done = self.attempt(*words)
        assert done.returncode == 0, f"helm {' '.join(words)}: {done.stderr}"
        return done.stdout

    def refused(self, *words: str) -> str:
        """What it says when it fails, which it has to."""
        done = self.attempt(*words)
        assert done.returncode != 0, f"helm {' '.join(words)} went well: {done.stdout}"
        return done.stderr

    def history(self, release: str) -> list[tuple[int, str, str]]:
        told = json.loads(self("history", release, "--output", "json"))
        return [(entry["revision"], entry["status"], entry["description"]) for entry in told]

    def get(self, *words: str) -> dict[str, Any]:
        return self.cluster.get(*words, "--namespace", self.namespace)

    def names(self, kind: str, *words: str) -> set[str]:
        return {item["metadata"]["name"] for item in self.get(kind, *words)["items"]}


@pytest.fixture
def helm(cluster: Cluster, tmp_path: Path) -> Iterator[Helm]:
    namespace = tmp_path.name.replace("_", "-")
    cluster.kubectl("create", "namespace", namespace)
    yield Helm(cluster, tmp_path, namespace)
    cluster.kubectl("delete", "namespace", namespace, timeout=90)
    # helm never deletes what it took from crds/
    cluster.kubectl("delete", "crd", BERTHS, "--ignore-not-found")


def test_the_chart_that_helm_creates_lives_its_whole_life(helm: Helm) -> None:
    helm("create", "shop")
    assert "0 chart(s) failed" in helm("lint", "shop")
    installed = helm("install", "shop", "shop", "--set", "image.tag=1.27", "--wait", "--timeout", "60s")
    assert "STATUS: deployed" in installed
    assert helm.get("deployment", "shop")["status"]["readyReplicas"] == 1
    (listed,) = json.loads(helm("list", "--output", "json"))
    assert (listed["name"], listed["revision"], listed["status"]) == ("shop", "1", "deployed")

    tested = helm("test", "shop", "--logs", "--timeout", "60s")
    assert "Phase:          Succeeded" in tested
    assert "'index.html' saved" in tested

    helm("upgrade", "shop", "shop", "--set", "image.tag=1.28,replicaCount=3", "--wait", "--timeout", "60s")
    status = helm.get("deployment", "shop")["status"]
    assert (status["updatedReplicas"], status["readyReplicas"]) == (3, 3)
    helm("rollback", "shop", "1", "--wait", "--timeout", "60s")
    (container,) = helm.get("deployment", "shop")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "nginx:1.27"
    assert helm.history("shop") == [
        (1, "superseded", "Install complete"), (2, "superseded", "Upgrade complete"), (3, "deployed", "Rollback to 1"),
    ]  # fmt: skip

    helm("uninstall", "shop", "--wait", "--timeout", "60s")
    assert helm("list", "--short") == ""
    # helm does not wait for the pods of what it deleted; a hook without a policy stays until it runs again
    eventually(lambda: helm.names("pods") == {"shop-test-connection"})
    assert helm.names("deployments") == set()


def test_every_kind_of_the_created_chart_counts_as_ready_and_an_uninstalled_release_can_come_back(helm: Helm) -> None:
    helm("create", "shop")
    fresh = f"{helm.namespace}-fresh"
    options = ("--namespace", fresh, "--wait", "--timeout", "60s")
    kinds = "image.tag=1.27,autoscaling.enabled=true,autoscaling.minReplicas=2,ingress.enabled=true"
    try:
        helm("install", "shop", "shop", "--create-namespace", "--set", kinds, *options)
        listed = json.loads(helm("list", "--all-namespaces", "--output", "json"))
        assert (listed[0]["name"], listed[0]["namespace"]) == ("shop", fresh)
        made = helm.cluster.kubectl("get", "hpa,ingress", "--namespace", fresh, "--output", "name").split()
        assert made == ["horizontalpodautoscaler.autoscaling/shop", "ingress.networking.k8s.io/shop"]

        helm("uninstall", "shop", "--keep-history", *options)
        assert json.loads(helm("status", "shop", "-n", fresh, "--output", "json"))["info"]["status"] == "uninstalled"
        helm("rollback", "shop", "1", *options)
        assert helm.cluster.get("deployment", "shop", "--namespace", fresh)["status"]["readyReplicas"] >= 1
    finally:
        helm.cluster.kubectl("delete", "namespace", fresh, "--ignore-not-found", timeout=90)


def test_what_a_release_holds_can_be_asked_for(helm: Helm) -> None:
    helm("upgrade", "--install", "port", HARBOUR, "--set", "colour=red", "--no-hooks", "--wait", "--timeout", "60s")
    assert json.loads(helm("get", "values", "port", "--output", "json")) == {"colour": "red"}
    assert json.loads(helm("get", "values", "port", "--all", "--output", "json"))["replicas"] == 1
    assert "spec: {ship: red}" in helm("get", "manifest", "port")
    assert 'helm.sh/hook: "pre-upgrade"' in helm("get", "hooks", "port")
    assert json.loads(helm("get", "metadata", "port", "--output", "json"))["version"] == "1.0.0"
    assert "NAME: port" in helm("get", "all", "port")
    status = json.loads(helm("status", "port", "--output", "json"))
    assert status["info"]["status"] == "deployed"
    # the second time the same words are an upgrade
    helm("upgrade", "--install", "port", HARBOUR, "--reuse-values", "--no-hooks")
    assert helm.history("port")[-1] == (2, "deployed", "Upgrade complete")


def test_hooks_run_one_after_the_other_by_weight_and_go_by_their_policies(helm: Helm) -> None:
    helm("install", "port", HARBOUR, "--timeout", "60s")
    jobs = {job["metadata"]["name"]: job for job in helm.get("jobs")["items"]}
    assert set(jobs) == {"port-first", "port-second", "port-third", "port-after"}  # passing went: it succeeded
    order = ["port-first", "port-second", "port-third", "port-after"]
    for earlier, later in itertools.pairwise(order):
        assert jobs[earlier]["status"]["completionTime"] <= jobs[later]["metadata"]["creationTimestamp"]
    # what is of the release itself comes after all that runs before it, and is Ready before what runs after
    app = helm.get("deployment", "port")
    assert jobs["port-third"]["status"]["completionTime"] <= app["metadata"]["creationTimestamp"]
    assert app["status"]["readyReplicas"] == 1

    helm("upgrade", "port", HARBOUR, "--set", "colour=red", "--timeout", "60s")
    assert helm.get("job", "port-after")["metadata"]["uid"] != jobs["port-after"]["metadata"]["uid"]
    assert "port-check" in helm.names("jobs")

    failed = helm.refused("upgrade", "port", HARBOUR, "--set", "beforeUpgrade=exit 1,colour=green", "--timeout", "60s")
    assert "pre-upgrade hooks failed: resource Job/" in failed
    assert "port-check not ready. status: Failed, message: Job Failed. failed: 1/1" in failed
    assert "port-check" not in helm.names("jobs")  # hook-failed
    assert helm.get(BERTHS, "port")["spec"] == {"ship": "red"}

    helm("uninstall", "port", "--timeout", "60s")
    assert "port-farewell" in helm.names("jobs")
    assert helm.names("deployments") == set()


def test_a_release_that_does_not_get_ready_in_time_says_what_it_waits_for(helm: Helm) -> None:
    options = ("--no-hooks", "--wait", "--timeout", "5s")
    said = helm.refused("install", "port", HARBOUR, "--set", NO_SUCH_IMAGE, *options)
    assert f"resource Deployment/{helm.namespace}/port not ready. status: InProgress, message: Available: 0/1" in said
    assert "context deadline exceeded" in said
    assert helm.history("port")[0][1] == "failed"
    helm("upgrade", "port", HARBOUR, "--reset-values", "--no-hooks", "--wait", "--timeout", "60s")
    assert helm.history("port")[-1] == (2, "deployed", "Upgrade complete")


def test_an_upgrade_that_fails_goes_back_by_itself_where_asked_to(helm: Helm) -> None:
    helm("install", "port", HARBOUR, "--no-hooks", "--wait", "--timeout", "60s")
    options = ("--no-hooks", "--rollback-on-failure", "--timeout", "5s")
    said = helm.refused("upgrade", "port", HARBOUR, "--set", NO_SUCH_IMAGE, *options)
    assert "release port failed, and has been rolled back due to rollback-on-failure being set" in said
    assert [entry[1] for entry in helm.history("port")] == ["superseded", "failed", "deployed"]
    assert helm.history("port")[-1][2] == "Rollback to 1"
    assert helm.get("deployment", "port")["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.27"

    said = helm.refused("install", "other", HARBOUR, "--set", NO_SUCH_IMAGE, *options)
    assert "release other failed, and has been uninstalled due to rollback-on-failure being set" in said
    assert helm.names("deployments") == {"port"}


def test_jobs_are_waited_for_where_asked_to(helm: Helm) -> None:
    options = ("--no-hooks", "--wait", "--wait-for-jobs", "--timeout", "60s")
    helm("install", "port", HARBOUR, "--set", "job=sleep 2", *options)
    assert helm.get("job", "port-1")["status"]["succeeded"] == 1
    said = helm.refused("upgrade", "port", HARBOUR, "--set", "job=exit 3", *options)
    assert f"resource Job/{helm.namespace}/port-2 not ready. status: Failed, message: Job Failed. failed: 1/1" in said


def test_charts_bring_custom_kinds_and_look_things_up_in_the_cluster(helm: Helm) -> None:
    assert 'berths: "false"' in helm("template", "port", HARBOUR)  # knows no cluster
    # nor does a dry run make the kinds that the chart brings
    helm.refused("install", "port", HARBOUR, "--dry-run=server")
    assert helm.names("deployments") == set()
    assert helm.cluster.try_kubectl("get", "crd", BERTHS).returncode != 0

    helm("install", "port", HARBOUR, "--no-hooks", "--wait", "--timeout", "60s")
    assert helm.get(BERTHS, "port")["spec"] == {"ship": "blue"}
    data = helm.get("configmap", "port")["data"]
    assert (data["ready"], data["berths"]) == ("0", "true")
    for words in (("upgrade", "port", HARBOUR, "--dry-run=server"), ("template", "port", HARBOUR, "--dry-run=server")):
        assert 'ready: "1"' in helm(*words)
    assert 'berths: "true"' in helm("template", "port", HARBOUR, "--validate")
    said = helm.refused("upgrade", "port", HARBOUR, "--no-hooks", "--set", f"colour={'x' * 21}")
    assert "spec.ship: Too long: may not be more than 20 bytes" in said
    helm("uninstall", "port", "--no-hooks", "--wait", "--timeout", "60s")
    assert helm.cluster.kubectl("get", "crd", BERTHS, "--output", "name").strip().endswith(BERTHS)


def test_what_others_own_is_taken_by_force_only(helm: Helm) -> None:
    helm("install", "port", HARBOUR, "--no-hooks")
    helm.cluster.kubectl("scale", "deployment/port", "--replicas=3", "--namespace", helm.namespace)
    helm("upgrade", "port", HARBOUR, "--no-hooks", "--set", "replicas=3")  # of one mind
    helm.cluster.kubectl("scale", "deployment/port", "--replicas=1", "--namespace", helm.namespace)
    said = helm.refused("upgrade", "port", HARBOUR, "--no-hooks", "--set", "replicas=2")
    assert (
        'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas'
    ) in said
    helm("upgrade", "port", HARBOUR, "--no-hooks", "--set", "replicas=2", "--force-conflicts")
    assert helm.get("deployment", "port")["spec"]["replicas"] == 2


def test_releases_are_there_after_the_engine_was_started_again(helm: Helm) -> None:
    helm("install", "port", HARBOUR, "--no-hooks", "--wait", "--timeout", "60s")
    helm.cluster.pilothouse("engine", "stop")
    helm.cluster.pilothouse("engine", "start", "--listen", "127.0.0.1:0")
    (listed,) = json.loads(helm("list", "--output", "json"))
    assert (listed["name"], listed["status"]) == ("port", "deployed")
    helm("upgrade", "port", HARBOUR, "--no-hooks", "--set", "colour=red", "--wait", "--timeout", "90s")
    assert eventually(
        lambda: [p["metadata"]["labels"]["colour"] for p in helm.cluster.pods("app=port", helm.namespace)] == ["red"]
    )
