"""Every kind of workload on three machines, with real containers."""

from collections.abc import Iterator

import pytest

from tests.lab.cluster import REPOSITORY, Cluster, eventually, is_ready

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

MANIFEST = REPOSITORY / "tests/lab/data/workloads.yaml"


@pytest.fixture(scope="module")
def workloads(cluster: Cluster) -> Iterator[Cluster]:
    cluster.kubectl("apply", "-f", str(MANIFEST))
    yield cluster
    cluster.kubectl("delete", "-f", str(MANIFEST), "--wait=false")
    assert eventually(lambda: not cluster.get("pods", "--selector", "suite=workloads")["items"], within=60)


def condition(cluster: Cluster, job: str, kind: str) -> dict[str, str]:
    conditions = cluster.get("job", job)["status"].get("conditions", ())
    return next((c for c in conditions if c["type"] == kind), {})


def test_stateful_pods_start_in_order_and_keep_their_names(workloads: Cluster) -> None:
    workloads.kubectl("rollout", "status", "statefulset/db", "--timeout=60s", timeout=70)
    pods = workloads.pods("app=db")
    assert [pod["metadata"]["name"] for pod in pods] == ["db-0", "db-1", "db-2"]
    ready_at = [c["lastTransitionTime"] for pod in pods for c in pod["status"]["conditions"] if c["type"] == "Ready"]
    made_at = [pod["metadata"]["creationTimestamp"] for pod in pods]
    assert made_at[1] >= ready_at[0]
    assert made_at[2] >= ready_at[1]
    assert workloads.kubectl("exec", "db-1", "--", "hostname") == "db-1\n"
    workloads.kubectl("delete", "pod", "db-1")
    gone = pods[1]["metadata"]["uid"]
    again = eventually(lambda: [p for p in workloads.pods("app=db") if p["metadata"]["uid"] != gone][2:])
    assert again
    assert eventually(lambda: [is_ready(pod) for pod in workloads.pods("app=db")] == [True] * 3)


def test_daemon_pods_run_on_every_machine(workloads: Cluster) -> None:
    workloads.kubectl("rollout", "status", "daemonset/everywhere", "--timeout=60s", timeout=70)
    pods = workloads.pods("app=everywhere")
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["m1", "m2", "m3"]


def test_job_runs_each_index_once(workloads: Cluster) -> None:
    waited = workloads.kubectl("wait", "--for=condition=complete", "job/counted", "--timeout=60s", timeout=70)
    assert waited == "job.batch/counted condition met\n"
    status = workloads.get("job", "counted")["status"]
    assert (status["succeeded"], status["completedIndexes"]) == (6, "0-5")
    logs = workloads.kubectl("logs", "--selector", "job-name=counted", "--tail=-1")
    assert sorted(logs.splitlines()) == [f"index {number}" for number in range(6)]


def test_failing_job_says_which_exit_code_ended_it(workloads: Cluster) -> None:
    assert eventually(lambda: condition(workloads, "doomed", "Failed"))
    failed = condition(workloads, "doomed", "Failed")
    assert failed["reason"] == "PodFailurePolicy"
    assert "failed with exit code 42 matching FailJob rule at index 0" in failed["message"]


def test_cron_job_runs_when_its_time_has_come_and_by_hand(workloads: Cluster) -> None:
    assert eventually(lambda: workloads.get("cronjob", "tick")["status"].get("lastSuccessfulTime"))
    workloads.kubectl("create", "job", "by-hand", "--from=cronjob/tick")
    workloads.kubectl("wait", "--for=condition=complete", "job/by-hand", "--timeout=30s")
    workloads.kubectl("delete", "job", "by-hand")
