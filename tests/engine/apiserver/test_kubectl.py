"""The real kubectl against the API alone: nothing runs the pods."""

from __future__ import annotations

import asyncio
import json

from tests.engine.conftest import RunningEngine

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: nginx, image: "nginx:1.27"}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: nginx-pod
spec:
  containers:
  - name: nginx
    image: nginx:latest
    ports:
    - containerPort: 80
"""
MISINDENTED = """\
apiVersion: v1
kind: Pod
metadata:
  name: nginx-pod
spec:
   containers:
   - name: nginx
   image: nginx:latest
"""


async def test_tutorial_pod_is_created_and_shown(engine: RunningEngine) -> None:
    assert (await engine.kubectl("create", "-f", "-", stdin=POD)).out == "pod/nginx-pod created\n"
    shown = (await engine.kubectl("get", "pods", "-o", "wide")).out.splitlines()
    header = ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"]
    assert shown[0].split() == header
    assert shown[1].split()[:4] == ["nginx-pod", "0/1", "Pending", "0"]


async def test_misindented_manifest_is_refused_by_naming_the_field(engine: RunningEngine) -> None:
    ran = await engine.kubectl("create", "-f", "-", stdin=MISINDENTED, check=False)
    assert ran.code == 1
    assert 'strict decoding error: unknown field "spec.image"' in ran.err
    assert (await engine.kubectl("get", "pods")).out == ""


async def test_apply_edits_and_leaves_alone(engine: RunningEngine) -> None:
    assert "created" in (await engine.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)).out
    assert "unchanged" in (await engine.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)).out
    changed = DEPLOYMENT.replace("replicas: 2", "replicas: 3")
    assert "configured" in (await engine.kubectl("apply", "-f", "-", stdin=changed)).out
    assert (await engine.kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}")).out == "3"


async def test_scale_image_label_and_patch(engine: RunningEngine) -> None:
    await engine.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    await engine.kubectl("scale", "deploy/web", "--replicas=5")
    await engine.kubectl("set", "image", "deploy/web", "nginx=nginx:1.28")
    await engine.kubectl("label", "deploy", "web", "tier=front")
    await engine.kubectl("annotate", "deploy", "web", "note=hello")
    patch = '{"spec":{"template":{"spec":{"containers":[{"name":"nginx","env":[{"name":"A","value":"b"}]}]}}}}'
    await engine.kubectl("patch", "deploy", "web", "-p", patch)
    web = json.loads((await engine.kubectl("get", "deploy", "-l", "tier=front", "-o", "json")).out)["items"][0]
    container = web["spec"]["template"]["spec"]["containers"][0]
    assert web["spec"]["replicas"] == 5
    assert (container["image"], container["env"]) == ("nginx:1.28", [{"name": "A", "value": "b"}])
    assert web["metadata"]["annotations"]["note"] == "hello"
    # Upstream counts a Deployment's changed annotations as well.
    assert web["metadata"]["generation"] == 5


async def test_describe_explain_and_api_resources(engine: RunningEngine) -> None:
    await engine.kubectl("create", "-f", "-", stdin=POD)
    assert "Image:        nginx:latest" in (await engine.kubectl("describe", "pod", "nginx-pod")).out
    assert "FIELD: containers <[]Container>" in (await engine.kubectl("explain", "pod.spec.containers")).out
    listed = (await engine.kubectl("api-resources")).out
    for plural in ("pods", "deployments", "replicasets", "endpointslices", "leases", "events"):
        assert f"\n{plural} " in listed


async def test_deletion_is_waited_for(engine: RunningEngine) -> None:
    await engine.kubectl("create", "-f", "-", stdin=POD)
    ran = await engine.kubectl("delete", "pod", "nginx-pod", "--timeout=5s")
    assert 'pod "nginx-pod" deleted' in ran.out
    assert "not found" in (await engine.kubectl("get", "pod", "nginx-pod", check=False)).err


async def test_watch_prints_rows_as_they_change(engine: RunningEngine) -> None:
    await engine.kubectl("create", "configmap", "--dry-run=client", "a")
    watching = asyncio.ensure_future(engine.kubectl("get", "pods", "-w", "--request-timeout=3s", check=False))
    await asyncio.sleep(0.5)
    await engine.kubectl("create", "-f", "-", stdin=POD)
    await engine.kubectl("delete", "pod", "nginx-pod", "--wait=false")
    rows = [line.split()[:3] for line in (await watching).out.splitlines()]
    assert rows[:2] == [["NAME", "READY", "STATUS"], ["nginx-pod", "0/1", "Pending"]]


async def test_missing_objects_and_kinds_are_named(engine: RunningEngine) -> None:
    ran = await engine.kubectl("get", "pod", "nope", check=False)
    assert ran.err == 'Error from server (NotFound): pods "nope" not found\n'
    ran = await engine.kubectl("get", "nothings", check=False)
    assert 'the server doesn\'t have a resource type "nothings"' in ran.err


async def test_system_namespaces_stay(engine: RunningEngine) -> None:
    ran = await engine.kubectl("delete", "ns", "default", check=False)
    assert 'namespaces "default" is forbidden: this namespace may not be deleted' in ran.err
