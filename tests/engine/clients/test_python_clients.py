"""Python clients of several makers: kinds that they learn of by discovery, pages, watches, apply, errors."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes import config
from kubernetes.aio import config as aio_config
from kubernetes.aio.client import ApiException, CoreV1Api
from kubernetes.aio.watch import Watch
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError, UnprocessibleEntityError
from lightkube import ApiError, Client, KubeConfig
from lightkube.generic_resource import get_generic_resource, load_in_cluster_generic_resources
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import PatchType

from tests.engine.conftest import RunningEngine

DEFINITION = Path(__file__).resolve().parents[3] / "examples/operator/definition.yaml"
GROUP = "games.example.com/v1"


def game_server(name: str, **spec: Any) -> dict[str, Any]:
    spec = {"image": "nginx:1.27", **spec}
    return {
        "apiVersion": GROUP,
        "kind": "GameServer",
        "metadata": {"name": name, "labels": {"game": name}},
        "spec": spec,
    }


async def test_the_dynamic_client_finds_and_changes_custom_objects(engine: RunningEngine) -> None:
    await engine.kubectl("apply", "-f", str(DEFINITION))

    def story() -> None:
        with config.new_client_from_config(str(engine.kubeconfig)) as connection:
            client = DynamicClient(connection)
            servers = client.resources.get(api_version=GROUP, kind="GameServer")
            assert servers.namespaced
            made = servers.create(game_server("arena"), namespace="default")
            assert made.spec.port == 80  # the schema's default
            servers.create(game_server("maze", replicas=3), namespace="default")
            assert [item.metadata.name for item in servers.get(label_selector="game=maze").items] == ["maze"]

            changed = servers.patch(
                {"spec": {"replicas": 2}}, "arena", "default", content_type="application/merge-patch+json"
            )
            assert (changed.spec.replicas, changed.metadata.generation) == (2, 2)
            told = servers.status.patch(
                {"status": {"phase": "Running"}}, "arena", "default", content_type="application/merge-patch+json"
            )
            assert (told.status.phase, told.metadata.generation) == ("Running", 2)
            with pytest.raises(ConflictError, match="the object has been modified"):
                servers.replace(made.to_dict(), namespace="default")
            with pytest.raises(UnprocessibleEntityError, match="spec.replicas"):
                servers.create(game_server("huge", replicas=21), namespace="default")

            servers.server_side_apply(
                game_server("arena", greeting="Hi"), "arena", "default", field_manager="me", force_conflicts=True
            )
            events = servers.watch(namespace="default", name="arena", timeout=5)
            assert next(events)["object"].spec.greeting == "Hi"
            events.close()

            servers.delete("arena", "default")
            with pytest.raises(NotFoundError):
                servers.get("arena", "default")

    await asyncio.to_thread(story)


async def test_the_asyncio_client_lists_by_pages_and_watches_on_from_there(engine: RunningEngine) -> None:
    async with await aio_config.new_client_from_config(str(engine.kubeconfig)) as connection:
        api = CoreV1Api(connection)
        for name in ("a", "b", "c"):
            await api.create_namespaced_config_map("default", {"metadata": {"name": name}, "data": {"n": "1"}})
        first = await api.list_namespaced_config_map("default", limit=2)
        assert [item.metadata.name for item in first.items] == ["a", "b"]
        rest = await api.list_namespaced_config_map("default", limit=2, _continue=first.metadata._continue)
        assert [item.metadata.name for item in rest.items] == ["c"]

        await api.patch_namespaced_config_map("a", "default", {"data": {"n": "2"}})
        await api.delete_namespaced_config_map("b", "default")
        seen: list[tuple[str, str]] = []
        async with Watch() as watch:
            asked = api.list_namespaced_config_map
            stream = watch.stream(asked, "default", resource_version=rest.metadata.resource_version, timeout_seconds=10)
            async for event in stream:
                seen.append((event["type"], event["object"].metadata.name))
                if len(seen) == 2:
                    break
        assert seen == [("MODIFIED", "a"), ("DELETED", "b")]
        with pytest.raises(ApiException) as refused:
            await api.read_namespaced_config_map("b", "default")
        assert (refused.value.status, json.loads(refused.value.body)["reason"]) == (404, "NotFound")


async def test_lightkube_applies_pages_watches_and_loads_custom_kinds(engine: RunningEngine) -> None:
    await engine.kubectl("apply", "-f", str(DEFINITION))

    def story() -> None:
        with Client(config=KubeConfig.from_file(str(engine.kubeconfig)), field_manager="lightkube") as client:
            for name in ("a", "b", "c"):
                applied = client.apply(ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data={"n": "1"}))
                assert [entry.manager for entry in applied.metadata.managedFields] == ["lightkube"]
            assert [item.metadata.name for item in client.list(ConfigMap, chunk_size=1)] == ["a", "b", "c"]
            events = client.watch(ConfigMap, resource_version=applied.metadata.resourceVersion, server_timeout=10)
            client.patch(ConfigMap, "a", {"data": {"n": "2"}}, patch_type=PatchType.MERGE)
            kind, changed = next(events)
            assert (kind, changed.metadata.name, changed.data) == ("MODIFIED", "a", {"n": "2"})
            events.close()

            load_in_cluster_generic_resources(client)
            servers = get_generic_resource(GROUP, "GameServer")
            made = client.create(servers(metadata=ObjectMeta(name="arena"), spec={"image": "nginx:1.27"}))
            assert made.spec == {"image": "nginx:1.27", "port": 80, "replicas": 1}
            scale = client.get(servers.Scale, "arena")
            scale.spec.replicas = 4
            client.replace(scale, "arena")
            assert client.get(servers, "arena").spec["replicas"] == 4

            client.deletecollection(ConfigMap)
            with pytest.raises(ApiError) as refused:
                client.get(ConfigMap, "a")
            assert (refused.value.status.code, refused.value.status.reason) == (404, "NotFound")

    await asyncio.to_thread(story)
