"""Server-side apply and the owners of fields over HTTPS, by our client, the real kubectl and the real helm."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import aiohttp
import pytest

from apimachinery.objects.errors import BadRequest, Conflict, Invalid, NotFound
from apimachinery.objects.resources import CONFIGMAPS, DEPLOYMENTS, PODS
from tests.clients import find_client
from tests.engine.conftest import RunningEngine

Json = dict[str, Any]

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: nginx
        image: nginx:1.27
        ports: [{containerPort: 80}]
        env: [{name: A, value: "1"}]
"""


def config_map(**data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


async def apply(
    engine: RunningEngine, manager: str, *, force: bool = False, dry_run: bool = False, **data: str
) -> Json:
    return await engine.client.patch(
        CONFIGMAPS,
        "a",
        config_map(**data),
        "default",
        kind="apply",
        field_manager=manager,
        force=force,
        dry_run=dry_run,
    )


def owned(obj: Json) -> dict[str, set[str]]:
    """Which data keys each manager owns."""
    return {
        entry["manager"]: {key[2:] for key in entry["fieldsV1"].get("f:data", {}) if key != "."}
        for entry in obj["metadata"].get("managedFields", ())
    }


async def test_apply_creates_changes_and_removes(engine: RunningEngine) -> None:
    created = await apply(engine, "me", x="1", y="1")
    assert (created["data"], owned(created)) == ({"x": "1", "y": "1"}, {"me": {"x", "y"}})
    changed = await apply(engine, "me", x="2")
    assert (changed["data"], owned(changed)) == ({"x": "2"}, {"me": {"x"}})


async def test_apply_of_the_same_changes_nothing(engine: RunningEngine) -> None:
    created = await apply(engine, "me", x="1")
    await asyncio.sleep(1.1)
    assert await apply(engine, "me", x="1") == created


async def test_dry_run_of_an_apply_shows_what_would_be(engine: RunningEngine) -> None:
    shown = await apply(engine, "me", dry_run=True, x="1")
    assert shown["data"] == {"x": "1"}
    with pytest.raises(NotFound):
        await engine.client.get(CONFIGMAPS, "a", "default")


async def test_conflict_carries_its_causes_and_force_wins(engine: RunningEngine) -> None:
    await apply(engine, "one", x="1")
    with pytest.raises(Conflict) as refused:
        await apply(engine, "two", x="2")
    assert refused.value.message == 'Apply failed with 1 conflict: conflict with "one": .data.x'
    assert refused.value.details == {
        "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.x"}]
    }
    assert owned(await apply(engine, "two", force=True, x="2")) == {"two": {"x"}}


async def test_apply_needs_a_manager_and_other_patches_cannot_force(engine: RunningEngine) -> None:
    path, headers = "/api/v1/namespaces/default/configmaps/a", {"content-type": "application/apply-patch+yaml"}
    with pytest.raises(Invalid, match="fieldManager: Required value: is required for apply patch"):
        await engine.client.call("PATCH", path, headers=headers, body=b"{}")
    with pytest.raises(Invalid, match="force: Forbidden: may not be specified for non-apply patch"):
        await engine.client.patch(CONFIGMAPS, "a", {}, "default", kind="merge", force=True)


async def test_apply_of_an_unknown_field_names_it(engine: RunningEngine) -> None:
    wrong = {**config_map(), "dta": {}}
    with pytest.raises(BadRequest) as refused:
        await engine.client.patch(CONFIGMAPS, "a", wrong, "default", kind="apply", field_manager="me")
    assert refused.value.message == (
        "failed to create typed patch object (default/a; v1, Kind=ConfigMap): .dta: field not declared in schema"
    )


async def test_apply_on_an_old_version_or_another_uid_conflicts(engine: RunningEngine) -> None:
    created = await apply(engine, "me", x="1")
    await apply(engine, "me", x="2")
    for stale in ({"resourceVersion": created["metadata"]["resourceVersion"]}, {"uid": "another"}):
        sent = config_map(x="3")
        sent["metadata"] = {"name": "a", **stale}
        with pytest.raises(Conflict):
            await engine.client.patch(CONFIGMAPS, "a", sent, "default", kind="apply", field_manager="me")


async def test_updates_are_noted_under_the_programs_name(engine: RunningEngine) -> None:
    async with aiohttp.ClientSession(headers={"user-agent": "gardener/v1.2 (linux/amd64)"}) as session:
        url = f"{engine.url}/api/v1/namespaces/default/configmaps"
        async with session.post(url, json=config_map(x="1"), ssl=engine.ssl()) as answer:
            created = await answer.json()
        created["data"]["y"] = "1"
        async with session.put(f"{url}/a?fieldManager=spade", json=created, ssl=engine.ssl()) as answer:
            changed = await answer.json()
    assert owned(created) == {"gardener": {"x"}}
    assert owned(changed) == {"gardener": {"x"}, "spade": {"y"}}


@pytest.mark.parametrize("nothing", [[], [{}]])
async def test_owners_are_forgotten_on_request(engine: RunningEngine, nothing: list[Json]) -> None:
    await apply(engine, "me", x="1")
    patch = {"metadata": {"managedFields": nothing}}
    bare = await engine.client.patch(CONFIGMAPS, "a", patch, "default", kind="merge")
    assert "managedFields" not in bare["metadata"]
    assert bare["data"] == {"x": "1"}


async def test_clients_that_know_no_owners_do_not_erase_them(engine: RunningEngine) -> None:
    created = await apply(engine, "me", x="1")
    del created["metadata"]["managedFields"]
    assert owned(await engine.client.update(CONFIGMAPS, created)) == {"me": {"x"}}


async def test_status_has_owners_of_its_own(engine: RunningEngine) -> None:
    await engine.kubectl("apply", "--server-side", "-f", "-", stdin=DEPLOYMENT)
    status = {"apiVersion": "apps/v1", "kind": "Deployment", "status": {"replicas": 2}, "spec": {"replicas": 9}}
    changed = await engine.client.patch(
        DEPLOYMENTS, "web", status, "default", kind="apply", subresource="status", field_manager="kubectl"
    )
    assert (changed["status"]["replicas"], changed["spec"]["replicas"]) == (2, 2)
    entries = {entry.get("subresource"): entry["fieldsV1"] for entry in changed["metadata"]["managedFields"]}
    assert entries["status"] == {"f:status": {"f:replicas": {}}}
    assert "f:status" not in entries[None]


async def test_applied_scale_conflicts_with_who_owns_the_replicas(engine: RunningEngine) -> None:
    await engine.kubectl("apply", "--server-side", "-f", "-", stdin=DEPLOYMENT)
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 5}}
    with pytest.raises(Conflict, match=r'conflict with "kubectl": \.spec\.replicas'):
        await engine.client.patch(
            DEPLOYMENTS, "web", scale, "default", kind="apply", subresource="scale", field_manager="hpa"
        )
    grown = await engine.client.patch(
        DEPLOYMENTS, "web", scale, "default", kind="apply", subresource="scale", field_manager="hpa", force=True
    )
    assert grown["spec"]["replicas"] == 5


async def test_defaults_and_allocated_values_belong_to_nobody_after_an_apply(engine: RunningEngine) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    made = await engine.client.patch(PODS, "p", pod, "default", kind="apply", field_manager="me")
    assert made["spec"]["restartPolicy"] == "Always"
    container = {".": {}, "f:name": {}, "f:image": {}}
    assert made["metadata"]["managedFields"][0]["fieldsV1"] == {
        "f:spec": {"f:containers": {'k:{"name":"c"}': container}}
    }


async def test_kubectl_applies_server_side_and_tells_conflicts(engine: RunningEngine) -> None:
    ran = await engine.kubectl("apply", "--server-side", "-f", "-", stdin=DEPLOYMENT)
    assert ran.out == "deployment.apps/web serverside-applied\n"
    changed = DEPLOYMENT.replace("1.27", "1.28")
    differing = await engine.kubectl("diff", "--server-side", "-f", "-", stdin=changed, check=False)
    assert differing.code == 1
    assert "+      - env:" not in differing.out
    assert "image: nginx:1.28" in differing.out
    await engine.kubectl("scale", "deploy/web", "--replicas=3")
    refused = await engine.kubectl("apply", "--server-side", "-f", "-", stdin=DEPLOYMENT, check=False)
    assert refused.code == 1
    assert (
        'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas'
        in refused.err
    )
    await engine.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=DEPLOYMENT)
    assert (await engine.kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}")).out == "2"


async def test_kubectl_moves_between_client_side_and_server_side(engine: RunningEngine) -> None:
    await engine.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    without_env = "\n".join(line for line in DEPLOYMENT.splitlines() if "env:" not in line)
    await engine.kubectl("apply", "--server-side", "-f", "-", stdin=without_env.replace("1.27", "1.28"))
    web = json.loads((await engine.kubectl("get", "deploy", "web", "-o", "json", "--show-managed-fields")).out)
    container = web["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "nginx:1.28"
    assert "env" not in container
    managers = {entry["manager"] for entry in web["metadata"]["managedFields"]}
    assert "kubectl" in managers
    assert "kubectl-client-side-apply" not in managers
    back = await engine.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert back.out == "deployment.apps/web configured\n"


async def test_helm_installs_upgrades_rolls_back_and_uninstalls_the_chart_it_creates(engine: RunningEngine) -> None:
    home = engine.data_dir / "helm"
    home.mkdir()

    async def helm(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            find_client("helm"),
            *arguments,
            cwd=home,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(engine.kubeconfig)},
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, f"helm {' '.join(arguments)}: {out.decode()}"
        return out.decode()

    async def replicas() -> int:
        return (await engine.client.get(DEPLOYMENTS, "shop", "default"))["spec"]["replicas"]

    await helm("create", "shop")
    await helm("lint", "shop")
    await helm("install", "shop", "shop", "--dry-run=server")
    await helm("install", "shop", "shop")
    assert await replicas() == 1
    await helm("upgrade", "shop", "shop", "--set", "replicaCount=3")
    assert await replicas() == 3
    assert "deployed" in await helm("list")
    await helm("rollback", "shop", "1")
    assert await replicas() == 1
    assert "Rollback to 1" in await helm("history", "shop")
    await helm("uninstall", "shop")
    with pytest.raises(NotFound):
        await replicas()


async def test_who_may_patch_but_not_create_cannot_create_by_an_apply(engine: RunningEngine) -> None:
    await engine.kubectl("create", "role", "patcher", "--verb=get,patch", "--resource=configmaps")
    await engine.kubectl("create", "rolebinding", "patcher", "--role=patcher", "--user=jane")
    arguments = ("apply", "--server-side", "--as=jane", "--validate=false", "-f", "-")
    text = json.dumps(config_map(x="1"))
    refused = await engine.kubectl(*arguments, stdin=text, check=False)
    assert 'User "jane" cannot create resource "configmaps"' in refused.err
    await apply(engine, "me", y="1")
    await engine.kubectl(*arguments, stdin=text)
    assert (await engine.client.get(CONFIGMAPS, "a", "default"))["data"] == {"x": "1", "y": "1"}


GAMES = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: games.example.com}
spec:
  group: example.com
  names: {plural: games, kind: Game}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              players:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items: {type: object, properties: {name: {type: string}, level: {type: integer}}}
"""


def game(**levels: int) -> str:
    players = [{"name": name, "level": level} for name, level in levels.items()]
    return json.dumps(
        {"apiVersion": "example.com/v1", "kind": "Game", "metadata": {"name": "g"}, "spec": {"players": players}}
    )


async def test_kinds_of_users_are_applied_by_the_lists_that_their_schemas_declare(engine: RunningEngine) -> None:
    await engine.kubectl("apply", "--server-side", "-f", "-", stdin=GAMES)
    await engine.kubectl("wait", "--for=condition=Established", "crd/games.example.com", "--timeout=10s")
    await engine.kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=game(ann=1))
    await engine.kubectl("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=game(bob=2))
    shown = await engine.kubectl("get", "games.example.com", "g", "-o", "jsonpath={.spec.players[*].name}")
    assert shown.out == "ann bob"
    refused = await engine.kubectl(
        "apply", "--server-side", "--field-manager=two", "-f", "-", stdin=game(ann=9), check=False
    )
    assert 'conflict with "one": .spec.players[name="ann"].level' in refused.err
