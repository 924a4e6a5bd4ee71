"""The official Python clients on kinds that they learn of by discovery, in a thread and in an event loop of their own."""

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
