"""kubectl get in all its forms, describe, explain, events, api-resources, cluster-info, auth, config, raw."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.engine.apiserver.kubectl.conftest import Kubectl
from tests.engine.apiserver.kubectl.manifests import DEPLOYMENT, POD

pytestmark = pytest.mark.asyncio(loop_scope="module")
MAPS = "\n---\n".join(
    f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{tier: {tier}}}}}\ndata: {{weight: '{weight}'}}"
    for name, tier, weight in (("a", "front", 3), ("b", "back", 1), ("c", "front", 2))
)


async def test_every_output_form(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=POD)
    shown = await asyncio.gather(
        *(
            kubectl("get", "pod", "web", *arguments)
            for arguments in (
                ("-o", "json"),
                ("-o", "yaml"),
                ("-o", "name"),
                ("-o", "wide"),
                ("-o", "jsonpath={.spec.containers[*].image}"),
                ("-o", "go-template={{.metadata.name}}/{{len .spec.containers}}"),
                ("-o", "custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[0].image"),
                ("--show-labels", "--no-headers"),
                ("-L", "app"),
                ("-o", "yaml", "--show-managed-fields"),
            )
        )
    )
    as_json, as_yaml, name, wide, path, template, columns, labels, column, managed = shown
    assert json.loads(as_json)["kind"] == "Pod"
    assert as_yaml.startswith("apiVersion: v1\nkind: Pod\n")
    assert "managedFields" not in as_yaml
    assert "managedFields" in managed
    assert (name, path, template) == ("pod/web\n", "nginx:1.27", "web/1")
    assert wide.split()[:10] == [
        "NAME",
        "READY",
        "STATUS",
        "RESTARTS",
        "AGE",
        "IP",
        "NODE",
        "NOMINATED",
        "NODE",
        "READINESS",
    ]
    assert columns.split() == ["NAME", "IMAGE", "web", "nginx:1.27"]
    assert labels.split()[0] == "web"
    assert labels.split()[-1] == "app=web"
    assert column.splitlines()[0].split()[-1] == "APP"


async def test_selectors_sorting_and_chunks(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=MAPS)
    chosen, but, by_field, ordered, chunked, several = await asyncio.gather(
        kubectl("get", "cm", "-l", "tier=front", "-o", "name"),
        kubectl("get", "cm", "-l", "tier in (back),tier!=front", "-o", "name"),
        kubectl("get", "cm", "--field-selector=metadata.name=b", "-o", "name"),
        kubectl("get", "cm", "-l", "tier", "--sort-by=.data.weight", "-o", "name"),
        kubectl("get", "cm", "-l", "tier", "--chunk-size=1", "-o", "name"),
        kubectl("get", "cm/a", "cm/b", "-o", "name"),
    )
    assert chosen.split() == ["configmap/a", "configmap/c"]
    assert (but.split(), by_field.split()) == (["configmap/b"], ["configmap/b"])
    assert ordered.split() == ["configmap/b", "configmap/c", "configmap/a"]
    assert chunked.split() == ["configmap/a", "configmap/b", "configmap/c"]
    assert several.split() == ["configmap/a", "configmap/b"]
    assert (await kubectl.fails("get", "cm", "--field-selector=data.x=1")) == (
        'Error from server (BadRequest): Unable to find "/v1, Resource=configmaps" that match label selector "", '
        'field selector "data.x=1": field label not supported: data.x\n'
    )


async def test_watching_prints_each_change(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=POD)
    async with kubectl.printing("get", "pods", "-w", "--output-watch-events") as line:
        assert [(await line()).split()[:2] for _ in range(2)] == [["EVENT", "NAME"], ["ADDED", "web"]]
        await kubectl("delete", "pod", "web", "--grace-period=0", "--force")
        assert (await line()).split()[:2] == ["DELETED", "web"]


async def test_get_of_a_subresource_and_of_raw_paths(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    scale, status, raw, version = await asyncio.gather(
        kubectl("get", "deployment", "web", "--subresource=scale", "-o", "jsonpath={.spec.replicas}"),
        kubectl("get", "deployment", "web", "--subresource=status", "-o", "name"),
        kubectl("get", "--raw", f"/apis/apps/v1/namespaces/{kubectl.namespace}/deployments/web/scale"),
        kubectl("get", "--raw", "/version"),
    )
    assert (scale, status) == ("2", "deployment.apps/web\n")
    assert json.loads(raw)["kind"] == "Scale"
    assert json.loads(version)["minor"] == "36"
    assert (await kubectl.fails("get", "--raw", "/nope")) == (
        "Error from server (NotFound): the server could not find the requested resource\n"
    )


async def test_all_shows_the_workloads(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    await kubectl("create", "service", "clusterip", "web", "--tcp=80")
    assert (await kubectl("get", "all", "-o", "name")).split() == ["service/web", "deployment.apps/web"]


async def test_describe_tells_of_any_kind(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    told, namespace, schema = await asyncio.gather(
        kubectl("describe", "deployment", "web"),
        kubectl("describe", "namespace", kubectl.namespace),
        kubectl("describe", "flowschema", "exempt"),
    )
    assert "StrategyType:           RollingUpdate" in told
    assert "Status:       Active" in namespace
    assert "Matching Precedence:  1" in schema


async def test_explain_shows_fields_and_their_depth(kubectl: Kubectl) -> None:
    plain, deep, custom = await asyncio.gather(
        kubectl("explain", "pod.spec.containers.image"),
        kubectl("explain", "deployment.spec", "--recursive"),
        kubectl("explain", "hpa", "--api-version=autoscaling/v1"),
    )
    assert "FIELD: image <string>" in plain
    assert "      matchLabels\t<map[string]string>" in deep
    assert "VERSION:    v1\n" in custom
    assert (await kubectl.fails("explain", "pod.spec.nope")) == 'error: field "nope" does not exist\n'


async def test_events_are_listed_for_an_object(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=POD)
    event = (
        "apiVersion: v1\nkind: Event\nmetadata: {name: e}\nreason: Pulled\nmessage: image is here\ntype: Normal\n"
        f"involvedObject: {{apiVersion: v1, kind: Pod, name: web, namespace: {kubectl.namespace}}}\n"
    )
    await kubectl("create", "-f", "-", stdin=event)
    assert "Normal   Pulled   Pod/web   image is here" in await kubectl("events", "--for=pod/web")
    assert await kubectl("events", "--types=Warning") == ""


async def test_discovery_is_shown(kubectl: Kubectl) -> None:
    resources, grouped, versions, info = await asyncio.gather(
        kubectl("api-resources", "--no-headers", "--sort-by=name", "-o", "wide"),
        kubectl("api-resources", "--api-group=apps", "--namespaced=true", "--verbs=list", "-o", "name"),
        kubectl("api-versions"),
        kubectl("cluster-info"),
    )
    assert [line.split()[0] for line in resources.splitlines()][:2] == ["apiservices", "bindings"]
    assert grouped.split() == [
        f"{name}.apps" for name in ("controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets")
    ]
    assert {"v1", "apps/v1", "flowcontrol.apiserver.k8s.io/v1", "resource.k8s.io/v1"} <= set(versions.split())
    assert "Kubernetes control plane" in info


async def test_cluster_info_dumps_into_a_folder(kubectl: Kubectl, tmp_path: Path) -> None:
    await kubectl("cluster-info", "dump", "--namespaces", kubectl.namespace, f"--output-directory={tmp_path}")
    assert (tmp_path / "nodes.json").exists()
    assert (tmp_path / kubectl.namespace / "pods.json").exists()


async def test_auth_answers_and_reconciles(kubectl: Kubectl) -> None:
    may, may_not, who, listed = await asyncio.gather(
        kubectl("auth", "can-i", "create", "pods"),
        kubectl.ran("auth", "can-i", "create", "pods", "--as=jane"),
        kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.groups[0]}"),
        kubectl("auth", "can-i", "--list"),
    )
    assert (may, who) == ("yes\n", "system:masters")
    assert (may_not.code, may_not.out) == (1, "no\n")
    assert "*.*" in listed
    role = (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n"
        f"metadata: {{name: r, namespace: {kubectl.namespace}}}\n"
        "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n"
    )
    assert "role.rbac.authorization.k8s.io/r reconciled" in await kubectl("auth", "reconcile", "-f", "-", stdin=role)


async def test_config_shows_where_it_goes(kubectl: Kubectl) -> None:
    assert kubectl.engine.url in await kubectl("config", "view")
    assert (await kubectl("config", "current-context")).strip() in await kubectl("config", "get-contexts", "-o", "name")


async def test_objects_and_kinds_that_are_missing_are_named(kubectl: Kubectl) -> None:
    assert await kubectl.fails("get", "pod", "nope") == 'Error from server (NotFound): pods "nope" not found\n'
    assert await kubectl.fails("get", "nothings") == ('error: the server doesn\'t have a resource type "nothings"\n')
    ran = await kubectl.ran("get", "pods")
    assert ran.err == f"No resources found in {kubectl.namespace} namespace.\n"
    assert await kubectl("get", "pod", "nope", "--ignore-not-found") == ""
