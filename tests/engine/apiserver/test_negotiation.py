"""How answers are written down, over the wire: media types, indentation, tags, compression."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import yaml

from tests.engine.apiserver.wire import Caller, calling
from tests.engine.conftest import RunningEngine

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
BETA = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
NAMESPACE = "/api/v1/namespaces/default"
NAMESPACES = "/api/v1/namespaces"


@pytest_asyncio.fixture(loop_scope="module")
async def call(shared_engine: RunningEngine) -> AsyncIterator[Caller]:
    async with calling(shared_engine) as caller:
        yield caller


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param("", "application/json", id="nothing"),
        pytest.param("*/*", "application/json", id="anything"),
        pytest.param("application/*", "application/json", id="any-application"),
        pytest.param("application/yaml", "application/yaml", id="yaml"),
        pytest.param("application/json;q=0.5, application/yaml;q=0.9", "application/yaml", id="yaml-rather"),
        pytest.param("application/yaml;q=0.5, application/json", "application/json", id="json-rather"),
        pytest.param("text/html, */*;q=0.1", "application/json", id="a-browser"),
        pytest.param("application/vnd.kubernetes.protobuf, application/json", "application/json", id="a-typed-client"),
    ],
)
async def test_the_best_form_that_we_have_is_given(call: Caller, accept: str, content_type: str) -> None:
    for path in (NAMESPACE, NAMESPACES, "/api/v1", "/apis", f"{NAMESPACES}/nope"):
        got = await call(path, **({"accept": accept} if accept else {}))
        assert got.type == content_type
        assert got.status == (404 if path.endswith("nope") else 200)
        read = yaml.safe_load(got.body) if content_type == "application/yaml" else json.loads(got.body)
        assert read["kind"]


async def test_forms_that_nobody_has_are_refused_in_upstreams_words(call: Caller) -> None:
    got = await call(NAMESPACE, accept="text/html")
    assert (got.status, json.loads(got.body)["reason"]) == (406, "NotAcceptable")
    assert got.message == "only the following media types are accepted: application/json, application/yaml"
    got = await call(f"{NAMESPACES}?watch=1&timeoutSeconds=1", accept="application/yaml")
    assert got.message == "only the following media types are accepted: application/json;stream=watch"
    got = await call(NAMESPACES, accept="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")
    assert got.message == (
        "you requested PartialObjectMetadata, but the requested object is a list (*core.NamespaceList)"
    )
    got = await call(NAMESPACE, accept="application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")
    assert got.message == (
        "you requested PartialObjectMetadataList, but the requested object is not a list (*core.Namespace)"
    )
    got = await call(f"{NAMESPACES}?includeObject=All", accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert (got.status, got.message) == (
        400,
        "Unable to convert to Table as requested: includeObject: Invalid value: \"All\": must be 'Metadata', "
        "'Object', 'None', or empty",
    )


async def test_bodies_that_nobody_reads_are_refused_in_upstreams_words(call: Caller) -> None:
    got = await call(NAMESPACES, "POST", b"{}", content_type="text/plain")
    assert (got.status, json.loads(got.body)["reason"]) == (415, "UnsupportedMediaType")
    assert got.message == (
        "the body of the request was in an unknown format - accepted media types include: application/json, "
        "application/yaml, application/vnd.kubernetes.protobuf"
    )
    got = await call(NAMESPACE, "PATCH", b"{}", content_type="application/json")
    assert got.message == (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
        "application/apply-patch+yaml"
    )


async def test_people_get_lines_and_programs_get_one(call: Caller) -> None:
    assert (await call(NAMESPACE)).body.count(b"\n") == 1
    for headers in ({"user_agent": "curl/8.5"}, {"accept": "application/json;pretty=1"}):
        assert (await call(NAMESPACE, **headers)).body.startswith(b'{\n  "kind": "Namespace",\n')
    assert (await call(f"{NAMESPACE}?pretty=true")).body.startswith(b'{\n  "kind": "Namespace",\n')
    assert (await call(f"{NAMESPACE}?pretty=false", user_agent="curl/8.5")).body.count(b"\n") == 1
    assert (await call("/version")).body.startswith(b'{\n  "major": "1",\n')


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_tables_and_metadata_come_in_the_version_asked_for(call: Caller, version: str) -> None:
    for include, held in (("None", None), ("Metadata", "PartialObjectMetadata"), ("Object", "Namespace")):
        accept = f"application/json;as=Table;v={version};g=meta.k8s.io"
        table = json.loads((await call(f"{NAMESPACES}?includeObject={include}", accept=accept)).body)
        assert (table["kind"], table["apiVersion"]) == ("Table", f"meta.k8s.io/{version}")
        assert {row.get("object", {}).get("kind") for row in table["rows"]} == {held}
    accept = f"application/json;as=PartialObjectMetadataList;v={version};g=meta.k8s.io"
    listed = json.loads((await call(NAMESPACES, accept=accept)).body)
    assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", f"meta.k8s.io/{version}")
    assert {(item["kind"], item["apiVersion"]) for item in listed["items"]} == {
        ("PartialObjectMetadata", f"meta.k8s.io/{version}")
    }
    assert all(set(item) == {"kind", "apiVersion", "metadata"} for item in listed["items"])


async def test_aggregated_discovery_is_tagged_and_its_beta_is_gone(call: Caller) -> None:
    for path in ("/api", "/apis"):
        got = await call(path, accept=f"{DISCOVERY},{BETA},application/json")
        assert (got.type, got.headers["cache-control"], got.headers["vary"]) == (DISCOVERY, "public", "Accept")
        again = await call(path, accept=DISCOVERY, if_none_match=got.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        assert (await call(path, accept=f"{BETA},application/json")).type == "application/json"
        assert (await call(path, accept=BETA)).status == 406


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param("", "application/json", id="nothing"),
        pytest.param("application/json", "application/json", id="json"),
        pytest.param(PROTOBUF_V2, PROTOBUF_V2, id="protobuf"),
        pytest.param("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", PROTOBUF_V2, id="by-the-old-name"),
        pytest.param(f"application/json;q=0.8,{PROTOBUF_V2}", PROTOBUF_V2, id="protobuf-rather"),
    ],
)
async def test_openapi_2_comes_in_both_forms_under_one_tag(call: Caller, accept: str, content_type: str) -> None:
    got = await call("/openapi/v2", accept_encoding="gzip", **({"accept": accept} if accept else {}))
    assert (got.status, got.type) == (200, content_type)
    assert got.headers["vary"] == "Accept, Accept-Encoding"
    body = gzip.decompress(got.body)
    assert body.startswith(b'{"swagger":"2.0"' if content_type == "application/json" else b"\x0a\x032.0")
    assert got.headers["etag"] == (await call("/openapi/v2")).headers["etag"]
    again = await call("/openapi/v2", if_none_match=got.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert (await call("/openapi/v2", accept="text/html")).status == 406


async def test_openapi_3_may_be_kept_for_ever_under_its_digest(call: Caller) -> None:
    index = json.loads((await call("/openapi/v3")).body)["paths"]
    address = index["apis/apps/v1"]["serverRelativeURL"]
    got = await call(address)
    assert (got.headers["cache-control"], got.headers["vary"]) == ("public, immutable", "Accept")
    assert "expires" in got.headers
    assert address.endswith(f"?hash={got.headers['etag'].strip(chr(34))}")
    assert (await call(address, if_none_match=got.headers["etag"])).status == 304
    moved = await call("/openapi/v3/apis/apps/v1?hash=OLD")
    assert (moved.status, moved.headers["location"]) == (301, address)
    assert "immutable" not in (await call("/openapi/v3/apis/apps/v1")).headers["cache-control"]


async def test_the_root_lists_what_there_is(call: Caller) -> None:
    paths = json.loads((await call("/")).body)["paths"]
    assert paths == sorted(paths)
    assert {
        "/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/apis/", "/apis/apps", "/apis/apps/v1",
        "/healthz", "/healthz/ping", "/livez", "/livez/ping", "/metrics", "/openapi/v2", "/openapi/v3", "/openapi/v3/",
        "/openid/v1/jwks", "/readyz", "/readyz/ping", "/version",
    } <= set(paths)  # fmt: skip
    for path in paths:
        assert (await call(path)).status == 200, path


async def test_health_is_told_check_by_check(call: Caller) -> None:
    assert (await call("/livez")).body == b"ok"
    told = (await call("/livez?verbose")).body.decode()
    assert told == "[+]ping ok\n[+]sqlite ok\nlivez check passed\n"
    told = (await call("/readyz?verbose&exclude=ping&exclude=nope")).body.decode()
    assert told == (
        "[+]ping excluded: ok\n[+]sqlite ok\n[+]poststarthook/bootstrap ok\n"
        'warn: some health checks cannot be excluded: no matches for "nope"\nreadyz check passed\n'
    )
    assert (await call("/readyz/poststarthook/bootstrap")).body == b"ok"
    assert (await call("/readyz/nope")).status == 404


async def test_a_failing_check_is_named_and_its_reason_kept_for_those_who_ask_for_it(
    call: Caller, shared_engine: RunningEngine
) -> None:
    checks = shared_engine.api.documents.health.checks
    checks["fire"] = lambda: "the house is on fire"
    try:
        got = await call("/healthz")
        assert (got.status, got.body.decode()) == (
            500,
            "[+]ping ok\n[+]sqlite ok\n[-]fire failed: reason withheld\nhealthz check failed\n",
        )
        got = await call("/healthz/fire")
        assert (got.status, got.body) == (500, b"internal server error: the house is on fire\n")
        assert (await call("/healthz?exclude=fire")).status == 200
    finally:
        del checks["fire"]
