"""Discovery and OpenAPI: clients find every kind, by every way they look."""

import hashlib
from typing import Any

import msgspec
import pytest

from engine.apiserver.registry.catalog import KINDS, group_versions
from engine.apiserver.registry.kind import Kind
from engine.apiserver.schema.documents import find, wants_aggregated

KUBECTL = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


def read(path: str, accept: str = "application/json") -> Any:
    document = find(path, accept, "127.0.0.1:6443")
    assert document is not None
    return msgspec.json.decode(document.body)


def test_the_core_group_says_where_it_is() -> None:
    assert read("/api") == {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}],
    }


def test_groups_are_listed_and_found_one_by_one() -> None:
    listed = read("/apis")["groups"]
    assert {group["name"] for group in listed} == {group for group, _ in group_versions() if group}
    for group in listed:
        assert read(f"/apis/{group['name']}") == {"kind": "APIGroup", "apiVersion": "v1", **group}


def test_deployments_show_their_scale_as_another_group() -> None:
    resources = {resource["name"]: resource for resource in read("/apis/apps/v1")["resources"]}
    assert resources["deployments"]["shortNames"] == ["deploy"]
    scale = resources["deployments/scale"]
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")


@pytest.mark.parametrize(
    "path", ["/api/v2", "/apis/nope", "/apis/apps/v2", "/openapi/v3/apis/nope/v1", "/x", "/api/v1/pods"]
)
def test_nothing_is_where_nothing_is_served(path: str) -> None:
    assert find(path, KUBECTL, "") is None


def test_the_aggregated_form_is_for_those_who_ask_first_for_it() -> None:
    assert wants_aggregated(KUBECTL)
    assert not wants_aggregated("application/json")
    assert not wants_aggregated(
        "application/json, application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    )


def test_aggregated_discovery_tells_the_same_as_the_lists() -> None:
    for path in ("/api", "/apis"):
        for group in read(path, KUBECTL)["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                base = f"/apis/{name}/{version['version']}" if name else f"/api/{version['version']}"
                told = {
                    entry["resource"]: (entry["verbs"], entry.get("shortNames"), entry["scope"] == "Namespaced")
                    for entry in version["resources"]
                }
                listed = {
                    entry["name"]: (entry["verbs"], entry.get("shortNames"), entry["namespaced"])
                    for entry in read(base)["resources"]
                    if "/" not in entry["name"]
                }
                assert told == listed


def test_the_openapi_index_names_each_document_by_its_content() -> None:
    for path, entry in read("/openapi/v3")["paths"].items():
        document = find(f"/openapi/v3/{path}", "", "")
        assert document is not None
        digest = hashlib.sha512(document.body).hexdigest().upper()
        assert entry["serverRelativeURL"] == f"/openapi/v3/{path}?hash={digest}"
        assert document.etag == f'"{digest}"'


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values())) if value else own
    if isinstance(value, list):
        return set().union(*map(references, value)) if value else set()
    return set()


@pytest.mark.parametrize(
    "path", ["/openapi/v2", *(f"/openapi/v3/{'apis/' + g if g else 'api'}/{v}" for g, v in group_versions())]
)
def test_every_reference_leads_somewhere_and_no_json_schema_is_left(path: str) -> None:
    document = read(path)
    schemas = document.get("definitions") or document["components"]["schemas"]
    prefix = "#/definitions/" if "definitions" in document else "#/components/schemas/"
    assert references(document) <= {prefix + name for name in schemas}
    assert b'"null"' not in msgspec.json.encode(document)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if "patch" in kind.verbs], ids=lambda kind: f"{kind.plural}.{kind.group}"
)
def test_a_patch_of_every_kind_announces_field_validation_and_dry_run(kind: Kind) -> None:
    base = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
    document = read(f"/openapi/v3/{base}")
    scope = "namespaces/{namespace}/" if kind.namespaced else ""
    operation = document["paths"][f"/{base}/{scope}{kind.plural}/{{name}}"]["patch"]
    assert operation["x-kubernetes-group-version-kind"] == {
        "group": kind.group,
        "version": kind.version,
        "kind": kind.kind,
    }
    assert {"fieldValidation", "dryRun"} <= {parameter["name"] for parameter in operation["parameters"]}


def test_merge_keys_stand_in_the_openapi_documents() -> None:
    schemas = read("/openapi/v3/api/v1")["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["items"] == {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}]}
