"""Definitions through their life: names, versions, restarts, finalizers, owners and namespaces."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from apimachinery.client.client import Client
from apimachinery.objects.errors import Invalid, MethodNotAllowed, NotFound, UnsupportedMediaType
from apimachinery.objects.resources import CONFIGMAPS, NAMESPACES, Resource
from tests.engine.apiserver.custom.manifests import CRONTABS, DEFINITION
from tests.engine.conftest import RunningEngine, start_engine

DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
V1 = Resource("stable.example.com", "v1", "crontabs", "CronTab", namespaced=True)
V2 = Resource("stable.example.com", "v2", "crontabs", "CronTab", namespaced=True)


def definition(**changes: Any) -> dict[str, Any]:
    obj = yaml.safe_load(DEFINITION)
    obj["spec"].update(changes)
    return obj


def crontab(name: str = "a", version: str = "v1", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"stable.example.com/{version}",
        "kind": "CronTab",
        "metadata": {"name": name, **metadata},
        "spec": {"cronSpec": "* * * * *"},
    }


async def established(client: Client, name: str = CRONTABS) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            found = await client.get(DEFINITIONS, name)
            conditions = {c["type"]: c["status"] for c in found["status"]["conditions"]}
            if conditions.get("Established") == "True":
                return found
            await asyncio.sleep(0.02)


async def gone(client: Client, resource: Resource, name: str, namespace: str | None = None) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await client.get(resource, name, namespace)
            except NotFound:
                return
            await asyncio.sleep(0.05)


async def test_names_are_granted_and_said(engine: RunningEngine) -> None:
    await engine.client.create(DEFINITIONS, definition())
    found = await established(engine.client)
    assert found["status"]["acceptedNames"] == {
        "plural": "crontabs", "singular": "crontab", "kind": "CronTab", "listKind": "CronTabList",
        "shortNames": ["ct"], "categories": ["all"],
    }  # fmt: skip
    assert found["status"]["storedVersions"] == ["v1"]
    reasons = {c["type"]: (c["status"], c["reason"]) for c in found["status"]["conditions"]}
    assert reasons == {"NamesAccepted": ("True", "NoConflicts"), "Established": ("True", "InitialNamesAccepted")}


async def test_names_that_are_taken_are_not_granted_until_they_are_free(engine: RunningEngine) -> None:
    await engine.client.create(DEFINITIONS, definition())
    await established(engine.client)
    other = definition(names={"plural": "tables", "singular": "table", "kind": "CronTab"})
    other["metadata"]["name"] = "tables.stable.example.com"
    await engine.client.create(DEFINITIONS, other)
    async with asyncio.timeout(5):
        while not (found := await engine.client.get(DEFINITIONS, other["metadata"]["name"]))["status"]["conditions"]:
            await asyncio.sleep(0.02)
    reasons = {c["type"]: (c["status"], c["reason"], c["message"]) for c in found["status"]["conditions"]}
    assert reasons["Established"] == ("False", "NotAccepted", "not all names are accepted")
    assert reasons["NamesAccepted"][:2] == ("False", "ListKindConflict")
    await engine.client.delete(DEFINITIONS, CRONTABS)
    await established(engine.client, other["metadata"]["name"])


async def test_definition_that_breaks_rules_is_refused_with_all_of_them(engine: RunningEngine) -> None:
    bad = definition(group="nodots", scope="Everywhere")
    del bad["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["image"]["type"]
    with pytest.raises(Invalid) as refused:
        await engine.client.create(DEFINITIONS, bad)
    causes = {cause["field"]: cause["message"] for cause in (refused.value.details or {})["causes"]}
    assert causes["metadata.name"].endswith('must be spec.names.plural+"."+spec.group')
    assert causes["spec.group"] == 'Invalid value: "nodots": should be a domain with at least one dot'
    assert causes["spec.scope"] == 'Unsupported value: "Everywhere": supported values: "Cluster", "Namespaced"'
    where = "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[image].type"
    assert causes[where] == "Required value: must not be empty for specified object fields"


async def test_versions_show_the_same_objects_and_storage_may_move(engine: RunningEngine) -> None:
    first = definition()
    second = json.loads(json.dumps(first["spec"]["versions"][0])) | {"name": "v2", "storage": False}
    first["spec"]["versions"].append(second)
    await engine.client.create(DEFINITIONS, first)
    found = await established(engine.client)
    await engine.client.create(V2, crontab(version="v2"), "default")
    assert (await engine.client.get(V1, "a", "default"))["apiVersion"] == "stable.example.com/v1"
    assert (await engine.client.list(V2, "default")).items[0]["apiVersion"] == "stable.example.com/v2"
    found["spec"]["versions"][0]["storage"], found["spec"]["versions"][1]["storage"] = False, True
    moved = await engine.client.update(DEFINITIONS, found)
    assert moved["status"]["storedVersions"] == ["v1", "v2"]
    before = await engine.client.get(V1, "a", "default")
    after = await engine.client.update(V1, before)
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    moved["spec"]["versions"] = moved["spec"]["versions"][1:]
    with pytest.raises(Invalid, match="v1 was previously a storage version, and must remain in spec.versions"):
        await engine.client.update(DEFINITIONS, moved)


async def test_deleting_the_definition_waits_for_objects_with_finalizers(engine: RunningEngine) -> None:
    client = engine.client
    await client.create(DEFINITIONS, definition())
    await established(client)
    await client.create(V1, crontab(finalizers=["example.com/wait"]), "default")
    await client.create(V1, crontab("b"), "default")
    await client.delete(DEFINITIONS, CRONTABS)
    await gone(client, V1, "b", "default")
    with pytest.raises(MethodNotAllowed, match="create not allowed while custom resource definition is terminating"):
        await client.create(V1, crontab("c"), "default")
    assert (await client.get(DEFINITIONS, CRONTABS))["metadata"]["finalizers"] == [
        "customresourcecleanup.apiextensions.k8s.io"
    ]
    await client.patch(V1, "a", {"metadata": {"finalizers": None}}, "default", kind="merge")
    await gone(client, DEFINITIONS, CRONTABS)
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        await client.list(V1, "default")


async def test_strategic_patches_are_refused_as_upstream_does(engine: RunningEngine) -> None:
    await engine.client.create(DEFINITIONS, definition())
    await established(engine.client)
    await engine.client.create(V1, crontab(), "default")
    with pytest.raises(UnsupportedMediaType):
        await engine.client.patch(V1, "a", {"spec": {"replicas": 2}}, "default", kind="strategic")
    await engine.client.patch(V1, "a", [{"op": "add", "path": "/spec/image", "value": "x"}], "default", kind="json")


async def test_apply_owns_fields_and_names_whom_it_meets(engine: RunningEngine) -> None:
    await engine.client.create(DEFINITIONS, definition())
    await established(engine.client)
    await engine.client.patch(V1, "a", crontab(), "default", kind="apply", field_manager="one")
    changed = crontab()
    changed["spec"]["cronSpec"] = "1 * * * *"
    with pytest.raises(Exception, match='conflict with "one": .spec.cronSpec'):
        await engine.client.patch(V1, "a", changed, "default", kind="apply", field_manager="two")
    found = await engine.client.get(V1, "a", "default")
    assert found["metadata"]["managedFields"][0]["fieldsV1"] == {"f:spec": {"f:cronSpec": {}}}


async def test_restart_keeps_definitions_and_objects(tmp_path: Path) -> None:
    engine, task = await start_engine(tmp_path / "data", controllers=False)
    await engine.client.create(DEFINITIONS, definition())
    await established(engine.client)
    await engine.client.create(V1, crontab(), "default")
    await stop(engine, task)
    engine, task = await start_engine(tmp_path / "data", controllers=False)
    assert (await engine.client.get(V1, "a", "default"))["spec"] == {"cronSpec": "* * * * *", "replicas": 1}
    await stop(engine, task)


async def stop(engine: RunningEngine, task: asyncio.Task[None]) -> None:
    await engine.client.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_owners_and_namespaces_take_custom_objects_along(tmp_path: Path) -> None:
    engine, task = await start_engine(tmp_path / "data", controllers=True)
    client = engine.client
    try:
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
        await client.create(DEFINITIONS, definition())
        await established(client)
        owner = await client.create(V1, crontab("owner"), "team")
        reference = {
            "apiVersion": "stable.example.com/v1", "kind": "CronTab", "name": "owner", "uid": owner["metadata"]["uid"],
        }  # fmt: skip
        held = {"name": "held", "ownerReferences": [reference]}
        await client.create(CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": held}, "team")
        await client.delete(V1, "owner", "team")
        await gone(client, CONFIGMAPS, "held", "team")
        await client.create(V1, crontab("other"), "team")
        await client.delete(NAMESPACES, "team")
        await gone(client, NAMESPACES, "team")
        with pytest.raises(NotFound):
            await client.get(V1, "other", "team")
    finally:
        await stop(engine, task)
