"""The app on a real engine over HTTPS: tables, watches, drill-down, describe, and a rollout steered by keys."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot
from textual.widgets import TextArea

from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from apimachinery.client.kubeconfig import ClusterAccess
from apimachinery.objects.errors import Forbidden
from apimachinery.objects.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    ROLEBINDINGS,
    ROLES,
    SERVICEACCOUNTS,
)
from tests.engine.conftest import RunningEngine, start_engine, stop_engine
from tests.tui.driving import screen_text
from tui.app import PilothouseApp
from tui.contexts import Contexts
from tui.palette import load_palette

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "nginx", "image": "nginx:1.27"}]},
        },
    },
}


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningEngine]:
    engine, task = await start_engine(tmp_path / "data", controllers=True)
    yield engine
    await stop_engine(engine, task)


def app(engine: RunningEngine, tmp_path: Path, **options: Any) -> PilothouseApp:
    return PilothouseApp(kubeconfig.load(engine.kubeconfig), palette=load_palette(tmp_path / "themes"), **options)


async def shows(pilot: Pilot[Any], *texts: str) -> str:
    """Wait until the screen says all of these; fails with the screen otherwise."""
    for _ in range(150):
        text = screen_text(pilot)
        if all(one in text for one in texts):
            return text
        await pilot.pause(0.04)
    raise AssertionError(f"{texts} not on the screen:\n{screen_text(pilot)}")


async def test_a_deployment_is_born_browsed_and_rolled_out_by_keys(running: RunningEngine, tmp_path: Path) -> None:
    async with app(running, tmp_path).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "No pods in default", "● live", "v1.36.")
        await running.client.create(DEPLOYMENTS, DEPLOYMENT, "default")
        await shows(pilot, "web-", "Pending", "2 pods")
        await pilot.press("colon", *"deploy", "enter")
        await shows(pilot, "web", "0/2")
        await pilot.press("enter")
        await shows(pilot, "web ▸ pods", "2 pods")
        await pilot.press("escape", "S")
        await shows(pilot, "Scale default/web")
        await pilot.press("3", "enter")
        await shows(pilot, "0/3")
        await pilot.press("i")
        await shows(pilot, "Set image of web")
        await pilot.press("backspace", "8", "enter")
        await shows(pilot, "image: nginx:1.27", "image: nginx:1.28", "Replaces 3 pods")
        await pilot.press("enter")
        await shows(pilot, "Set image: deployment/web")
        await pilot.press("R")
        await shows(pilot, "new revision 2", "old revision 1", "Waiting for deployment")
        await pilot.press("G", "U")
        await shows(pilot, "Undo to revision 1")
        await pilot.press("enter")
        await shows(pilot, "new revision 3")
    deployment = await running.client.get(DEPLOYMENTS, "web", "default")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.27"
    assert deployment["spec"]["replicas"] == 3


async def test_objects_are_described_and_shown_as_yaml_and_follow_their_changes(
    running: RunningEngine, tmp_path: Path
) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "page"}, "data": {"greeting": "ahoy"}}
    await running.client.create(CONFIGMAPS, config, "default")
    async with app(running, tmp_path, resource=CONFIGMAPS).run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "page")
        await pilot.press("slash", *"page", "enter", "d")
        await shows(pilot, "ConfigMap page", "greeting", "ahoy")
        await running.client.patch(CONFIGMAPS, "page", {"data": {"greeting": "farewell"}}, "default")
        await shows(pilot, "farewell")
        await pilot.press("y")
        await shows(pilot, "greeting: farewell", "kind: ConfigMap")


async def test_an_edit_in_the_app_reaches_the_engine_and_the_journal_takes_it_back(
    running: RunningEngine, tmp_path: Path
) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "page"}, "data": {"greeting": "ahoy"}}
    await Client(running.client.transport, field_manager="helm").create(CONFIGMAPS, config, "default")
    async with app(running, tmp_path, resource=CONFIGMAPS).run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "page")
        await pilot.press("slash", *"page", "enter", "e")
        await shows(pilot, "Edit ConfigMap page", "greeting: ahoy")
        area = pilot.app.screen.query_one(TextArea)
        area.load_text(area.text.replace("ahoy", "farewell"))
        await pilot.press("ctrl+s")
        await shows(pilot, "+   greeting: farewell", "data.greeting was written by helm")
        await pilot.press("enter")
        await shows(pilot, "Edit: configmap/page")
        assert (await running.client.get(CONFIGMAPS, "page", "default"))["data"] == {"greeting": "farewell"}
        await pilot.press("colon", *"journal", "enter")
        await shows(pilot, "What this session changed")
        await pilot.press("U")
        await shows(pilot, "Undo edit", "+   greeting: ahoy")
        await pilot.press("enter")
        await shows(pilot, "Undo edit: configmap/page")
    assert (await running.client.get(CONFIGMAPS, "page", "default"))["data"] == {"greeting": "ahoy"}


async def test_why_tells_what_a_real_deployment_waits_for(running: RunningEngine, tmp_path: Path) -> None:
    await running.client.create(DEPLOYMENTS, DEPLOYMENT | {"spec": DEPLOYMENT["spec"] | {"paused": True}}, "default")
    async with app(running, tmp_path, resource=DEPLOYMENTS).run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "web")
        await pilot.press("w")
        await shows(pilot, "The rollout is paused", "kubectl rollout resume deployment/web -n default")


async def test_any_discovered_kind_is_reached_by_its_short_name(running: RunningEngine, tmp_path: Path) -> None:
    async with app(running, tmp_path).run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "● live")
        await pilot.press("colon", *"sa", "enter")
        await shows(pilot, "default", "serviceaccounts")
        await pilot.press("colon", *"leases all", "enter")
        await shows(pilot, "all namespaces ▸ leases")


async def test_read_only_lets_no_write_through(running: RunningEngine, tmp_path: Path) -> None:
    await running.client.create(DEPLOYMENTS, DEPLOYMENT, "default")
    async with app(running, tmp_path, readonly=True, resource=DEPLOYMENTS).run_test(
        size=(100, 30), notifications=True
    ) as pilot:
        await shows(pilot, "web", "read-only")
        await pilot.press("S")
        await shows(pilot, "This session is read-only")
        with pytest.raises(Forbidden, match="this session is read-only: PATCH"):
            await pilot.app.session.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 7}}, "default")
    assert (await running.client.get(DEPLOYMENTS, "web", "default"))["spec"]["replicas"] == 2


async def test_the_app_outlives_the_engine_and_finds_it_again(tmp_path: Path) -> None:
    engine, task = await start_engine(tmp_path / "data", controllers=False)
    port = engine.port
    await engine.client.create(CONFIGMAPS, {"metadata": {"name": "kept"}, "data": {}}, "default")
    async with app(engine, tmp_path, resource=CONFIGMAPS).run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "kept", "● live")
        await stop_engine(engine, task)
        await shows(pilot, "kept", "stale")
        engine, task = await start_engine(tmp_path / "data", controllers=False, port=port)
        await engine.client.create(CONFIGMAPS, {"metadata": {"name": "after"}, "data": {}}, "default")
        await pilot.press("ctrl+r")
        await shows(pilot, "kept", "after", "● live")
    await stop_engine(engine, task)


async def limited(engine: RunningEngine) -> ClusterAccess:
    """An account that may look at pods of one namespace, and at nothing else."""
    client = engine.client
    await client.create(NAMESPACES, {"metadata": {"name": "shop"}})
    await client.create(SERVICEACCOUNTS, {"metadata": {"name": "till"}}, "shop")
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    await client.create(ROLES, {"metadata": {"name": "look"}, "rules": rules}, "shop")
    binding = {
        "metadata": {"name": "look"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "look"},
        "subjects": [{"kind": "ServiceAccount", "name": "till", "namespace": "shop"}],
    }
    await client.create(ROLEBINDINGS, binding, "shop")
    path = SERVICEACCOUNTS.path("shop", "till", "token")
    headers = {"Content-Type": "application/json"}
    answer = await client.call("POST", path, headers=headers, body=b'{"spec":{"expirationSeconds":3600}}')
    token = msgspec.json.decode(answer)["status"]["token"]

    async def bearer() -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    return ClusterAccess(
        context="shop", cluster="shop", user="till", server=engine.url, namespace="shop",
        ssl_context=engine.ssl(certificate=False), auth_headers=bearer,
    )  # fmt: skip


async def test_who_may_see_one_namespace_alone_is_served_there_and_told_of_the_rest(
    running: RunningEngine, tmp_path: Path
) -> None:
    access = await limited(running)
    await running.client.create(
        PODS, {"metadata": {"name": "till-1"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}, "shop"
    )
    limited_app = PilothouseApp(access, palette=load_palette(tmp_path / "themes"))
    async with limited_app.run_test(size=(110, 30), notifications=True) as pilot:
        await shows(pilot, "shop ▸ pods", "till-1", "● live")
        await pilot.press("0")
        await shows(pilot, "You may not see pods in all namespaces", "system:serviceaccount:shop:till", "list pods")
        await pilot.press("n", *"shop", "enter")
        await shows(pilot, "shop ▸ pods", "till-1")
        await pilot.press("ctrl+d")
        await shows(pilot, "it needs the right to")
        await pilot.press("colon", *"can", "enter")
        await shows(pilot, "what you may do", "pods")
        await pilot.press("colon", *"secrets", "enter")
        await shows(pilot, "You may not see secrets in shop")


async def test_two_clusters_are_switched_between_live(running: RunningEngine, tmp_path: Path) -> None:
    other, task = await start_engine(tmp_path / "other", controllers=False)
    try:
        await other.client.create(CONFIGMAPS, {"metadata": {"name": "over-there"}}, "default")
        await running.client.create(CONFIGMAPS, {"metadata": {"name": "over-here"}}, "default")
        here = running.kubeconfig.read_text()
        there = other.kubeconfig.read_text().replace("pilothouse", "elsewhere")
        (tmp_path / "here").write_text(here)
        (tmp_path / "there").write_text(there)
        contexts = Contexts([tmp_path / "here", tmp_path / "there"])
        async with app(running, tmp_path, resource=CONFIGMAPS, contexts=contexts).run_test(
            size=(110, 30), notifications=True
        ) as pilot:
            await shows(pilot, "over-here")
            await pilot.press("colon", *"ctx", "enter")
            await shows(pilot, "elsewhere", "answers")
            await pilot.press("colon", *"cm @elsewhere", "enter")
            await shows(pilot, "over-there", "● live")
            await pilot.press("colon", *"@pilothouse", "enter")
            await shows(pilot, "over-here", "● live")
    finally:
        await stop_engine(other, task)


async def test_manifests_of_a_folder_are_applied_shown_first_and_deleted(
    running: RunningEngine, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    (folder / "deeper").mkdir(parents=True)
    manifest = folder / "deeper" / "all.yaml"
    manifest.write_text(
        "kind: ConfigMap\napiVersion: v1\nmetadata: {name: page}\ndata: {greeting: ahoy}\n---\n"
        + msgspec.yaml.encode(DEPLOYMENT).decode()
    )
    (folder / "wrong.yaml").write_text("kind: Zeppelin\napiVersion: air/v1\nmetadata: {name: z}\n")
    async with app(running, tmp_path).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "No pods in default", "● live", "v1.36.")
        await pilot.press("colon", *f"dir {folder}", "enter")
        await shows(pilot, "deeper/", "wrong.yaml")
        await pilot.press("G", "a")
        await shows(pilot, "the server has no Zeppelin of air/v1")
        await pilot.press("g", "j", "enter")
        await shows(pilot, "all.yaml")
        await pilot.press("G", "a")
        await shows(pilot, "configmap/page in default", "greeting: ahoy", "It is new. 1 of 2 in all.yaml.")
        await pilot.press("enter")
        await shows(pilot, "deployment/web in default", "2 of 2")
        await pilot.press("enter")
        await shows(pilot, "Apply: deployment/web in default")
        assert (await running.client.get(CONFIGMAPS, "page", "default"))["data"] == {"greeting": "ahoy"}
        manifest.write_text(manifest.read_text().replace("ahoy", "hello"))
        await pilot.press("a")
        await shows(pilot, "-   greeting: ahoy", "+   greeting: hello")
        await pilot.press("enter")
        await shows(pilot, "deployment/web: nothing would change.")
        assert (await running.client.get(CONFIGMAPS, "page", "default"))["data"] == {"greeting": "hello"}
        await pilot.press("ctrl+d")
        await shows(pilot, "Delete these 2 objects of all.yaml?")
        await pilot.press("right", "enter")
        await shows(pilot, "Deleting 1 configmap.")
        assert (await running.client.list(DEPLOYMENTS, "default")).items == []
