"""concepts/workloads/controllers/deployment: what the page does, and what it says that one sees."""

from tests.engine.runtime.cluster import Cluster
from tests.engine.runtime.pages.shell import Rows, Shell

NGINX = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: nginx-deployment
  labels:
    app: nginx
spec:
  replicas: 3
  selector:
    matchLabels:
      app: nginx
  template:
    metadata:
      labels:
        app: nginx
    spec:
      containers:
      - name: nginx
        image: nginx:1.14.2
        ports:
        - containerPort: 80
"""
NAME = "deployment/nginx-deployment"
ROLLED_OUT = 'deployment "nginx-deployment" successfully rolled out'


async def created(shell: Shell, manifest: str = NGINX) -> None:
    assert await shell.apply(manifest) == "deployment.apps/nginx-deployment created"
    assert (await shell.run(f"rollout status {NAME}")).splitlines()[-1] == ROLLED_OUT


def sizes(rows: Rows) -> list[list[str]]:
    """Desired, current and ready of each set, largest first."""
    return sorted((row[1:] for row in rows), reverse=True)


async def test_creating_and_updating(shell: Shell) -> None:
    await created(shell)
    await shell.shows("get deployments", [["nginx-deployment", "3/3", "3", "3"]])
    ((name, *counts),) = await shell.rows("get rs")
    assert counts == ["3", "3", "3"]
    digest = name.removeprefix("nginx-deployment-")
    for line in (await shell.run("get pods --show-labels --no-headers")).splitlines():
        pod, ready, status, restarts, _, labels = line.split()
        assert pod.startswith(f"{name}-")
        assert (ready, status, restarts) == ("1/1", "Running", "0")
        assert labels == f"app=nginx,pod-template-hash={digest}"

    assert await shell.run(f"set image {NAME} nginx=nginx:1.16.1") == f"{NAME.replace('/', '.apps/')} image updated"
    assert (await shell.run(f"rollout status {NAME}")).splitlines()[-1] == ROLLED_OUT
    await shell.shows("get deployments", [["nginx-deployment", "3/3", "3", "3"]])
    rows = await shell.shows("get rs", lambda rows: sizes(rows) == [["3", "3", "3"], ["0", "0", "0"]])
    new = next(row[0] for row in rows if row[1] == "3")
    await shell.describe(
        "deployments",
        "Name: nginx-deployment",
        "Namespace: default",
        "Labels: app=nginx",
        "Annotations: deployment.kubernetes.io/revision: 2",
        "Selector: app=nginx",
        "Replicas: 3 desired | 3 updated | 3 total | 3 available | 0 unavailable",
        "StrategyType: RollingUpdate",
        "MinReadySeconds: 0",
        "RollingUpdateStrategy: 25% max unavailable, 25% max surge",
        "Image: nginx:1.16.1",
        "Available True MinimumReplicasAvailable",
        "Progressing True NewReplicaSetAvailable",
        f"OldReplicaSets: {name} (0/0 replicas created)",
        f"NewReplicaSet: {new} (3/3 replicas created)",
        "Events:",
    )
    messages = {event["message"] for event in (await shell.get("events"))["items"]}
    assert {
        f"Scaled up replica set {name} from 0 to 3",
        f"Scaled up replica set {new} from 0 to 1",
        f"Scaled down replica set {name} from 3 to 2",
        f"Scaled up replica set {new} from 1 to 2",
        f"Scaled down replica set {name} from 2 to 1",
        f"Scaled up replica set {new} from 2 to 3",
        f"Scaled down replica set {name} from 1 to 0",
    } <= messages


async def test_rolling_back(shell: Shell, cluster: Cluster) -> None:
    await created(shell)
    await shell.run(f"annotate {NAME} kubernetes.io/change-cause=first")
    await shell.run(f"set image {NAME} nginx=nginx:1.16.1")
    await shell.run(f"annotate {NAME} kubernetes.io/change-cause=1.16.1")
    await shell.run(f"rollout status {NAME}")
    cluster.kubelets.broken_images.add("nginx:1.161")
    await shell.run(f"set image {NAME} nginx=nginx:1.161")
    await shell.run(f"annotate {NAME} kubernetes.io/change-cause=1.161")
    await shell.shows("get rs", lambda rows: sizes(rows) == [["3", "3", "3"], ["1", "1", "0"], ["0", "0", "0"]])
    await shell.describe(
        "deployment",
        "Replicas: 3 desired | 1 updated | 4 total | 3 available | 1 unavailable",
        "Image: nginx:1.161",
        "Available True MinimumReplicasAvailable",
        "Progressing True ReplicaSetUpdated",
    )
    assert [line.split() for line in (await shell.run(f"rollout history {NAME}")).splitlines()] == [
        ["deployment.apps/nginx-deployment"],
        ["REVISION", "CHANGE-CAUSE"],
        ["1", "first"],
        ["2", "1.16.1"],
        ["3", "1.161"],
    ]
    detail = await shell.run(f"rollout history {NAME} --revision=2")
    assert detail.splitlines()[0] == "deployment.apps/nginx-deployment with revision #2"
    assert "nginx:1.16.1" in detail
    assert await shell.run(f"rollout undo {NAME}") == "deployment.apps/nginx-deployment rolled back"
    assert (await shell.run(f"rollout status {NAME}")).splitlines()[-1] == ROLLED_OUT
    await shell.describe(
        "deployment nginx-deployment",
        "Annotations: deployment.kubernetes.io/revision: 4",
        "kubernetes.io/change-cause: 1.16.1",
        "Image: nginx:1.16.1",
        "Progressing True NewReplicaSetAvailable",
    )
    assert await shell.run(f"rollout undo {NAME} --to-revision=1") == "deployment.apps/nginx-deployment rolled back"
    assert (await shell.get("deployment nginx-deployment"))["spec"]["template"]["spec"]["containers"][0]["image"] == (
        "nginx:1.14.2"
    )


async def test_proportional_scaling(shell: Shell, cluster: Cluster) -> None:
    rolling = "  replicas: 10\n  strategy: {rollingUpdate: {maxSurge: 3, maxUnavailable: 2}}\n"
    await created(shell, NGINX.replace("  replicas: 3\n", rolling))
    cluster.kubelets.broken_images.add("nginx:sometag")
    await shell.run(f"set image {NAME} nginx=nginx:sometag")
    await shell.shows("get rs", lambda rows: sizes(rows) == [["8", "8", "8"], ["5", "5", "0"]])
    assert await shell.run(f"scale {NAME} --replicas=15") == f"{NAME.replace('/', '.apps/')} scaled"
    # 18 may be there: of five more three go to the larger set and two to the smaller one.
    await shell.shows("get rs", lambda rows: sorted(row[1:] for row in rows) == [["11", "11", "11"], ["7", "7", "0"]])
    await shell.shows("get deploy", [["nginx-deployment", "11/15", "7", "11"]])


async def test_pausing_and_resuming(shell: Shell) -> None:
    await created(shell)
    assert await shell.run(f"rollout pause {NAME}") == "deployment.apps/nginx-deployment paused"
    await shell.run(f"set image {NAME} nginx=nginx:1.16.1")
    limits = "--limits=cpu=200m,memory=512Mi"
    assert await shell.run(f"set resources {NAME} -c=nginx {limits}") == (
        "deployment.apps/nginx-deployment resource requirements updated"
    )
    await shell.describe(
        "deployment", "Available True MinimumReplicasAvailable", "Progressing Unknown DeploymentPaused"
    )
    assert len(await shell.rows("get rs")) == 1
    assert len((await shell.run(f"rollout history {NAME}")).splitlines()) == 3
    assert await shell.run(f"rollout resume {NAME}") == "deployment.apps/nginx-deployment resumed"
    assert (await shell.run(f"rollout status {NAME}")).splitlines()[-1] == ROLLED_OUT
    await shell.shows("get rs", lambda rows: sizes(rows) == [["3", "3", "3"], ["0", "0", "0"]])
    assert len((await shell.run(f"rollout history {NAME}")).splitlines()) == 4


async def test_a_rollout_that_fails_says_so_and_ends_the_wait_with_an_error(shell: Shell, cluster: Cluster) -> None:
    await created(shell)
    patch = '{"spec":{"progressDeadlineSeconds":1}}'
    assert await shell.run(f"patch {NAME} -p {patch}") == "deployment.apps/nginx-deployment patched"
    cluster.kubelets.broken_images.add("nginx:broken")
    await shell.run(f"set image {NAME} nginx=nginx:broken")
    said = await shell.fails(f"rollout status {NAME}")
    assert said == 'error: deployment "nginx-deployment" exceeded its progress deadline'
    await shell.describe(
        "deployment", "Available True MinimumReplicasAvailable", "Progressing False ProgressDeadlineExceeded"
    )


async def test_a_quota_that_leaves_no_room_shows_as_replica_failure(shell: Shell) -> None:
    await shell.run("create quota small --hard=pods=2")
    await shell.apply(NGINX)
    await shell.describe("deployment", "ReplicaFailure True FailedCreate")
    conditions = (await shell.get("deployment nginx-deployment"))["status"]["conditions"]
    failure = next(c["message"] for c in conditions if c["type"] == "ReplicaFailure")
    assert failure.endswith("is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2")
    await shell.run("delete quota small")
    assert (await shell.run(f"rollout status {NAME}")).splitlines()[-1] == ROLLED_OUT
    conditions = (await shell.get("deployment nginx-deployment"))["status"]["conditions"]
    assert {c["type"]: c["reason"] for c in conditions} == {
        "Available": "MinimumReplicasAvailable",
        "Progressing": "NewReplicaSetAvailable",
    }


async def test_selector_cannot_be_changed(shell: Shell) -> None:
    await created(shell)
    patch = '{"spec":{"selector":{"matchLabels":{"app":"other"}},"template":{"metadata":{"labels":{"app":"other"}}}}}'
    assert "field is immutable" in await shell.fails(f"patch {NAME} -p {patch}")
