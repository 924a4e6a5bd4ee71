"""kubectl create with each of its generators, run, expose, autoscale: what they make, as the server keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engine.apiserver.kubectl.conftest import Kubectl
from tests.engine.apiserver.kubectl.manifests import DEPLOYMENT, POD

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("arguments", "said", "path", "value"),
    [
        pytest.param(
            "clusterrole NAME --verb=get,list --resource=pods",
            "clusterrole.rbac.authorization.k8s.io/NAME created",
            "{.rules[0].verbs}",
            '["get","list"]',
            id="clusterrole",
        ),
        pytest.param(
            "clusterrolebinding NAME --clusterrole=view --user=jane",
            "clusterrolebinding.rbac.authorization.k8s.io/NAME created",
            "{.subjects[0].name}",
            "jane",
            id="clusterrolebinding",
        ),
        pytest.param("configmap NAME --from-literal=a=1", "configmap/NAME created", "{.data.a}", "1", id="configmap"),
        pytest.param(
            "cronjob NAME --image=busybox --schedule=*/5&*&*&*&* -- date",
            "cronjob.batch/NAME created",
            "{.spec.schedule}",
            "*/5 * * * *",
            id="cronjob",
        ),
        pytest.param(
            "deployment NAME --image=nginx --replicas=3 --port=80",
            "deployment.apps/NAME created",
            "{.spec.replicas}",
            "3",
            id="deployment",
        ),
        pytest.param(
            "ingress NAME --rule=a.example/*=svc:80",
            "ingress.networking.k8s.io/NAME created",
            "{.spec.rules[0].host}",
            "a.example",
            id="ingress",
        ),
        pytest.param(
            "job NAME --image=busybox -- true",
            "job.batch/NAME created",
            "{.spec.template.spec.containers[0].command[0]}",
            "true",
            id="job",
        ),
        pytest.param("namespace NAME", "namespace/NAME created", "{.status.phase}", "Active", id="namespace"),
        pytest.param(
            "poddisruptionbudget NAME --selector=app=web --min-available=1",
            "poddisruptionbudget.policy/NAME created",
            "{.spec.minAvailable}",
            "1",
            id="poddisruptionbudget",
        ),
        pytest.param(
            "priorityclass NAME --value=1000 --description=much",
            "priorityclass.scheduling.k8s.io/NAME created",
            "{.value}",
            "1000",
            id="priorityclass",
        ),
        pytest.param("quota NAME --hard=pods=5", "resourcequota/NAME created", "{.spec.hard.pods}", "5", id="quota"),
        pytest.param(
            "role NAME --verb=get --resource=configmaps",
            "role.rbac.authorization.k8s.io/NAME created",
            "{.rules[0].resources[0]}",
            "configmaps",
            id="role",
        ),
        pytest.param(
            "rolebinding NAME --clusterrole=edit --serviceaccount=default:default",
            "rolebinding.rbac.authorization.k8s.io/NAME created",
            "{.roleRef.name}",
            "edit",
            id="rolebinding",
        ),
        pytest.param(
            "secret generic NAME --from-literal=a=1", "secret/NAME created", "{.data.a}", "MQ==", id="secret-generic"
        ),
        pytest.param(
            "secret docker-registry NAME --docker-username=u --docker-password=p --docker-server=r.example",
            "secret/NAME created",
            "{.type}",
            "kubernetes.io/dockerconfigjson",
            id="secret-registry",
        ),
        pytest.param(
            "service clusterip NAME --tcp=80:8080",
            "service/NAME created",
            "{.spec.ports[0].targetPort}",
            "8080",
            id="service-clusterip",
        ),
        pytest.param(
            "service nodeport NAME --tcp=80", "service/NAME created", "{.spec.type}", "NodePort", id="service-nodeport"
        ),
        pytest.param(
            "service loadbalancer NAME --tcp=80",
            "service/NAME created",
            "{.spec.type}",
            "LoadBalancer",
            id="service-loadbalancer",
        ),
        pytest.param(
            "service externalname NAME --external-name=x.example",
            "service/NAME created",
            "{.spec.externalName}",
            "x.example",
            id="service-externalname",
        ),
        pytest.param("serviceaccount NAME", "serviceaccount/NAME created", "{.kind}", "ServiceAccount", id="account"),
    ],
)
async def test_create_makes_it(kubectl: Kubectl, arguments: str, said: str, path: str, value: str) -> None:
    name = f"made-in-{kubectl.namespace}"
    words = [word.replace("NAME", name).replace("&", " ") for word in arguments.split()]
    assert await kubectl("create", *words) == said.replace("NAME", name) + "\n"
    resource = said.split("/", maxsplit=1)[0]
    assert await kubectl("get", resource, name, "-o", f"jsonpath={path}") == value
    again = await kubectl.fails("create", *words)
    assert again.startswith("Error from server (AlreadyExists): ") or "failed to create" in again


async def test_create_token_gives_one(kubectl: Kubectl) -> None:
    await kubectl("create", "serviceaccount", "robot")
    token = await kubectl("create", "token", "robot", "--duration=10m")
    assert token.count(".") == 2


async def test_create_of_a_job_from_a_cronjob(kubectl: Kubectl) -> None:
    await kubectl("create", "cronjob", "tick", "--image=busybox", "--schedule=@hourly", "--", "date")
    assert await kubectl("create", "job", "now", "--from=cronjob/tick") == "job.batch/now created\n"


async def test_run_expose_and_autoscale(kubectl: Kubectl) -> None:
    assert await kubectl("run", "one", "--image=nginx", "--port=80", "--labels=app=one") == "pod/one created\n"
    assert await kubectl("expose", "pod", "one", "--port=80", "--name=one") == "service/one exposed\n"
    assert await kubectl("get", "service", "one", "-o", "jsonpath={.spec.selector}") == '{"app":"one"}'
    await kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    said = await kubectl("autoscale", "deployment", "web", "--min=2", "--max=5", "--cpu-percent=80")
    assert said == "horizontalpodautoscaler.autoscaling/web autoscaled\n"
    assert await kubectl("get", "hpa", "web", "-o", "jsonpath={.spec.maxReplicas}") == "5"


async def test_replace_with_and_without_force(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=POD)
    uid = await kubectl("get", "pod", "web", "-o", "jsonpath={.metadata.uid}")
    await kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    assert await kubectl("replace", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web replaced\n"
    changed = POD.replace("nginx:1.27", "nginx:1.28")
    said = await kubectl("replace", "--force", "--grace-period=0", "-f", "-", stdin=changed)
    assert said.endswith("pod/web replaced\n")
    assert await kubectl("get", "pod", "web", "-o", "jsonpath={.metadata.uid}") != uid


async def test_kustomize_builds_and_applies(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    (tmp_path / "kustomization.yaml").write_text("namePrefix: my-\nresources: [pod.yaml]\n")
    assert "name: my-web" in await kubectl("kustomize", str(tmp_path))
    assert await kubectl("apply", "-k", str(tmp_path)) == "pod/my-web created\n"


async def test_apply_prunes_diffs_and_remembers(kubectl: Kubectl) -> None:
    both = "\n---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{set: a}}}}\ndata: {{x: '1'}}"
        for name in "ab"
    )
    assert await kubectl("apply", "-f", "-", stdin=both) == "configmap/a created\nconfigmap/b created\n"
    one = both.split("\n---\n")[0].replace("'1'", "'2'")
    ran = await kubectl.ran("diff", "-f", "-", stdin=one)
    assert ran.code == 1
    assert '-  x: "1"\n+  x: "2"' in ran.out
    said = await kubectl("apply", "--prune", "-l", "set=a", "--prune-allowlist=core/v1/ConfigMap", "-f", "-", stdin=one)
    assert said == "configmap/a configured\nconfigmap/b pruned\n"
    last = await kubectl("apply", "view-last-applied", "configmap", "a", "-o", "json")
    assert json.loads(last)["data"] == {"x": "2"}
    assert "set-last-applied" in (await kubectl.ran("apply", "set-last-applied", "--help")).out
    edited = one.replace("'2'", "'3'")
    said = await kubectl("apply", "set-last-applied", "-f", "-", stdin=edited)
    assert said == "configmap/a configured\n"
