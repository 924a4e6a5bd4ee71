"""concepts/workloads/controllers/job and cron-jobs: what the pages run, and what they say becomes of it."""

from typing import Any

from tests.engine.runtime.cluster import Cluster, eventually
from tests.engine.runtime.pages.shell import Shell

Json = dict[str, Any]
PI = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: pi
spec:
  template:
    spec:
      containers:
      - name: pi
        image: perl:5.34.0
        command: [perl, -Mbignum=bpi, -wle, print bpi(2000)]
      restartPolicy: Never
  backoffLimit: 4
"""
INDEXED = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: job-backoff-limit-per-index-example
spec:
  completions: 10
  parallelism: 3
  completionMode: Indexed
  backoffLimitPerIndex: 1
  maxFailedIndexes: 5
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: example
        image: python
        command: [python3, -c, "exit 1 where the index is even"]
"""
SUCCESS_POLICY = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: job-success
spec:
  parallelism: 10
  completions: 10
  completionMode: Indexed
  successPolicy:
    rules:
      - succeededIndexes: 0,2-3
        succeededCount: 1
  template:
    spec:
      containers:
      - name: main
        image: python
        command: [python3, -c, "exit 0 where the index is 2"]
      restartPolicy: Never
"""
HELLO = """\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: hello
spec:
  schedule: "* * * * *"
  jobTemplate:
    spec:
      template:
        spec:
          containers:
          - name: hello
            image: busybox:1.28
            command: [/bin/sh, -c, date; echo Hello from the Kubernetes cluster]
          restartPolicy: OnFailure
"""


def index(pod: Json) -> int:
    return int(pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"])


async def test_running_an_example_job(shell: Shell, cluster: Cluster) -> None:
    cluster.kubelets.exit_codes["perl:5.34.0"] = 0
    assert await shell.apply(PI) == "job.batch/pi created"
    await shell.describe(
        "job pi",
        "Name: pi",
        "Namespace: default",
        "Selector: batch.kubernetes.io/controller-uid=",
        "Labels: batch.kubernetes.io/controller-uid=",
        "batch.kubernetes.io/job-name=pi",
        "Parallelism: 1",
        "Completions: 1",
        "Completion Mode: NonIndexed",
        "Suspend: false",
        "Backoff Limit: 4",
        "Pods Statuses: 0 Active (0 Ready) / 1 Succeeded / 0 Failed",
        "Normal SuccessfulCreate",
        "Normal Completed",
    )
    pods = await shell.run(
        "get pods --selector=batch.kubernetes.io/job-name=pi --output=jsonpath={.items[*].metadata.name}"
    )
    assert pods.startswith("pi-")
    rows = await shell.rows("get job pi")
    assert rows[0][:3] == ["pi", "Complete", "1/1"]
    conditions = {c["type"]: c["reason"] for c in (await shell.get("job pi"))["status"]["conditions"]}
    assert conditions == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}


async def test_backoff_limit_per_index(shell: Shell, cluster: Cluster) -> None:
    cluster.kubelets.exit_code = lambda pod: 1 - index(pod) % 2
    # The second try of an index comes after ten seconds: here at once, by trying each but once.
    await shell.apply(INDEXED.replace("backoffLimitPerIndex: 1", "backoffLimitPerIndex: 0"))
    await eventually(lambda: _has(shell, "job-backoff-limit-per-index-example", "Failed"), 20)
    status = (await shell.get("job job-backoff-limit-per-index-example"))["status"]
    assert status["completedIndexes"] == "1,3,5,7,9"
    assert status["failedIndexes"] == "0,2,4,6,8"
    assert (status["succeeded"], status["failed"]) == (5, 5)
    told = {c["type"]: (c["reason"], c["message"]) for c in status["conditions"]}
    assert told["Failed"] == ("FailedIndexes", "Job has failed indexes")
    assert told["FailureTarget"] == told["Failed"]


async def _has(shell: Shell, job: str, kind: str) -> bool:
    conditions = (await shell.get(f"job {job}"))["status"].get("conditions") or ()
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


async def test_success_policy(shell: Shell, cluster: Cluster) -> None:
    cluster.kubelets.exit_code = lambda pod: 0 if index(pod) == 2 else None
    await shell.apply(SUCCESS_POLICY)
    await eventually(lambda: _has(shell, "job-success", "Complete"), 20)
    status = (await shell.get("job job-success"))["status"]
    told = {c["type"]: (c["reason"], c["message"]) for c in status["conditions"]}
    assert told["SuccessCriteriaMet"] == ("SuccessPolicy", "Matched rules at index 0")
    assert told["Complete"][0] == "SuccessPolicy"
    assert status["completedIndexes"] == "2"


async def test_suspending_and_resuming(shell: Shell) -> None:
    await shell.apply(PI.replace("spec:\n  template", "spec:\n  suspend: true\n  parallelism: 1\n  template", 1))
    await shell.describe("job pi", "Suspend: true", "Pods Statuses: 0 Active", "Normal Suspended")
    conditions = (await shell.get("job pi"))["status"]["conditions"]
    assert [(c["type"], c["status"], c["reason"]) for c in conditions] == [("Suspended", "True", "JobSuspended")]
    patch = '{"spec":{"suspend":%s}}'
    assert await shell.run(f"patch job/pi --type=strategic --patch {patch % 'false'}") == "job.batch/pi patched"
    await shell.describe("job pi", "Suspend: false", "Pods Statuses: 1 Active (1 Ready)", "Normal Resumed")
    await shell.run(f"patch job/pi --type=strategic --patch {patch % 'true'}")
    await shell.describe("job pi", "Suspend: true", "Pods Statuses: 0 Active", "Normal SuccessfulDelete")


async def test_running_automated_tasks_with_a_cron_job(shell: Shell, cluster: Cluster) -> None:
    """That the minute starts one is shown on real machines: here by hand."""
    cluster.kubelets.exit_codes["busybox:1.28"] = 0
    assert await shell.apply(HELLO.replace("* * * * *", "0 0 1 1 *")) == "cronjob.batch/hello created"
    rows = await shell.rows("get cronjob hello")
    assert rows == [["hello", "0", "0", "1", "1", "*", "<none>", "False", "0", "<none>"]]
    assert await shell.run("create job test-job --from=cronjob/hello") == "job.batch/test-job created"
    await eventually(lambda: _has(shell, "test-job", "Complete"), 20)
    job = await shell.get("job test-job")
    assert job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert job["metadata"]["ownerReferences"][0]["name"] == "hello"
    assert await shell.run("delete cronjob hello") == 'cronjob.batch "hello" deleted from default namespace'
    await shell.shows("get jobs", [])
    await shell.shows("get pods", [])
