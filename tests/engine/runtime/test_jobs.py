"""Jobs on a real API, waited for by kubectl."""

from typing import Any

from apimachinery.objects.resources import CRONJOBS, EVENTS, JOBS, PODS
from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import Cluster, Json, eventually


def job(name: str = "work", image: str = "works", **spec: Any) -> Json:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}},
            **spec,
        },
    }


async def ended(cluster: Cluster, kind: str, name: str = "work") -> Json:
    async def over() -> Json | None:
        status: Json = (await cluster.client.get(JOBS, name, "default")).get("status", {})
        kinds = {c["type"] for c in status.get("conditions") or () if c["status"] == "True"}
        return status if kind in kinds else None

    return await eventually(over)


async def test_fifty_completions_are_all_counted(cluster: Cluster) -> None:
    cluster.kubelets.exit_codes["works"] = 0
    await cluster.client.create(JOBS, job(completions=50, parallelism=10))
    status = await ended(cluster, "Complete")
    assert status["succeeded"] == 50
    assert "failed" not in status
    pods = await cluster.items(PODS)
    assert len(pods) == 50
    assert not any(p["metadata"].get("finalizers") for p in pods)


async def test_kubectl_waits_for_completion(engine: RunningEngine, cluster: Cluster) -> None:
    cluster.kubelets.exit_codes["works"] = 0
    await cluster.client.create(JOBS, job(completions=3, completionMode="Indexed", parallelism=3))
    waited = await engine.kubectl("wait", "--for=condition=complete", "job/work", "--timeout=10s")
    assert waited.out == "job.batch/work condition met\n"
    shown = await engine.kubectl("get", "job", "work")
    assert shown.out.splitlines()[1].split()[:3] == ["work", "Complete", "3/3"]
    described = await engine.kubectl("describe", "job", "work")
    assert "Completed Indexes:  0-2" in described.out


async def test_failing_job_gives_up_and_says_why(cluster: Cluster) -> None:
    cluster.kubelets.exit_codes["fails"] = 3
    await cluster.client.create(JOBS, job(image="fails", backoffLimit=0))
    status = await ended(cluster, "Failed")
    assert status["failed"] == 1
    assert status["conditions"][-1]["reason"] == "BackoffLimitExceeded"

    async def told() -> bool:
        return "BackoffLimitExceeded" in {event["reason"] for event in await cluster.items(EVENTS)}

    await eventually(told)


async def test_exit_code_may_end_the_job_at_once(cluster: Cluster) -> None:
    cluster.kubelets.exit_codes["fails"] = 42
    rule = {"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}}
    await cluster.client.create(JOBS, job(image="fails", podFailurePolicy={"rules": [rule]}))
    status = await ended(cluster, "Failed")
    assert status["conditions"][-1]["reason"] == "PodFailurePolicy"
    assert status["conditions"][-1]["message"].endswith("failed with exit code 42 matching FailJob rule at index 0")


async def test_deleted_job_takes_its_pods_along(cluster: Cluster) -> None:
    await cluster.client.create(JOBS, job(image="runs", parallelism=3, completions=3))

    async def running() -> bool:
        return len(await cluster.active_pods()) == 3

    await eventually(running)
    await cluster.client.delete(JOBS, "work", "default", propagation="Background")

    async def gone() -> bool:
        return not await cluster.items(PODS)

    await eventually(gone)


async def test_job_is_deleted_some_time_after_its_end(cluster: Cluster) -> None:
    cluster.kubelets.exit_codes["works"] = 0
    await cluster.client.create(JOBS, job(ttlSecondsAfterFinished=0))

    async def gone() -> bool:
        return not await cluster.items(JOBS) and not await cluster.items(PODS)

    await eventually(gone)


async def test_suspended_job_runs_once_it_is_resumed(engine: RunningEngine, cluster: Cluster) -> None:
    cluster.kubelets.exit_codes["works"] = 0
    await cluster.client.create(JOBS, job(suspend=True))
    await ended(cluster, "Suspended")
    assert await cluster.items(PODS) == []
    await engine.kubectl("patch", "job/work", "--type=merge", "--patch", '{"spec": {"suspend": false}}')
    assert (await ended(cluster, "Complete"))["succeeded"] == 1


async def test_kubectl_makes_a_job_from_a_cron_job(engine: RunningEngine, cluster: Cluster) -> None:
    cluster.kubelets.exit_codes["works"] = 0
    made = await engine.kubectl("create", "cronjob", "nightly", "--image=works", "--schedule=0 0 * * *")
    assert made.out == "cronjob.batch/nightly created\n"
    await engine.kubectl("create", "job", "now", "--from=cronjob/nightly")
    waited = await engine.kubectl("wait", "--for=condition=complete", "job/now", "--timeout=10s")
    assert waited.out == "job.batch/now condition met\n"

    async def noted() -> bool:
        found = await cluster.client.get(CRONJOBS, "nightly", "default")
        return "lastSuccessfulTime" in found.get("status", {})

    await eventually(noted)


async def test_cron_job_whose_time_has_come_starts_its_job(cluster: Cluster) -> None:
    cluster.kubelets.exit_codes["works"] = 0
    template = {"spec": job(image="works")["spec"]}
    spec = {"schedule": "@every 1s", "jobTemplate": template, "successfulJobsHistoryLimit": 1}
    cron_job = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}, "spec": spec}
    await cluster.client.create(CRONJOBS, cron_job, "default")

    async def ran() -> bool:
        status = (await cluster.client.get(CRONJOBS, "tick", "default")).get("status", {})
        return "lastSuccessfulTime" in status

    await eventually(ran)
