"""tutorials/stateful-application/basic-stateful-set: what the tutorial does, and what it says that one sees."""

from apimachinery.objects.resources import PODS
from tests.engine.runtime.cluster import Cluster, eventually
from tests.engine.runtime.pages.shell import Shell

WEB = """\
apiVersion: v1
kind: Service
metadata:
  name: nginx
  labels: {app: nginx}
spec:
  ports: [{port: 80, name: web}]
  clusterIP: None
  selector: {app: nginx}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: web
spec:
  serviceName: nginx
  replicas: 2
  selector:
    matchLabels: {app: nginx}
  template:
    metadata:
      labels: {app: nginx}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: nginx
        image: nginx:0.21
        ports: [{containerPort: 80, name: web}]
        volumeMounts: [{name: www, mountPath: /usr/share/nginx/html}]
  volumeClaimTemplates:
  - metadata: {name: www}
    spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1Gi}}}
"""
PARALLEL = WEB.replace("spec:\n  serviceName", "spec:\n  podManagementPolicy: Parallel\n  serviceName")
NO_CLAIMS = WEB.split("        volumeMounts", maxsplit=1)[0]


async def created(shell: Shell, manifest: str = NO_CLAIMS, replicas: int = 2) -> None:
    assert await shell.apply(manifest) == "service/nginx created\nstatefulset.apps/web created"
    await shell.shows("get statefulset web", [["web", f"{replicas}/{replicas}"]])


async def images(shell: Shell) -> dict[str, str]:
    pods = (await shell.get("pods -l app=nginx"))["items"]
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in pods}


async def test_creating_and_scaling(shell: Shell) -> None:
    await created(shell)
    await shell.shows("get service nginx", [["nginx", "ClusterIP", "None", "<none>", "80/TCP"]])
    running = [[f"web-{n}", "1/1", "Running", "0"] for n in range(5)]
    await shell.shows("get pods -l app=nginx", running[:2])
    assert await shell.run("scale sts web --replicas=5") == "statefulset.apps/web scaled"
    await shell.shows("get pods -l app=nginx", running)
    patch = '{"spec":{"replicas":3}}'
    assert await shell.run(f"patch sts web -p {patch}") == "statefulset.apps/web patched"
    await shell.shows("get pods -l app=nginx", running[:3])


async def test_each_pod_gets_a_claim_of_its_own_which_scaling_down_keeps(shell: Shell) -> None:
    await shell.apply(PARALLEL)
    wanted = [["www-web-0", "Pending", "none"], ["www-web-1", "Pending", "none"]]
    await shell.shows("get pvc -l app=nginx", lambda rows: [[r[0], r[1], r[2]] for r in rows] == wanted)
    await shell.run("scale sts web --replicas=0")
    await shell.shows("get statefulset web", [["web", "0/0"]])
    assert [row[0] for row in await shell.rows("get pvc -l app=nginx")] == ["www-web-0", "www-web-1"]


async def test_rolling_update_in_reverse_order(shell: Shell, cluster: Cluster) -> None:
    await created(shell, NO_CLAIMS.replace("replicas: 2", "replicas: 3"), 3)
    seen: list[str] = []

    async def follow() -> None:
        page = await cluster.client.list(PODS)
        async for event in cluster.client.watch(PODS, resource_version=page.resource_version):
            seen.extend([event.object["metadata"]["name"]] if event.type == "DELETED" else [])

    task = cluster.scope.spawn("follow", follow())
    patch = '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"nginx:0.24"}]'
    assert await shell.run(f"patch statefulset web --type=json -p={patch}") == "statefulset.apps/web patched"
    said = await shell.run("rollout status sts/web")
    assert said.splitlines()[-1] == "partitioned roll out complete: 3 new pods have been updated..."
    assert await images(shell) == {f"web-{n}": "nginx:0.24" for n in range(3)}
    assert await eventually(lambda: seen == ["web-2", "web-1", "web-0"])
    task.cancel()


async def test_staging_an_update_and_rolling_out_a_canary(shell: Shell) -> None:
    await created(shell, NO_CLAIMS.replace("replicas: 2", "replicas: 3"), 3)
    partition = '{"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":%d}}}}'
    assert await shell.run(f"patch statefulset web -p {partition % 3}") == "statefulset.apps/web patched"
    patch = '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"nginx:0.21"}]'
    await shell.run(f"patch statefulset web --type=json -p={patch.replace('0.21', '0.24')}")
    assert await shell.run("delete pod web-2") == 'pod "web-2" deleted from default namespace'
    await shell.shows("get pod web-2", [["web-2", "1/1", "Running", "0"]])
    assert (await images(shell))["web-2"] == "nginx:0.21"

    await shell.run(f"patch statefulset web -p {partition % 2}")

    async def canary() -> bool:
        return await images(shell) == {"web-0": "nginx:0.21", "web-1": "nginx:0.21", "web-2": "nginx:0.24"}

    await eventually(canary)
    await shell.run("delete pod web-1")
    await shell.shows("get pod web-1", [["web-1", "1/1", "Running", "0"]])
    assert (await images(shell))["web-1"] == "nginx:0.21"
    await shell.run(f"patch statefulset web -p {partition % 0}")

    async def all_new() -> bool:
        return set((await images(shell)).values()) == {"nginx:0.24"}

    await eventually(all_new)


async def test_deleting_the_set_and_leaving_its_pods(shell: Shell) -> None:
    await created(shell)
    before = {p["metadata"]["uid"] for p in (await shell.get("pods -l app=nginx"))["items"]}
    assert await shell.run("delete statefulset web --cascade=orphan") == (
        'statefulset.apps "web" deleted from default namespace'
    )
    await shell.shows("get pods -l app=nginx", [[f"web-{n}", "1/1", "Running", "0"] for n in range(2)])
    await shell.run("delete pod web-0")
    await shell.shows("get pods -l app=nginx", [["web-1", "1/1", "Running", "0"]])
    # The new set launches web-0 again, and adopts web-1.
    await shell.apply(NO_CLAIMS)
    await shell.shows("get statefulset web", [["web", "2/2"]])
    pods = {p["metadata"]["name"]: p["metadata"] for p in (await shell.get("pods -l app=nginx"))["items"]}
    assert pods["web-1"]["uid"] in before
    assert pods["web-0"]["uid"] not in before
    assert {one["ownerReferences"][0]["kind"] for one in pods.values()} == {"StatefulSet"}
    await shell.run("delete statefulset web")
    await shell.shows("get pods -l app=nginx", [])
